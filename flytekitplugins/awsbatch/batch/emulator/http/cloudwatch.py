"""CloudWatch Logs as far as a Batch user needs it: DescribeLogGroups, DescribeLogStreams, GetLogEvents and
FilterLogEvents of the group `/aws/batch/job`, so that `aws logs get-log-events` and `aws logs tail` show a child's
log.
"""

from __future__ import annotations

import contextlib
import heapq
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...api import BatchError
from ..execution import log_events
from ..execution.log_events import LogLine, LogPage
from ..execution.log_files import GROUP, Logs
from ..execution.log_times import end_before_time, log_made_at, time_at_end
from ..operations import shapes
from ..operations.paging import page_position, page_token
from . import log_filter
from .log_filter import invalid_filter

Request = Mapping[str, Any]
Answer = dict[str, Any]

STREAMS_PAGE = 50
FORWARD = re.compile(r"f/0*([0-9]{1,18})/s")
BACKWARD = re.compile(r"b/0*([0-9]{1,18})/s")
# Bytes of messages that a page of FilterLogEvents returns, and of lines that it looks at, about.
PAGE_BYTES = 1 << 20
SEARCHED_BYTES = 1 << 24
LINES_AT_ONCE = 1000


def _missing_resource(what: str) -> BatchError:
    return BatchError("ResourceNotFoundException", f"The specified {what} does not exist.", 400)


