"""CloudWatch Logs' filters and their limits: the API reference and "Filter pattern syntax" of the user guide."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from backends import Boto3
from batch_shell import Shell
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.http import cloudwatch
from flytekitplugins.awsbatch.batch.emulator.http.cloudwatch import CloudWatch
from flytekitplugins.awsbatch.batch.emulator.http.log_filter import filter_matcher
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

GROUP = "/aws/batch/job"


@pytest.fixture
def logs(service: LocalBatch) -> Iterator[Any]:
    with ThreadedServer(service) as server:
        yield Boto3(server.url).logs


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


# Patterns


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("", ["", "anything"], []),
        ("ERROR", ["[ERROR 400] BAD REQUEST"], ["[error 400]", "[WARN]"]),
        ("ERROR ARGUMENTS", ["ERROR WRONG ARGUMENTS", "ARGUMENTS: ERROR"], ["ERROR", "ARGUMENTS"]),
        ('"INTERNAL SERVER ERROR"', ["[500] INTERNAL SERVER ERROR"], ["INTERNAL ERROR SERVER"]),
        ('"a" "b c"', ["b c, a"], ["b, c, a"]),
        (r'"say \"x\""', ['they say "x"'], ["they say x"]),
        ("?ERROR ?WARN", ["ERROR", "a WARN"], ["INFO"]),
        ('?"two words" ?one', ["two words", "one"], ["two", "words"]),
        ("-INFO", ["ERROR", ""], ["INFO"]),
        ("ERROR -ARGUMENTS", ["ERROR"], ["ERROR ARGUMENTS", "x"]),
        ('ERROR -"BAD REQUEST"', ["ERROR", "ERROR BAD"], ["ERROR BAD REQUEST"]),
        ("ERROR ?WARN", ["ERROR"], ["WARN"]),
        ("übel_1", ["sehr übel_1"], ["ubel_1"]),
    ],
)
def test_which_messages_match_a_pattern(pattern: str, matching: list[str], other: list[str]) -> None:
    matches = filter_matcher(pattern)

    assert [message for message in [*matching, *other] if matches(message)] == matching


@pytest.mark.parametrize(
    "pattern", ["{ $.a = 1 }", "[ip, user]", "%[a-z]+%", "a.b", "two-words", '"open', 'a"b"', "? x", "a:"]
)
def test_a_pattern_that_is_not_taken_is_refused(pattern: str) -> None:
    with pytest.raises(BatchError) as caught:
        filter_matcher(pattern)

    assert (caught.value.code, caught.value.status) == ("InvalidParameterException", 400)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_pattern_is_taken_or_refused(pattern: str, message: str) -> None:
    try:
        assert filter_matcher(pattern)(message) in (True, False)
    except BatchError as error:
        assert error.code == "InvalidParameterException"


# FilterLogEvents


def test_events_of_all_streams_come_in_the_order_of_their_times(shell: Shell, logs: Any) -> None:
    """ "The returned log events are sorted by event timestamp"; the limit is one page's, over all streams."""
    array = shell.submit("for i in 1 2 3 4 5; do echo $AWS_BATCH_JOB_ARRAY_INDEX-$i; done; sleep 0.1", size=4)
    shell.ended(array)
    request: dict[str, Any] = {"logGroupName": GROUP, "limit": 3}
    pages = []
    while True:
        answer = logs.filter_log_events(**request)
        pages.append(answer["events"])
        if "nextToken" not in answer:
            break
        request["nextToken"] = answer["nextToken"]

    assert [len(page) for page in pages] == [3, 3, 3, 3, 3, 3, 2]
    events = list(itertools.chain(*pages))
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    assert sorted(event["message"] for event in events) == [f"{child}-{i}" for child in range(4) for i in range(1, 6)]
    for child in range(4):
        own = [event["message"] for event in events if event["message"].startswith(f"{child}-")]
        assert own == [f"{child}-{i}" for i in range(1, 6)]


