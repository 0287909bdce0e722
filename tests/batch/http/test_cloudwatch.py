"""CloudWatch Logs' filters and their limits: the API reference and "Filter pattern syntax" of the user guide."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import Boto3
from batch_shell import Shell, eventually
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.execution import log_events
from flytekitplugins.awsbatch.batch.emulator.execution.log_events import LogPage
from flytekitplugins.awsbatch.batch.emulator.http import cloudwatch
from flytekitplugins.awsbatch.batch.emulator.http.cloudwatch import CloudWatch
from flytekitplugins.awsbatch.batch.emulator.http.log_filter import filter_matcher
from flytekitplugins.awsbatch.batch.emulator.operations.paging import page_token
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


def write(service: LocalBatch, number: int, text: str, made: int = 1_700_000_000_000) -> str:
    """Adds to a stream of its own number, which is made where it is not there."""
    stream = f"written/default/{made:012x}{number:020x}"
    with service.logs.make(stream).open("a") as file:
        file.write(text)
    return stream


@pytest.fixture
def cloud(service: LocalBatch) -> CloudWatch:
    return CloudWatch(service.logs, "us-east-1", "000000000000")


class Follower:
    """`aws logs tail --follow` of all streams: it asks from the latest time on that it has seen, and leaves out the
    events that it knows.
    """

    def __init__(self, cloud: CloudWatch) -> None:
        self._cloud = cloud
        self._told: dict[str, dict[str, Any]] = {}

    def poll(self) -> list[str]:
        """The messages of all events until now."""
        start = max((event["timestamp"] for event in self._told.values()), default=0)
        for event in self._cloud.call("FilterLogEvents", {"logGroupName": GROUP, "startTime": start})["events"]:
            assert self._told.setdefault(event["eventId"], event) == event
        return [event["message"] for event in self._told.values()]

    def sees(self, expected: list[str]) -> bool:
        eventually(lambda: len(self.poll()) >= len(expected))
        return self.poll() == expected


def test_who_follows_logs_that_grow_sees_every_line_once(service: LocalBatch, cloud: CloudWatch) -> None:
    follower, many = Follower(cloud), [str(number) for number in range(100)]
    write(service, 1, "one\ntwo\n")
    write(service, 2, "")
    assert follower.sees(["one", "two"])

    write(service, 1, "".join(f"{line}\n" for line in many))
    assert follower.sees(["one", "two", *many])

    # Another stream, which was silent until now, and a line that is not at its end.
    write(service, 2, "three\nfour\nfi")
    assert follower.sees(["one", "two", *many, "three", "four", "fi"])

    write(service, 2, "ve\n")
    assert follower.sees(["one", "two", *many, "three", "four", "fi", "five"])


def test_what_is_newer_than_the_call_is_left_to_the_next(service: LocalBatch, cloud: CloudWatch) -> None:
    """Else a line that another stream gets during the call could be older than what has been told."""
    stream = write(service, 1, "x\n")
    later = time.time() + 60
    os.utime(service.logs.path(stream), (later, later))

    assert messages(cloud.call("FilterLogEvents", {"logGroupName": GROUP})) == []
    events = cloud.call("GetLogEvents", {"logGroupName": GROUP, "logStreamName": stream})
    assert messages(events) == ["x"]


def test_streams_that_come_and_go_do_not_move_the_pages(service: LocalBatch, cloud: CloudWatch) -> None:
    streams = [write(service, number, "x\n") for number in range(1, 6)]
    request: dict[str, Any] = {"logGroupName": GROUP, "limit": 2}
    first = cloud.call("DescribeLogStreams", request)
    write(service, 0, "x\n")
    service.logs.path(streams[2]).unlink()

    second = cloud.call("DescribeLogStreams", {**request, "nextToken": first["nextToken"]})
    third = cloud.call("DescribeLogStreams", {**request, "nextToken": second["nextToken"]})

    named = [[stream["logStreamName"] for stream in page["logStreams"]] for page in (first, second, third)]
    assert named == [streams[:2], streams[3:4], streams[4:]]
    assert len(cloud.call("DescribeLogStreams", {"logGroupName": GROUP})["logStreams"]) == 5


@pytest.mark.parametrize(
    ("operation", "members", "found"),
    [
        ("DescribeLogStreams", {}, "logStreams"),
        ("DescribeLogStreams", {"orderBy": "LastEventTime"}, "logStreams"),
        ("FilterLogEvents", {}, "events"),
    ],
)
def test_a_log_that_is_removed_while_it_is_read_is_left_out(
    service: LocalBatch,
    cloud: CloudWatch,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    members: dict[str, Any],
    found: str,
) -> None:
    gone, kept = write(service, 1, "gone\n"), write(service, 2, "kept\n")
    list_streams = service.logs.streams

    def streams_removed_when_listed(prefix: str) -> list[str]:
        listed = list_streams(prefix)
        service.logs.path(gone).unlink(missing_ok=True)
        return listed

    monkeypatch.setattr(service.logs, "streams", streams_removed_when_listed)

    answer = cloud.call(operation, {"logGroupName": GROUP, **members})

    assert [each["logStreamName"] for each in answer[found]] == [kept]


def test_a_log_that_is_removed_before_its_events_are_read_is_not_found(
    service: LocalBatch, cloud: CloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = write(service, 1, "x\n")

    def removed(path: Path) -> None:
        path.unlink()
        path.stat()

    monkeypatch.setattr(service.logs.times, "marks_of_log", removed)
    with pytest.raises(BatchError) as caught:
        cloud.call("GetLogEvents", {"logGroupName": GROUP, "logStreamName": stream, "startFromHead": True})

    assert caught.value.code == "ResourceNotFoundException"


def test_a_place_behind_the_end_has_no_events(service: LocalBatch, cloud: CloudWatch) -> None:
    stream = write(service, 1, "x\n")
    token = page_token([0, stream, (1 << 63) - 1])

    found = cloud.call("FilterLogEvents", {"logGroupName": GROUP, "nextToken": token})
    read = cloud.call("GetLogEvents", {"logGroupName": GROUP, "logStreamName": stream, "nextToken": f"f/{'9' * 18}/s"})

    assert (messages(found), messages(read)) == ([], [])


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7])
def test_pages_of_lines_of_equal_times_are_whole_and_their_tokens_small(
    service: LocalBatch, cloud: CloudWatch, limit: int
) -> None:
    streams = [write(service, number, f"{number} a\n{number} b\n{number} c\n") for number in range(5)]
    streams += [write(service, number, f"{number} later\n", made=1_700_000_000_001) for number in range(5, 8)]
    for stream in streams:
        os.utime(service.logs.path(stream), (1_700_000_000, 1_700_000_000))
    request: dict[str, Any] = {"logGroupName": GROUP, "limit": limit}
    seen: list[str] = []
    while True:
        answer = cloud.call("FilterLogEvents", request)
        seen += messages(answer)
        if "nextToken" not in answer:
            break
        request["nextToken"] = answer["nextToken"]
        assert len(answer["nextToken"]) < 150
        assert len(seen) <= 18

    assert seen == [f"{number} {letter}" for number in range(5) for letter in "abc"] + ["5 later", "6 later", "7 later"]


def test_logs_are_opened_only_where_lines_of_the_page_may_be(
    service: LocalBatch, cloud: CloudWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    read = log_events.log_events_forwards

    def noted(path: Path, *rest: Any) -> LogPage:
        opened.append(path.stem[-1])
        return read(path, *rest)

    monkeypatch.setattr(log_events, "log_events_forwards", noted)
    for number in range(4):
        made = 1_700_000_000_000 + number * 1000
        os.utime(service.logs.path(write(service, number, "x\n", made)), (0, made / 1000))

    answer = cloud.call("FilterLogEvents", {"logGroupName": GROUP, "startTime": 1_700_000_001_000, "limit": 1})

    assert (messages(answer), set(opened)) == (["x"], {"1", "2"})


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