class CloudWatch:
    def __init__(self, logs: Logs, region: str, account_id: str) -> None:
        self._logs = logs
        self._arn = f"arn:aws:logs:{region}:{account_id}:log-group:{GROUP}"
        self._listed: tuple[tuple[str, bool, bool] | None, list[str]] = (None, [])
        self._operations: dict[str, Callable[[Request], Answer]] = {
            "DescribeLogGroups": self._groups,
            "DescribeLogStreams": self._streams,
            "GetLogEvents": self._events,
            "FilterLogEvents": self._filter,
        }

    def call(self, operation: str, request: Request) -> Answer:
        """Raises BatchError in CloudWatch's types."""
        perform = self._operations.get(operation)
        if perform is None:
            raise BatchError("UnknownOperationException", f"{operation}: not supported here", 400)
        wrong = shapes.request_shape_problems(shapes.LOGS, operation, request)
        if wrong:
            raise invalid_filter("; ".join(wrong))
        try:
            return perform(request)
        except FileNotFoundError:
            raise _missing_resource("log stream") from None

    def _groups(self, request: Request) -> Answer:
        prefix, pattern = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
        wanted = request.get("logGroupIdentifiers")
        if prefix and pattern:
            raise invalid_filter("logGroupNamePrefix and logGroupNamePattern are mutually exclusive")
        if wanted and (prefix or pattern):
            raise invalid_filter("logGroupIdentifiers goes with no other filter than includeLinkedAccounts")
        _page_limit(request, STREAMS_PAGE)
        if not GROUP.startswith(prefix or "") or (pattern or "") not in GROUP:
            return {"logGroups": []}
        if wanted and not {GROUP, self._arn, f"{self._arn}:*"}.intersection(wanted):
            return {"logGroups": []}
        group = {"logGroupName": GROUP, "arn": f"{self._arn}:*", "creationTime": 0}
        if not pattern:
            group |= {"logGroupArn": self._arn, "metricFilterCount": 0, "storedBytes": 0}
        return {"logGroups": [group]}

    def _streams(self, request: Request) -> Answer:
        self._group(request)
        prefix = request.get("logStreamNamePrefix") or ""
        by_time = request.get("orderBy") == "LastEventTime"
        if by_time and prefix:
            raise invalid_filter("Cannot order by LastEventTime with a logStreamNamePrefix.")
        limit = _page_limit(request, STREAMS_PAGE)
        start = page_position(request.get("nextToken"), 0, 0)
        wanted, found = (prefix, by_time, bool(request.get("descending"))), self._listed[1]
        # Pages that follow are parts of the same list: it is made once, and nothing moves in it.
        if start == 0 or wanted != self._listed[0]:
            found = self._logs.streams(prefix)
            if by_time:
                found.sort(key=self._written_at)
            if request.get("descending"):
                found.reverse()
            self._listed = wanted, found
        streams: list[dict[str, Any]] = []
        for name in found[start : start + limit]:
            # One that was removed meanwhile is left out.
            with contextlib.suppress(FileNotFoundError):
                streams.append(self._stream(name))
        answer: Answer = {"logStreams": streams}
        if len(found) > start + limit:
            answer["nextToken"] = page_token(start + limit)
        return answer

    def _written_at(self, name: str) -> float:
        """When a log was written to last, in seconds since the epoch; 0 for one that was removed meanwhile."""
        try:
            return self._logs.path(name).stat().st_mtime
        except FileNotFoundError:
            return 0

    def _stream(self, name: str) -> dict[str, Any]:
        path = self._logs.path(name)
        marks = self._logs.times.marks_of_log(path)
        size, _ = marks[-1]
        described = {
            "logStreamName": name,
            "creationTime": log_made_at(path),
            "arn": f"{self._arn}:log-stream:{name}",
            "storedBytes": 0,
            "uploadSequenceToken": "0",
        }
        if size:
            last = time_at_end(marks, size)
            described |= {
                "firstEventTimestamp": time_at_end(marks, 1),
                "lastEventTimestamp": last,
                "lastIngestionTime": last,
            }
        return described

    def _events(self, request: Request) -> Answer:
        self._group(request)
        path = self._path(request.get("logStreamName"))
        limit = _page_limit(request, log_events.MOST_EVENTS)
        page = self._page(path, request, limit)
        lines = [line for line in page.lines if self._within(line, request)]
        return {
            "events": [{"timestamp": line.time, "message": line.message, "ingestionTime": line.time} for line in lines],
            "nextForwardToken": f"f/{page.end:056d}/s",
            "nextBackwardToken": f"b/{page.start:056d}/s",
        }

    def _page(self, path: Path, request: Request, limit: int) -> LogPage:
        token, times = request.get("nextToken"), self._logs.times
        if token is None:
            marks = times.marks_of_log(path)
            if request.get("startFromHead"):
                start = log_events.log_place_of_time(path, request.get("startTime") or 0, marks)
                return log_events.log_events_forwards(path, start, limit, times)
            until = request.get("endTime")
            end = None if until is None else log_events.log_place_of_time(path, until, marks)
            return log_events.log_events_backwards(path, end, limit, times)
        ahead, back = FORWARD.fullmatch(token), BACKWARD.fullmatch(token)
        if ahead is not None:
            return log_events.log_events_forwards(path, int(ahead[1]), limit, times)
        if back is not None:
            return log_events.log_events_backwards(path, int(back[1]), limit, times)
        raise invalid_filter("The specified nextToken is invalid.")

    def _filter(self, request: Request) -> Answer:
        """Events of several streams in the order of their times."""
        self._group(request)
        names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
        if names and prefix:
            raise invalid_filter("logStreamNames and logStreamNamePrefix are mutually exclusive")
        if request.get("startFromHead") is False:
            raise invalid_filter("startFromHead=false (the newest events first): not supported here")
        wanted = [(name, self._path(name)) for name in names or ()] or [
            (name, self._logs.path(name)) for name in self._logs.streams(prefix or "")
        ]
        matches = log_filter.filter_matcher(request.get("filterPattern") or "")
        limit = _page_limit(request, log_events.MOST_EVENTS)
        # Where the page before has ended: after it come the lines of this time and of streams that follow by name, and
        # what is left of this stream.
        position = page_position(request.get("nextToken"), [0, "", 0], [0, "", 0])
        events: list[dict[str, Any]] = []
        returned = searched = 0
        # What is written from now on is left to later calls: there it is newer than all that was told before.
        now, end = int(time.time() * 1000), request.get("endTime")
        until = now if end is None else min(end, now)
        start = request.get("startTime") or 0
        streams = [self._lines_from(name, path, position, start) for name, path in wanted]
        for name, line in heapq.merge(*streams, key=lambda found: (found[1].time, found[0])):
            if line.time > until:
                break
            if line.start == line.end:
                continue
            if len(events) == limit or returned > PAGE_BYTES or searched > SEARCHED_BYTES:
                return {"events": events, "searchedLogStreams": [], "nextToken": page_token(position)}
            searched += line.end - line.start
            position = [line.time, name, line.end]
            if matches(line.message):
                returned += len(line.message)
                events.append(_filtered(line, name))
        return {"events": events, "searchedLogStreams": []}

    def _group(self, request: Request) -> None:
        name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
        if bool(name) == bool(identifier):
            # "You must include one of these two parameters, but you can't include both."
            raise invalid_filter("one of logGroupName and logGroupIdentifier is required, and not both")
        if (name or identifier) not in (GROUP, self._arn, f"{self._arn}:*"):
            raise _missing_resource("log group")

    def _path(self, stream: str | None) -> Path:
        if stream is None:
            raise invalid_filter("logStreamName is required")
        try:
            path = self._logs.path(stream)
        except ValueError:
            raise _missing_resource("log stream") from None
        if not path.exists():
            raise _missing_resource("log stream")
        return path

    def _lines_from(self, stream: str, path: Path, position: list[Any], start: int) -> Iterator[tuple[str, LogLine]]:
        """The lines of a stream from a position and a time on, read page by page. Before them comes an empty piece, no
        later than they are, so that the file is read only when it is its turn. A log that is removed meanwhile ends.
        """
        times = self._logs.times
        at, last, place = position
        with contextlib.suppress(FileNotFoundError):
            if stream != last:
                start, marks = max(start, at + (stream < last)), times.marks_of_log(path)
                if end_before_time(marks, start) == marks[-1][0]:
                    return
                yield stream, LogLine(0, 0, max(start, marks[0][1]), "")
                place = log_events.log_place_of_time(path, start, marks)
            while page := log_events.log_events_forwards(path, place, LINES_AT_ONCE, times).lines:
                yield from ((stream, line) for line in page if line.time >= start)
                place = page[-1].end

    def _within(self, line: LogLine, request: Request) -> bool:
        start, end = request.get("startTime"), request.get("endTime")
        return (start is None or line.time >= start) and (end is None or line.time < end)


def _page_limit(request: Request, most: int) -> int:
    limit: int = most if request.get("limit") is None else request["limit"]
    if not 1 <= limit <= most:
        raise invalid_filter(f"limit is {limit}: expected 1 to {most}")
    return limit


def _filtered(line: LogLine, stream: str) -> dict[str, Any]:
    return {
        "logStreamName": stream,
        "timestamp": line.time,
        "message": line.message,
        "ingestionTime": line.time,
        "eventId": f"{log_made_at(Path(stream)):016d}{line.end:016d}{stream[-24:]}",
    }
