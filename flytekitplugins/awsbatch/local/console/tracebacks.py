"""flytekit's log lines and tracebacks, as people read them. Pure.

A task's process logs JSON, a traceback as one line of it, and writes the same into its error file, with the exception
said once more at the end.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

TRACEBACK = "Traceback (most recent call last):"
# How Python's faulthandler begins what it writes of a crash, and of the thread that crashed.
CRASH, CRASHED_THREAD = "Fatal Python error: ", "Current thread "
_FRAME = re.compile(r'\s*File "(?P<file>.+?)", line \d+')
_OF_CRASH = re.compile(r"\s|$|Current thread|Thread 0x|Python runtime state: |Extension modules: ")
_MARKERS = re.compile(r"\s*[\^~]+\s*")
_MESSAGE = re.compile(r"\n\s*Message:\s*\n", re.MULTILINE)
# flytekit's lines around a traceback, which say the same as it does.
_AROUND = re.compile(r"Exception when (executing task|loading_task)\b|!! (Begin|End) .*Error Captured by Flyte !!")
# What flytekit's own S3 client leaves open until the process ends. It says nothing of the task.
_LEFT_OPEN = re.compile(r"Taskrunner for .* loop-runner caught exception .*'Unclosed (client session|connector)'")
JSON_LINE = '{"asctime": '
# Code between the interpreter and the function of a task.
_FRAMEWORK = ("/site-packages/flytekit/", str(Path(__file__).parents[2]) + "/")


def traceback_lines(message: str) -> list[str]:
    """The traceback of an error that flytekit recorded, from the first frame of the user's, and its exception once."""
    trace, last = _split_message(message)
    lines = trace.splitlines()
    if not lines:
        return last.splitlines()
    if last and not trace.rstrip().endswith(last.rstrip()):
        lines += last.splitlines()
    return _users_part(lines)


def traceback_exception_line(message: str) -> str:
    """The exception of an error that flytekit recorded, in one line: `ValueError: bad value 2`."""
    trace, last = _split_message(message)
    found = [line.strip() for line in (last or trace).splitlines() if line.strip()]
    if last:
        return found[0]
    return found[-1] if found else ""


def _split_message(message: str) -> tuple[str, str]:
    """(traceback, what flytekit puts behind "Message:"), both without the indentation; "" for what is not there."""
    trace, *rest = _MESSAGE.split(message.strip("\n"), maxsplit=1)
    trace = trace.strip().removeprefix("Trace:")
    return textwrap.dedent(trace.strip("\n")).rstrip(), textwrap.dedent("".join(rest)).strip()


def _users_part(lines: Sequence[str]) -> list[str]:
    """A traceback without the frames that lead from the interpreter to the task; all of it where no other frames are.

    What comes before the traceback is kept.
    """
    head = next((at for at, line in enumerate(lines) if line.strip() == TRACEBACK), None)
    frames = [at for at, line in enumerate(lines) if _FRAME.match(line)]
    if head is None or not frames:
        return list(lines)
    first = next((at for at in frames if not _is_framework(lines[at])), None)
    # Those of an exception that caused another come in between.
    if first is None or any(line.strip() == TRACEBACK for line in lines[head + 1 : first]):
        return list(lines)
    return [*lines[: head + 1], *lines[first:]]


def _is_framework(line: str) -> bool:
    found = _FRAME.match(line)
    return found is not None and any(part in found["file"] for part in _FRAMEWORK)


def last_log_lines(lines: Sequence[str], most: int) -> list[str]:
    """The last lines of a log, at most so many. Of a crash that ends it the first ones: faulthandler begins with the
    innermost frame."""
    crash = next((at for at in reversed(range(len(lines))) if lines[at].startswith(CRASH)), None)
    if crash is None or not all(map(_OF_CRASH.match, lines[crash + 1 :])):
        return last_traceback_lines(lines, most)
    thread = next((at for at in range(crash + 1, len(lines)) if lines[at].startswith(CRASHED_THREAD)), crash + 1)
    return [lines[crash], *lines[thread : thread + most - 1]]


def last_traceback_lines(lines: Sequence[str], most: int) -> list[str]:
    """The last lines, at most so many, beginning at a frame where they would begin within a traceback's."""
    shown = list(lines[-most:])
    for at, line in enumerate(shown):
        if not line.startswith(" ") or line.strip() == TRACEBACK or _FRAME.match(line):
            return shown[at:]
        if not _inside_traceback(lines, len(lines) - len(shown) + at):
            return shown[at:]
    return shown


def _inside_traceback(lines: Sequence[str], at: int) -> bool:
    """Whether the line belongs to a frame that begins above it: its source, or the marks below that."""
    if _MARKERS.fullmatch(lines[at]):
        return True
    return any(_FRAME.match(line) for line in lines[max(at - 2, 0) : at])


def log_with_readable_tracebacks(lines: Iterable[str]) -> Iterator[str]:
    """A job's log lines with flytekit's JSON made readable. Other lines are passed on as they are."""
    for line in lines:
        if line.startswith(JSON_LINE):
            yield from log_line_without_traceback_json(line)
        else:
            yield line


def log_line_without_traceback_json(line: str) -> list[str]:
    """One line of flytekit's JSON as the lines that it stands for; none for what only surrounds a traceback, or
    tells of flytekit alone."""
    try:
        record = json.loads(line)
        level, message = str(record["levelname"]), str(record["message"])
        said = str(record.get("exc_info") or "")
    except (ValueError, LookupError, TypeError, RecursionError):
        return [line]
    if _AROUND.match(message) or _LEFT_OPEN.match(message):
        return []
    if TRACEBACK in message:
        return traceback_lines(message)
    text = f"{level}: {message}" if level != "INFO" else message
    return [*text.splitlines(), *(_users_part(said.splitlines()) if said else [])]
