"""How a job ended, for people: exit statuses and signals in words, and what to do where the words of AWS Batch give no
hint. Pure.
"""

from __future__ import annotations

import re
import signal

_EXIT = re.compile(r"\bexit\((-?\d+)\)")
OUT_OF_MEMORY = "OutOfMemoryError"
# Reasons that only say that a container ended.
_USUAL = ("Essential container in task exited", "")
# The reasons that propeller gives when it terminates the job of a node that has ended or is aborted.
_BY_FLYTE = ("Aborted", "Finalized")
ENDED_BY_FLYTE = "ended by Flyte with its node"
# How propeller says that a job has left no outputs.pb.
_UNREAD_OUTPUTS = "failed to read data from dataDir"
_NO_FILE = "file does not exist"
# The exit status that flytekit gives after an exception of the task's own.
_OF_EXCEPTION = 1

MORE_MEMORY = (
    "It was killed because it held more memory than its job has: that of the task's limits, or of its requests where "
    "it has no limits. Give it more: @task(limits=Resources(mem=...)). `flyte-awsbatch jobs --children` shows how much "
    "each child held."
)
WITHOUT_OUTPUTS = (
    "Its process ended with status 0 before flytekit could write the outputs. A task has to return from its function: "
    "look for sys.exit(), os._exit() or a library that ends the process."
)
SEGFAULT = "Compiled code crashed, mostly an extension module or its libraries. PYTHONFAULTHANDLER=1 logs where."


def exit_reason_of_node(message: str) -> str:
    """The first line of an error of a node, without paths where they only say that there are no outputs."""
    if is_exit_without_outputs(message):
        return "its job ended well and left no outputs"
    lines = message.strip().splitlines()
    return lines[0] if lines else ""


def is_exit_without_outputs(message: str) -> bool:
    """Whether a node's error says that its job left no outputs."""
    return _UNREAD_OUTPUTS in message and message.rstrip().endswith(_NO_FILE)


def _exit_status_in_words(words: str) -> int | None:
    """The exit status in AWS Batch's words about a job (`Essential container in task exited - exit(139)`)."""
    found = _EXIT.findall(words)
    return int(found[-1]) if found else None


def _killed_by(status: int) -> str:
    """`signal 11, segmentation fault` for 139, "" for a status that no signal leads to."""
    number = status - 128
    if not 0 < number < signal.NSIG:
        return ""
    name = signal.strsignal(number)
    return f"signal {number}, {name[:1].lower() + name[1:]}" if name else f"signal {number}"


def exit_in_words(words: str) -> str:
    """One short phrase for an end: `killed by signal 11, segmentation fault`, `exit status 3`, or what AWS
    Batch says."""
    if OUT_OF_MEMORY in words:
        return "killed for holding more memory than its limit"
    status = _exit_status_in_words(words)
    rest = _EXIT.sub("", words).strip(" -")
    parts = [part for part in re.split(r"\s+-\s+", rest) if part not in _USUAL]
    if parts and parts[0] in _BY_FLYTE:
        return ENDED_BY_FLYTE
    said = ""
    if status is not None:
        signalled = _killed_by(status)
        said = f"killed by {signalled}" if signalled else f"exit status {status}"
    return ", ".join(part for part in (*parts, said) if part) or words.strip(" -")


def exit_says_exception(words: str) -> bool:
    """Whether a job ended as flytekit does after an exception, so that the error file is this attempt's."""
    return _exit_status_in_words(words) in (None, _OF_EXCEPTION) and OUT_OF_MEMORY not in words


def advice_on_exit(words: str) -> str:
    """What to do about an end that the words of AWS Batch do not explain; "" where they do."""
    if OUT_OF_MEMORY in words:
        return MORE_MEMORY
    status = _exit_status_in_words(words)
    if status is None or not (signalled := _killed_by(status)):
        return ""
    more = f" {SEGFAULT}" if status == 128 + signal.SIGSEGV else ""
    return f"It was killed by {signalled}.{more}"
