"""How long it takes to assemble the outputs of an array's children that lie on S3, beside a bare bulk read of them.

    python benchmarks/aws_storage.py [--children N] [--rounds N] [--moto PATH] [--json]

Both read the same keys from the same moto server in the same run: s3fs by `cat` of all of them at once; the handler's
last step, which also parses them, puts them together and writes outputs.pb. The two take turns, and the least of each
counts. Then the look at all children that have ended.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "propeller")]

TARGET = 1.5
BUCKET = "benchmark"


def measure(children: int, rounds: int, url: str) -> dict[str, float]:
    """Seconds by what was done."""
    os.environ |= {"AWS_ENDPOINT_URL_S3": url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    import s3fs
    from propeller_builders import integer, literal_map, request, services, settings, succeeded, template

    from flytekitplugins.awsbatch.local.deployment.filesystems import filesystem_of
    from flytekitplugins.awsbatch.propeller.aws_array.assemble import assemble_collected_outputs
    from flytekitplugins.awsbatch.propeller.aws_array.output_files import OutputFiles
    from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
    from flytekitplugins.awsbatch.propeller.node.attempt import attempt_context
    from flytekitplugins.awsbatch.propeller.storage import FsspecStore, SchemeStore

    bare = s3fs.S3FileSystem(use_listings_cache=False)
    bare.mkdir(BUCKET)
    store = SchemeStore(FsspecStore(filesystem_of))
    given = services(lambda job, child: succeeded(literal_map()), store=store, configured=settings())
    made = request(template(), literal_map())
    context = replace(attempt_context(made, store.join, 0), output_prefix=f"s3://{BUCKET}/prefix/data/0")
    keys = [f"{BUCKET}/prefix/data/0/{number}/outputs.pb" for number in range(children)]
    for start in range(0, children, 100):
        some = range(start, min(start + 100, children))
        bare.pipe({keys[number]: literal_map(o0=integer(number)).SerializeToString() for number in some})
    phases = [TaskPhase.SUCCESS] * children

    def assemble() -> None:
        outputs = assemble_collected_outputs(context, given, phases)
        OutputFiles(store, context.output_prefix).write_outputs(outputs)
        found = [one.scalar.primitive.integer for one in outputs.literals["o0"].collection.literals]
        assert found == list(range(children))

    def look() -> None:
        assert len(store.existing_files([f"s3://{key}" for key in keys])) == children

    works: dict[str, Callable[[], Any]] = {"bare": lambda: bare.cat(keys), "assembled": assemble, "looked for": look}
    best = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - began)
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--children", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--moto", default=os.environ.get("MOTO_SERVER", str(ROOT / ".venv-moto/bin/moto_server")))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not shutil.which(given.moto):
        parser.error(f"{given.moto}: no moto server; `make .venv-moto/.ready` installs one")
    from backends import moto_url

    with moto_url(given.moto) as url:
        took = measure(given.children, given.rounds, url)
    ratio = took["assembled"] / took["bare"]
    if given.json:
        print(json.dumps({"children": given.children, **took, "ratio": ratio, "target": TARGET}))
    else:
        print(f"{given.children} children's outputs on S3 (moto), least of {given.rounds} rounds:")
        print(f"  bare s3fs bulk read   {took['bare']:7.3f} s")
        print(f"  read and assembled    {took['assembled']:7.3f} s   {ratio:.2f}x (at most {TARGET}x)")
        print(f"  all looked for        {took['looked for']:7.3f} s")
    return 0 if ratio <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
