"""A fork of a process that has called tasks, as the workers of `multiprocessing` are on Linux."""

import json
import subprocess
from pathlib import Path

from caller_programs import run_caller_program

PROGRAM = """
import multiprocessing, os

from flytekit import task
from flytekitplugins.awsbatch import AWSBatchConfig, emulation

@task(task_config=AWSBatchConfig(), retries=1)
def double(n: int) -> int:
    return 2 * n

def call(n):
    try:
        return double(n=n)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def call_in_an_emulation_of_its_own(n):
    with emulation(quiet=True):
        return double(n=n)

def in_pool(function):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(function, [1, 2]).get(60)
        pool.close()
        pool.join()
        return found

if __name__ == "__main__":
    FIRST
"""
OF_THE_ENVIRONMENT = """
    print(double(n=5), in_pool(call), double(n=6))
"""
OF_A_FORK_THAT_IS_GONE_AT_ONCE = """
    if os.fork() == 0:
        print(double(n=5), flush=True)
        os._exit(0)
    os.wait()
"""
OF_A_BLOCK = """
    with emulation(quiet=True):
        print(double(n=5), in_pool(call_in_an_emulation_of_its_own), double(n=6), in_pool(call))
"""


def run(folder: Path, program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_caller_program(folder, PROGRAM.replace("FIRST", program.strip()), **variables)


def test_each_process_has_a_deployment_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    done = run(tmp_path, OF_THE_ENVIRONMENT, FLYTE_AWSBATCH="local", TMPDIR=str(tmp_path / "tmp"))
    assert done.stdout == "10 [2, 4] 12\n", done.stderr
    # Where two processes made the same ids of jobs, one of them was refused its job.
    assert "ServerException" not in done.stderr
    # Each has been closed at the end of its process.
    assert list((tmp_path / "tmp").glob("flyte-awsbatch*")) == []
    records = [json.loads(file.read_text()) for file in (tmp_path / "home" / "runs").glob("*/execution.json")]
    assert ["ended" in record for record in records] == [True] * 4


def test_a_task_on_its_own_has_ended_with_its_call(tmp_path: Path) -> None:
    done = run(tmp_path, OF_A_FORK_THAT_IS_GONE_AT_ONCE, FLYTE_AWSBATCH="local")
    assert done.stdout == "10\n", done.stderr
    (record,) = (tmp_path / "home" / "runs").glob("*/execution.json")
    assert "ended" in json.loads(record.read_text())


def test_a_block_holds_for_the_process_that_opened_it(tmp_path: Path) -> None:
    done = run(tmp_path, OF_A_BLOCK)
    assert done.stdout.startswith("10 [2, 4] 12 ['ClosedError: This emulated deployment was opened in"), done.stderr
    assert done.stdout.count("with emulation(): ...") == 2