def test_a_search_that_finds_nothing_comes_to_its_end_in_bounded_pages(
    shell: Shell, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "Partially full or empty pages don't necessarily mean that pagination is finished."""
    monkeypatch.setattr(cloudwatch, "SEARCHED_BYTES", 100)
    shell.ended(shell.submit("for i in 1 2 3 4 5 6 7 8 9; do echo a line of some length; done; echo found"))
    request: dict[str, Any] = {"logGroupName": GROUP, "filterPattern": "found"}
    found, pages = [], 0
    while True:
        answer = logs.filter_log_events(**request)
        found += messages(answer)
        pages += 1
        if "nextToken" not in answer:
            break
        request["nextToken"] = answer["nextToken"]

    assert (found, pages) == (["found"], 2)


def test_the_end_of_the_time_range(shell: Shell, logs: Any) -> None:
    """FilterLogEvents.endTime: "Events with a timestamp later than this time are not returned"; GetLogEvents.endTime:
    "Events with a timestamp equal to or later than this time are not included".
    """
    stream = str(shell.ended(shell.submit("echo x"))["container"]["logStreamName"])
    (event,) = logs.filter_log_events(logGroupName=GROUP)["events"]
    at = event["timestamp"]

    assert messages(logs.filter_log_events(logGroupName=GROUP, startTime=at, endTime=at)) == ["x"]
    assert messages(logs.filter_log_events(logGroupName=GROUP, endTime=at - 1)) == []
    assert messages(logs.get_log_events(logGroupName=GROUP, logStreamName=stream, endTime=at)) == []
    assert messages(logs.get_log_events(logGroupName=GROUP, logStreamName=stream, endTime=at + 1)) == ["x"]


STREAM = "shell/default/0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("FilterLogEvents", {"logGroupName": GROUP, "logStreamNames": [STREAM], "logStreamNamePrefix": "shell"}),
        ("FilterLogEvents", {"logGroupName": GROUP, "logGroupIdentifier": GROUP}),
        ("FilterLogEvents", {}),
        ("FilterLogEvents", {"logGroupName": GROUP, "startFromHead": False}),
        ("GetLogEvents", {"logGroupName": GROUP, "logGroupIdentifier": GROUP, "logStreamName": STREAM}),
        ("DescribeLogStreams", {"logGroupName": GROUP, "logGroupIdentifier": GROUP}),
        ("DescribeLogGroups", {"logGroupNamePrefix": "/aws", "logGroupNamePattern": "batch"}),
        ("DescribeLogGroups", {"logGroupIdentifiers": [GROUP], "logGroupNamePrefix": "/aws"}),
    ],
)
def test_parameters_that_exclude_each_other_are_refused(
    service: LocalBatch, operation: str, request_: dict[str, Any]
) -> None:
    """ "You must include either logGroupIdentifier or logGroupName, but not both"; "If you specify a value for both
    logStreamNames and logStreamNamePrefix, the action returns an InvalidParameterException error";
    "logGroupNamePrefix and logGroupNamePattern are mutually exclusive".
    """
    with pytest.raises(BatchError) as caught:
        CloudWatch(service.logs, "us-east-1", "000000000000").call(operation, request_)

    assert caught.value.code == "InvalidParameterException"


def test_a_refusal_over_http_has_its_type(logs: Any) -> None:
    with pytest.raises(ClientError) as caught:
        logs.filter_log_events(logGroupName=GROUP, filterPattern="{ $.a = 1 }")

    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


@pytest.mark.parametrize(
    ("request_", "there"),
    [
        ({}, True),
        ({"logGroupNamePrefix": "/aws/b"}, True),
        ({"logGroupNamePrefix": "batch"}, False),
        ({"logGroupNamePattern": "batch/j"}, True),
        ({"logGroupNamePattern": "Batch"}, False),
        ({"logGroupIdentifiers": [GROUP]}, True),
        ({"logGroupIdentifiers": ["/aws/lambda/x"]}, False),
    ],
)
def test_the_group_is_found_by_prefix_and_by_pattern(logs: Any, request_: dict[str, Any], there: bool) -> None:
    """DescribeLogGroups.logGroupNamePattern: "a case-sensitive substring search"."""
    found = logs.describe_log_groups(**request_)["logGroups"]

    assert [group["logGroupName"] for group in found] == ([GROUP] if there else [])


@pytest.mark.parametrize("limit", [0, 51, 10**30])
def test_a_page_of_groups_has_1_to_50(service: LocalBatch, limit: int) -> None:
    """DescribeLogGroups.limit: "Valid Range: Minimum value of 1. Maximum value of 50." """
    with pytest.raises(BatchError) as caught:
        CloudWatch(service.logs, "us-east-1", "000000000000").call("DescribeLogGroups", {"limit": limit})

    assert caught.value.code == "InvalidParameterException"


def test_a_group_found_by_pattern_is_described_in_short(logs: Any) -> None:
    """The same: "only arn, creationTime, and logGroupName are included in the response"."""
    (group,) = logs.describe_log_groups(logGroupNamePattern="batch")["logGroups"]

    assert set(group) == {"arn", "creationTime", "logGroupName"}
