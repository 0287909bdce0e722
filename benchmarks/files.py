"""What isolating files costs: one large file of the caller's, read by every child of an array.

    python benchmarks/files.py --megabytes 1000 --children 10 --json

The array runs twice. In the first run the file is uploaded; in the second one it is there already. `stream` children
read it through fsspec, without a copy of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from flytekit import task
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import AWSBatchConfig, emulation, map_task

BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB111"])
CHUNK = 2**20


@task(task_config=BATCH)
def download(x: FlyteFile) -> int:
    return os.stat(x.download()).st_blocks * 512  # noqa: PTH116


@task(task_config=BATCH)
def stream(x: FlyteFile) -> int:
    size = 0
    with x.open("rb") as file:
        while read := file.read(CHUNK):
            size += len(read)
    return 0 if size else -1


def used(folder: Path) -> int:
    files = (one for one in folder.rglob("*") if one.is_file() and not one.is_symlink())
    return sum(one.stat().st_blocks * 512 for one in files)


def measure(megabytes: int, children: int) -> dict[str, Any]:
    """Seconds, and MB that were copied: into the storage, and by children into folders of their own."""
    found: dict[str, Any] = {"megabytes": megabytes, "children": children}
    with tempfile.TemporaryDirectory() as folder:
        mine = Path(folder, "mine.bin")
        with mine.open("wb") as file:
            for _ in range(megabytes):
                file.write(os.urandom(CHUNK))
        with emulation(Path(folder, "home"), quiet=True) as batch:
            for name, run in (("first", download), ("second", download), ("stream", stream)):
                before = used(batch.home / "uploads") + used(batch.home / "runs")
                started = time.monotonic()
                copied = sum(map_task(run)(x=[FlyteFile(str(mine))] * children))
                seconds = time.monotonic() - started
                stored = used(batch.home / "uploads") + used(batch.home / "runs") - before
                found[name] = {
                    "seconds": round(seconds, 2),
                    "stored_mb": round(stored / 2**20),
                    "downloaded_mb": round(copied / 2**20),
                }
            found["left_mb"] = round(used(Path(batch.home)) / 2**20)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--children", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.megabytes, options.children)
    if options.json:
        print(json.dumps(found))
        return
    print(f"{found['megabytes']} MB to {found['children']} children")
    for name in ("first", "second", "stream"):
        run = found[name]
        print(
            f"  {name:6} {run['seconds']:7.2f} s, {run['stored_mb']} MB stored, "
            f"{run['downloaded_mb']} MB downloaded by children"
        )
    print(f"  left afterwards: {found['left_mb']} MB")


if __name__ == "__main__":
    main()
