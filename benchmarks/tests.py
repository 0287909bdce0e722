"""What a test with the fixture `awsbatch` costs, against `import flytekit` in the same run.

    python benchmarks/tests.py --json

A generated file of n tests, each of which maps over two items, runs in a pytest process of its own, for several n. A
further test is the difference between two n. `first_test_s` is set-up and call of the first one, after the session has
collected, and so imported flytekit. The peak of memory is that of tests that take turns in four working directories, so
that four interpreters are kept; nothing looks at the memory of the sessions that are timed. What the sessions leave is
removed at the end, as pytest keeps the folders of its last sessions: an ext4 without a journal takes several times as
long to make files for minutes after many were removed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peak_memory import peak_mb

SIZES = (1, 20, 200)
KINDS = 4
FILE = """
import os
import pytest
from flytekit import task
from flytekitplugins.awsbatch import AWSBatchConfig, map_task


@task(task_config=AWSBatchConfig())
def double(x: int) -> int:
    return 2 * x


@pytest.mark.parametrize("number", range({n}))
def test_doubles(awsbatch, number, tmp_path_factory):
    if {kinds} > 1:
        os.chdir(tmp_path_factory.getbasetemp().parent / f"kind{{number % {kinds}}}")
    assert map_task(double)(x=[number, 1]) == [2 * number, 2]
"""
CONFTEST = """
import json, os, pathlib, time


def pytest_collection_finish(session):
    session.config.collected_at = time.time()


def pytest_runtest_logreport(report):
    if report.when == "call" and not hasattr(pytest_runtest_logreport, "done"):
        pytest_runtest_logreport.done = time.time()


def pytest_sessionfinish(session):
    first = pytest_runtest_logreport.done - session.config.collected_at
    pathlib.Path(os.environ["TIMES"]).write_text(json.dumps({"first": first}))
"""


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("FLYTE", "PYTEST", "AWS_BATCH"))}


def import_seconds() -> float:
    before = time.time()
    subprocess.run([sys.executable, "-c", "import flytekit"], check=True, env=clean_environment())
    return time.time() - before


def session(below: str, n: int, kinds: int = 1) -> dict[str, float]:
    """A pytest process with n tests, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(dir=below))
    (folder / "test_generated.py").write_text(FILE.format(n=n, kinds=kinds))
    (folder / "conftest.py").write_text(CONFTEST)
    for kind in range(kinds):
        (folder / f"kind{kind}").mkdir()
    times = folder / "times.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}/temp"]
    before = time.time()
    process = subprocess.Popen(
        [*command, "-c", "/dev/null", f"--rootdir={folder}", f"--confcutdir={folder}", str(folder)],
        cwd=folder,
        env={**clean_environment(), "TIMES": str(times)},
        stdout=subprocess.PIPE,
    )
    with peak_mb(process.pid) if kinds > 1 else contextlib.nullcontext([0.0]) as peak:
        output, _ = process.communicate()
        took = time.time() - before
    assert process.returncode == 0, output.decode()
    return {"took": took, "first": json.loads(times.read_text())["first"], "peak": peak[0]}


def measure(below: str, rounds: int) -> dict[str, float]:
    imports: list[float] = []
    sessions: dict[int, list[dict[str, float]]] = {n: [] for n in SIZES}
    for _ in range(rounds):
        for n in SIZES:
            imports.append(import_seconds())
            sessions[n].append(session(below, n))
    imported = statistics.median(imports)
    took = {n: statistics.median(each["took"] for each in sessions[n]) for n in SIZES}
    first = statistics.median(each["first"] for n in SIZES for each in sessions[n])
    few, many = SIZES[-2:]
    further = (took[many] - took[few]) / (many - few)
    return {
        "import_s": imported,
        "first_test_s": first,
        "first_over_import": first / imported,
        "per_test_ms": further * 1000,
        "over_import": further / imported,
        **{f"session_{n}_s": seconds for n, seconds in took.items()},
        "peak_mb_with_4_interpreters": session(below, 2 * KINDS, KINDS)["peak"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tests-benchmark-") as below:
        found = measure(below, options.rounds)
    missed = [
        f"{name} at most {most}"
        for name, most in (("over_import", 0.04), ("first_over_import", 1.3))
        if found[name] > most
    ]
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:28} {value:10.3f}")
        print(f"targets missed: {', '.join(missed)}" if missed else "targets met")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
