"""A part of what `make containers` runs: suites whose jobs are processes otherwise, with jobs in containers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PART = {
    "batch/operations/test_contract_jobs.py": (
        "test_an_array_parent_is_pending_until_its_children_have_ended[in process]",
        "test_children_know_the_size_of_their_array[http]",
    ),
    "batch/execution/test_running_jobs.py": (
        "test_a_failed_attempt_is_retried_and_each_attempt_has_a_log_of_its_own",
        "test_more_memory_than_the_limit_kills_the_attempt_as_aws_reports_it",
        "test_terminate_asks_a_running_job_and_gives_the_reason",
    ),
    "compat/test_compat_flows.py": ("test_a_conditional[11-n0-0-n0-n0]",),
    "reliability/test_resume.py": ("test_an_interrupted_map_goes_on_with_the_job_that_it_had[fork]",),
    "reliability/test_kill.py": ("test_a_map_that_is_killed_again_and_again_ends_right[fork-16-3]",),
}


@pytest.mark.usefixtures("container_engine")
def test_a_part_of_the_shared_suites_passes_in_containers() -> None:
    tests = [f"{TESTS / file}::{name}" for file, names in PART.items() for name in names]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--timeout",
        "600",
        "--isolation",
        "container",
        "-q",
        "-rs",
        *tests,
    ]

    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(tests)} passed" in done.stdout, done.stdout
