"""Logs as CloudWatch shows them (GetLogEvents, DescribeLogStreams, FilterLogEvents, over boto3), and their pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import Boto3
from batch_shell import Shell, eventually
from hypothesis import given
from hypothesis import strategies as st
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.emulator.execution import log_events
from flytekitplugins.awsbatch.batch.emulator.execution.log_files import Logs, log_tail
from flytekitplugins.awsbatch.batch.emulator.execution.log_times import LogTimes
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

GROUP = "/aws/batch/job"


@pytest.fixture
def logs(service: LocalBatch) -> Iterator[Any]:
    with ThreadedServer(service) as server:
        yield Boto3(server.url).logs


def stream_of(shell: Shell, job_id: str) -> str:
    return str(shell.ended(job_id)["container"]["logStreamName"])


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def test_events_are_the_lines_in_order_with_times_within_the_attempt(shell: Shell, logs: Any) -> None:
    job_id = shell.submit("echo one; sleep 0.1; echo two; printf three")
    stream = stream_of(shell, job_id)

    answer = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)

    job = shell.describe(job_id)
    times = [event["timestamp"] for event in answer["events"]]
    assert messages(answer) == ["one", "two", "three"]
    assert times == sorted(times)
    assert job["createdAt"] <= times[0] and times[-1] <= job["stoppedAt"]


def test_a_reader_that_follows_the_token_sees_every_line_once(shell: Shell, logs: Any) -> None:
    stream = stream_of(shell, shell.submit("for i in 1 2 3 4 5 6 7; do echo $i; done"))
    request = {"logGroupName": GROUP, "logStreamName": stream, "limit": 3, "startFromHead": True}
    seen: list[str] = []

    token = ""
    while True:
        answer = logs.get_log_events(**request)
        seen += messages(answer)
        # "If you have reached the end of the stream, it returns the same token you passed in."
        if answer["nextForwardToken"] == token:
            break
        token = request["nextToken"] = answer["nextForwardToken"]

    assert seen == ["1", "2", "3", "4", "5", "6", "7"]


def test_without_a_start_the_newest_lines_come_and_the_token_leads_back(shell: Shell, logs: Any) -> None:
    stream = stream_of(shell, shell.submit("for i in 1 2 3 4 5; do echo $i; done"))
    request = {"logGroupName": GROUP, "logStreamName": stream, "limit": 2}

    last = logs.get_log_events(**request)
    before = logs.get_log_events(**request, nextToken=last["nextBackwardToken"])

    assert (messages(last), messages(before)) == (["4", "5"], ["2", "3"])


def test_a_running_job_can_be_followed(shell: Shell, logs: Any, service: LocalBatch, tmp_path: Path) -> None:
    job_id = shell.submit(f"echo one; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo two")
    shell.running(job_id)
    eventually(lambda: service.log_tail(job_id) == "one")
    stream = shell.describe(job_id)["container"]["logStreamName"]
    first = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True)
    (tmp_path / "go").touch()
    shell.ended(job_id)

    then = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, nextToken=first["nextForwardToken"])

    assert (messages(first), messages(then)) == (["one"], ["two"])


def test_the_first_line_is_no_older_than_the_start(shell: Shell, logs: Any, service: LocalBatch) -> None:
    job = shell.ended(shell.submit("echo one"))
    stream = job["container"]["logStreamName"]
    os.utime(service.logs.path(stream), (0, 0))

    (event,) = logs.get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]

    assert event["timestamp"] == job["startedAt"]


def test_times_limit_what_is_shown(shell: Shell, logs: Any) -> None:
    job_id = shell.submit("echo hello")
    stream = stream_of(shell, job_id)
    later = shell.describe(job_id)["stoppedAt"] + 1000

    assert messages(logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startTime=later)) == []
    assert messages(logs.get_log_events(logGroupName=GROUP, logStreamName=stream, endTime=later)) == ["hello"]


def test_a_page_begins_and_ends_within_the_times(shell: Shell, logs: Any) -> None:
    """However far from the beginning or the end of the log that is."""
    stream = stream_of(shell, shell.submit("echo first; sleep 0.05; seq 2 999; sleep 0.05; echo last"))
    request: dict[str, Any] = {"logGroupName": GROUP, "logStreamName": stream}
    times = {event["message"]: event["timestamp"] for event in logs.get_log_events(**request)["events"]}
    middle = times["500"]
    within = [message for message, time in times.items() if time >= middle]
    before = [message for message, time in times.items() if time < middle]

    assert messages(logs.get_log_events(**request, startFromHead=True, startTime=middle, limit=2)) == within[:2]
    assert messages(logs.get_log_events(**request, endTime=middle, limit=2)) == before[-2:]
    assert messages(logs.get_log_events(**request, endTime=times["last"] + 1, limit=1)) == ["last"]


def test_a_stream_of_a_whole_name_is_found_without_a_look_at_the_others(
    shell: Shell, service: LocalBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = stream_of(shell, shell.submit("true"))
    monkeypatch.setattr(Path, "iterdir", None)

    assert service.logs.streams(stream) == [stream]
    assert service.logs.streams("shell/default/" + "0" * 32) == []


def test_streams_are_described_by_prefix_page_by_page(shell: Shell, logs: Any, service: LocalBatch) -> None:
    shell.define("other")
    job_id = shell.submit("echo $AWS_BATCH_JOB_ARRAY_INDEX", size=5)
    stream_of(shell, shell.submit("true", jobDefinition="other"))
    shell.ended(job_id)
    expected = sorted(service.log_streams(job_id, index)[0].name for index in range(5))

    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=GROUP, logStreamNamePrefix="shell/default/", PaginationConfig={"PageSize": 2}
    )
    streams = [stream for page in pages for stream in page["logStreams"]]

    assert [stream["logStreamName"] for stream in streams] == expected
    assert all(stream["creationTime"] <= stream["lastEventTimestamp"] for stream in streams)
    newest = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True)["logStreams"]
    assert len(newest) == 6


def test_events_of_several_streams_are_filtered(shell: Shell, logs: Any) -> None:
    job_id = shell.submit("echo child $AWS_BATCH_JOB_ARRAY_INDEX; echo noise", size=3)
    shell.ended(job_id)

    answer = logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="shell/", filterPattern="child")

    assert sorted(messages(answer)) == ["child 0", "child 1", "child 2"]


def test_the_one_group_there_is_is_described(logs: Any, shell: Shell) -> None:
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == [GROUP]
    assert logs.describe_log_groups(logGroupNamePrefix="/other")["logGroups"] == []


@pytest.mark.parametrize(
    "stream",
    [
        "shell/default/nothing",
        "shell/default/0123456789abcdef0123456789abcdef",
        "../../../etc/passwd",
        "shell/default/../../../../etc/passwd",
        "shell/default/0123456789abcdef0123456789abcde\n",
    ],
)
def test_what_is_no_stream_is_not_found(logs: Any, shell: Shell, stream: str) -> None:
    stream_of(shell, shell.submit("true"))

    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_log_events(logGroupName=GROUP, logStreamName=stream)


def test_a_wrong_group_and_a_wrong_token_are_said_so(logs: Any, shell: Shell) -> None:
    stream = stream_of(shell, shell.submit("true"))

    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_log_events(logGroupName="/aws/lambda/x", logStreamName=stream)
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.get_log_events(logGroupName=GROUP, logStreamName=stream, nextToken="x")


@given(st.text())
def test_no_name_of_a_stream_leads_out_of_the_logs(name: str) -> None:
    root = Path("/somewhere/logs")
    try:
        path = Logs(root).path(name)
    except ValueError:
        return
    assert root in path.resolve().parents


# The pages beneath


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / f"{1_700_000_000_000:012x}{'0' * 20}.log"


def test_a_line_longer_than_a_page_is_cut_and_nothing_is_lost(log_file: Path) -> None:
    log_file.write_bytes(b"x" * (log_events.MOST_BYTES + 10) + b"\nend\n")

    first = log_events.log_events_forwards(log_file, 0, 100, LogTimes())
    second = log_events.log_events_forwards(log_file, first.end, 100, LogTimes())

    assert [len(line.message) for line in first.lines] == [log_events.MOST_BYTES]
    assert [line.message for line in second.lines] == ["x" * 10, "end"]


def test_a_large_log_is_read_in_pages(log_file: Path) -> None:
    count = 200_000
    log_file.write_bytes(b"".join(b"line %d\n" % number for number in range(count)))
    seen, place = [], 0
    while page := log_events.log_events_forwards(log_file, place, log_events.MOST_EVENTS, LogTimes()).lines:
        seen += [line.message for line in page]
        place = page[-1].end

    assert seen == [f"line {number}" for number in range(count)]
    assert log_tail(log_file, 2) == f"line {count - 2}\nline {count - 1}"


@given(lines=st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line and not line.endswith(b"\r"))))
def test_backwards_is_forwards_from_the_other_end(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("logs") / f"{1_700_000_000_000:012x}{'0' * 20}.log"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    expected = [line.decode("utf-8", "replace") for line in lines]

    back: list[str] = []
    end: int | None = None
    while page := log_events.log_events_backwards(path, end, 3, LogTimes()).lines:
        back = [line.message for line in page] + back
        end = page[0].start

    assert [line.message for line in log_events.log_events_forwards(path, 0, 10_000, LogTimes()).lines] == expected
    assert back == expected


def test_one_folder_takes_256_logs(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    streams = [logs.new("job", 1_700_000_000_000) for _ in range(512)]
    paths = {logs.make(stream) for stream in streams}

    assert len(paths) == len(set(streams)) == 512
    assert len({path.parent for path in paths}) == 2
