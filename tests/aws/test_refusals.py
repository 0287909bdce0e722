"""What an account refuses, and credentials that expire: what a run does without, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aws_tasks as tasks
import pytest
from aws_account import Served, calling
from aws_proxy import Proxy, expired

from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import Home
from flytekitplugins.awsbatch.local.run.call import LeftRunningError

# Most of it is starting interpreters, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(900)


def test_who_may_not_look_runs_all_the_same(account: Proxy, home: Path) -> None:
    account.deny("DescribeJobQueues", "DescribeComputeEnvironments", "DescribeJobDefinitions", "ListJobs")
    with calling(home):
        assert tasks.square(n=2) == 4


@pytest.mark.parametrize("operation", ["RegisterJobDefinition", "SubmitJob"])
def test_a_call_that_is_denied_is_named(account: Proxy, home: Path, operation: str) -> None:
    account.deny(operation)
    if operation == "RegisterJobDefinition":
        account.rule = lambda asked, request, key, rule=account.rule: (  # type: ignore[misc]
            {"jobDefinitions": []} if asked == "describejobdefinitions" else rule(asked, request, key)
        )
    with calling(home), pytest.raises(TaskFailedError, match=f"not authorized to perform: batch:{operation}"):
        tasks.square(n=2)


def test_calls_are_repeated_and_rounds_after_them_as_the_settings_say(account: Proxy, home: Path) -> None:
    def rule(operation: str, request: dict[str, Any], key: str) -> Any:
        return (429, "TooManyRequestsException", "Too many requests") if operation == "submitjob" else None

    account.rule = rule
    settings = {"plugins": {"aws": {"retries": 1}}, "propeller": {"max-workflow-retries": 1}}
    with calling(home, **settings), pytest.raises(TaskFailedError, match="TooManyRequestsException"):
        tasks.square(n=2)
    assert account.calls["submitjob"] == 4


def test_a_run_that_may_not_see_its_job_fails_and_names_the_permission(account: Proxy, home: Path) -> None:
    account.deny("DescribeJobs")
    refused = "not authorized to perform: batch:DescribeJobs"
    with calling(home, emulator={"hang_limit": 1}), pytest.raises(TaskFailedError, match=refused):
        tasks.square(n=2)
    assert account.calls["submitjob"] == 1


@pytest.mark.slow
def test_jobs_go_without_tags_where_nobody_may_tag(account: Proxy, home: Path) -> None:
    def rule(operation: str, request: dict[str, Any], key: str) -> Any:
        if operation == "submitjob" and "tags" in request:
            return 403, "AccessDeniedException", "not authorized to perform: batch:TagResource on resource: *"
        return None

    account.rule = rule
    with calling(home) as caller:
        assert tasks.square(n=2) == 4
    assert "batch:TagResource: jobs are sent without tags" in caller.printed


@pytest.mark.slow
def test_a_log_that_may_not_be_read_is_no_further_failure(account: Proxy, home: Path, marks: Path) -> None:
    account.deny("GetLogEvents")
    with calling(home) as caller, pytest.raises(TaskFailedError, match="cannot be done"):
        tasks.fails_on(n=1, bad=1, folder=str(marks))
    assert "GetLogEvents" in caller.printed


# Credentials that expire on the way


def expiring(account: Proxy, old: str, after: int) -> None:
    """The key `old` is good for so many DescribeJobs calls."""
    seen: list[str] = []

    def rule(operation: str, request: dict[str, Any], key: str) -> Any:
        if operation == "describejobs" and key == old:
            seen.append(key)
        if key == old and len(seen) > after:
            return expired()
        return None

    account.rule = rule


def test_credentials_that_expire_are_read_again(
    account: Proxy, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    file.write_text("[default]\naws_access_key_id = OLD\naws_secret_access_key = b\n")
    expiring(account, "OLD", 2)
    with calling(home):
        rule = account.rule

        def renewing(operation: str, request: dict[str, Any], key: str) -> Any:
            said = rule(operation, request, key)
            if said is not None:
                file.write_text("[default]\naws_access_key_id = NEW\naws_secret_access_key = b\n")
            return said

        account.rule = renewing
        assert tasks.square(n=2) == 4


def test_credentials_that_expire_for_good_leave_the_job_and_say_how_to_come_back(
    account: Proxy, service: Served, home: Path
) -> None:
    expiring(account, "AKIAIOSFODNN7EXAMPLE", 2)
    with calling(home) as caller, pytest.raises(LeftRunningError) as caught:
        tasks.square(n=2)
    execution = past_runs.past_run(Home(home))
    assert "have expired" in str(caught.value)
    assert f"FLYTE_AWSBATCH_RESUME={execution.name}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert execution.status == "interrupted"
    assert account.calls["terminatejob"] == 0
    account.rule = lambda operation, request, key: None
    with calling(home, resume=execution.name) as again:
        assert tasks.square(n=2) == 4
    assert again.requests == []
    assert len(caller.job_ids) == 1
