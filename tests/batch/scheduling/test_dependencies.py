"""Jobs that wait for others: AWS Batch user guide, "Job dependencies" and "Array job dependencies"."""

from __future__ import annotations

from pathlib import Path

import pytest
from batch_shell import Shell, eventually

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

FAILED = "Dependent Job failed"


def test_a_job_is_pending_until_what_it_depends_on_has_succeeded(shell: Shell, tmp_path: Path) -> None:
    first = shell.submit(f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo first >> {tmp_path}/order")
    second = shell.submit(f"echo second >> {tmp_path}/order", dependsOn=[{"jobId": first}])

    assert shell.describe(second)["status"] == "PENDING"
    (tmp_path / "go").touch()

    assert shell.ended(second)["status"] == "SUCCEEDED"
    assert (tmp_path / "order").read_text().split() == ["first", "second"]


def test_a_failed_dependency_fails_the_dependent_without_an_attempt(shell: Shell) -> None:
    first = shell.submit("sleep 0.1; exit 1")
    second = shell.submit("true", dependsOn=[{"jobId": first}])
    third = shell.submit("true", dependsOn=[{"jobId": second}])

    job = shell.ended(third)

    assert (job["status"], job["statusReason"], job["attempts"]) == ("FAILED", FAILED, [])


def test_a_dependency_that_has_ended_already_counts(shell: Shell) -> None:
    good, bad = shell.submit("true"), shell.submit("false")
    shell.ended(good)
    shell.ended(bad)

    assert shell.ended(shell.submit("true", dependsOn=[{"jobId": good}]))["status"] == "SUCCEEDED"
    assert shell.ended(shell.submit("true", dependsOn=[{"jobId": bad}]))["status"] == "FAILED"


def test_a_job_waits_for_all_of_an_array(shell: Shell, tmp_path: Path) -> None:
    array = shell.submit(f"sleep 0.1; echo child >> {tmp_path}/order", size=3)
    after = shell.submit(f"echo after >> {tmp_path}/order", dependsOn=[{"jobId": array}])

    shell.ended(after)

    assert (tmp_path / "order").read_text().split() == ["child", "child", "child", "after"]


def test_children_of_a_sequential_array_run_one_after_the_other(shell: Shell, tmp_path: Path) -> None:
    array = shell.submit(
        f"echo $AWS_BATCH_JOB_ARRAY_INDEX >> {tmp_path}/order; sleep 0.02; echo done >> {tmp_path}/order",
        size=4,
        dependsOn=[{"type": "SEQUENTIAL"}],
    )

    assert shell.ended(array)["status"] == "SUCCEEDED"
    assert (tmp_path / "order").read_text().split() == ["0", "done", "1", "done", "2", "done", "3", "done"]


def test_the_rest_of_a_sequential_array_fails_with_a_child(shell: Shell, service: LocalBatch) -> None:
    array = shell.submit("exit $((AWS_BATCH_JOB_ARRAY_INDEX == 1))", size=4, dependsOn=[{"type": "SEQUENTIAL"}])

    shell.ended(array)

    children = service.describe_jobs(jobs=[f"{array}:{index}" for index in range(4)])["jobs"]
    assert [child["status"] for child in children] == ["SUCCEEDED", "FAILED", "FAILED", "FAILED"]
    assert [child["statusReason"] for child in children[2:]] == [FAILED, FAILED]


def test_n_to_n_children_wait_for_their_own_counterpart(shell: Shell, service: LocalBatch, tmp_path: Path) -> None:
    first = shell.submit(
        f"while [ ! -e {tmp_path}/go$AWS_BATCH_JOB_ARRAY_INDEX ]; do sleep 0.02; done;"
        " exit $((AWS_BATCH_JOB_ARRAY_INDEX == 2))",
        size=3,
    )
    second = shell.submit("true", size=3, dependsOn=[{"jobId": first, "type": "N_TO_N"}])

    def statuses() -> list[str]:
        jobs = service.describe_jobs(jobs=[f"{second}:{index}" for index in range(3)])["jobs"]
        return [job["status"] for job in jobs]

    assert statuses() == ["PENDING", "PENDING", "PENDING"]
    (tmp_path / "go1").touch()
    eventually(lambda: statuses() == ["PENDING", "SUCCEEDED", "PENDING"], "only the second child is free")
    (tmp_path / "go2").touch()
    eventually(lambda: statuses() == ["PENDING", "SUCCEEDED", "FAILED"], "the third child's counterpart failed")
    (tmp_path / "go0").touch()
    assert shell.ended(second)["status"] == "FAILED"
    assert statuses() == ["SUCCEEDED", "SUCCEEDED", "FAILED"]


def test_terminating_a_pending_job_fails_it_at_once(shell: Shell, service: LocalBatch) -> None:
    first = shell.submit("sleep 60")
    second = shell.submit("true", dependsOn=[{"jobId": first}])

    service.terminate_job(jobId=second, reason="not needed")

    assert shell.describe(second)["statusReason"] == "not needed"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"dependsOn": [{"jobId": "no-such-job"}]}, "does not exist"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "for array jobs"),
        ({"dependsOn": [{"type": "N_TO_N"}], "size": 2}, "needs a jobId"),
        ({"dependsOn": [{"jobId": "x", "type": "SOMEHOW"}]}, "dependsOn"),
    ],
)
def test_a_dependency_that_makes_no_sense_is_refused(shell: Shell, request_: dict[str, object], message: str) -> None:
    with pytest.raises(BatchError, match=message):
        shell.submit("true", **request_)  # type: ignore[arg-type]


def test_n_to_n_needs_an_array_of_the_same_size(shell: Shell) -> None:
    first = shell.submit("true", size=3)

    with pytest.raises(BatchError, match="same size"):
        shell.submit("true", size=2, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
