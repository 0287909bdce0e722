"""The error of an emulated task: which children failed, the user's own exception, the end of their logs, what to do.

Builds text from a node's result; starts and stops nothing.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from flytekit.core.workflow import WorkflowBase
from flytekit.exceptions.eager import EagerException

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.propeller.aws_array.output_files import error_message_in_output_files
from flytekitplugins.awsbatch.propeller.node.node_result import ChildFact, NodeResult
from flytekitplugins.awsbatch.propeller.storage import DataStore

from .exit_reasons import WITHOUT_OUTPUTS, advice_on_exit, exit_says_exception, is_exit_without_outputs
from .redaction import redact
from .tracebacks import JSON_LINE, last_log_lines, last_traceback_lines, log_with_readable_tracebacks, traceback_lines

SHOWN_CHILDREN = 3
SHOWN_LINES = 12
# Lines of an exception that are shown: its traceback's; its message may have many more.
SHOWN_ERROR_LINES = 30
# Characters of a line: a message may hold a whole table, on which flytekit's printing of errors takes minutes.
SHOWN_LENGTH = 2_000
# How AWS Batch begins the reason of a container whose command is not there.
CANNOT_START = "CannotStartContainerError"
OWN_SCRIPTS = (wire.MAP_EXECUTE_SCRIPT, wire.TIMEOUT_SCRIPT)
NO_OUTPUTS = "ended well, and without outputs that can be read"


class TaskFailedError(Exception):
    """A task ended without outputs, as it would have on a real deployment.

    :ivar task: the task's name.
    :ivar execution: the execution's name.
    :ivar node: the node's id.
    :ivar result: the node's end, with a fact for every child.
    """

    def __init__(self, message: str, *, task: str, execution: str, node: str, result: NodeResult) -> None:
        super().__init__(message)
        self.task = task
        self.execution = execution
        self.node = node
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies of it cross processes: a worker of `multiprocessing` sends its errors."""
        make = functools.partial(
            type(self), task=self.task, execution=self.execution, node=self.node, result=self.result
        )
        return make, self.args

    def __setattr__(self, name: str, value: Any) -> None:
        """Keeps the message: flytekit would put "Error encountered while converting inputs of" a plain task before it,
        where that task is the first to read the outputs of the node that has failed (`dispatch_execute`)."""
        if name != "args":
            super().__setattr__(name, value)

    def __str__(self) -> str:
        """The text for people; for a workflow's failure node, which flytekit hands `str(error)` as the message of its
        `FlyteError`, the node's error as propeller words it (`ResolveErrorInputLiteralData`)."""
        if self.result.error is not None and sys._getframe(1).f_code is WorkflowBase.__call__.__code__:
            return str(self.result.error.message)
        return super().__str__()


class TaskFailedInEagerError(TaskFailedError, EagerException):  # type: ignore[misc]
    """The same in an `@eager` function, which on a cluster gets an `EagerException` for whatever it calls that fails
    (`Controller` in flytekit's `core/worker_queue.py`)."""


# Tells where the log of a child's last attempt is, and its end; None where it cannot be read.
TailOf = Callable[[ChildFact], tuple[str, str] | None]


def task_failed_error(
    result: NodeResult,
    *,
    task: str,
    execution: str,
    node: str,
    store: DataStore,
    tail_of: TailOf,
    hints: Sequence[str] = (),
    command: str = "flyte-awsbatch",
    eager: bool = False,
) -> TaskFailedError:
    """The error for a result that did not succeed.

    :param hints: lines that say what to do, put near the end.
    :param command: how a person calls `flyte-awsbatch`; the last line does, to run the first failed child again. ""
        where its home will be gone.
    :param eager: whether an `@eager` function launched the execution.
    """
    failed = [child for child in result.children if child.phase.failure]
    parts = [_headline(result, failed, task, execution, node)]
    blamed = [] if failed else _without_good_outputs(result)
    parts += [_child(child, result, store, tail_of) for child in failed[:SHOWN_CHILDREN]]
    if len(failed) > SHOWN_CHILDREN:
        others = ", ".join(str(child.original) for child in failed[SHOWN_CHILDREN : SHOWN_CHILDREN + 20])
        more = ", ..." if len(failed) > SHOWN_CHILDREN + 20 else ""
        parts.append(f"Also failed: {others}{more}")
    if result.error is not None and not _explained(result.error.message, failed):
        parts.append(_indent(result.error.message.strip() or "no message"))
    parts += [_child(child, result, store, tail_of, NO_OUTPUTS) for child in blamed]
    if blamed and result.error is not None and is_exit_without_outputs(result.error.message):
        parts.append(WITHOUT_OUTPUTS)
    if result.hang and (result.error is None or result.hang not in result.error.message):
        parts.append(result.hang)
    parts += [*_missing_script(result), *_no_terminal(result, parts), *hints]
    if result.job_id is not None:
        parts.append(_next(failed or blamed, len(result.children) == 1, execution, node, command))
    message = redact("\n".join(parts), os.environ)
    kind = TaskFailedInEagerError if eager else TaskFailedError
    return kind(message, task=task, execution=execution, node=node, result=result)


def _no_terminal(result: NodeResult, parts: Sequence[str]) -> list[str]:
    """What a `breakpoint()` in a job ends with, and where it works."""
    if result.job_id is None or not any("bdb.BdbQuit" in part for part in parts):
        return []
    return ["A job has no terminal for breakpoint(). The command below runs it in the foreground, where that works."]


def _missing_script(result: NodeResult) -> list[str]:
    """What it means on a cluster when a script of this package cannot be started. It rarely happens here, where the
    caller's own installation stands for the image."""
    said = [result.hang or "", *(child.message for child in result.children)]
    if not any(CANNOT_START in text and script in text for text in said for script in OWN_SCRIPTS):
        return []
    return [
        "The command is a script of flytekitplugins-awsbatch. In an image without this distribution no job can start; "
        "such a job leaves no log stream, and Flyte's handler waits for ever. [AB104]"
    ]


def _headline(result: NodeResult, failed: Sequence[ChildFact], task: str, execution: str, node: str) -> str:
    tries = f" in {result.attempt_count} attempts of the node" if result.attempt_count > 1 else ""
    where = f"node {node} of execution {execution}"
    if not failed:
        code = result.error.code.strip("|") if result.error is not None else ""
        code = f" [{code}]" if code else ""
        return f"Task {task} ({where}) failed{tries}.{code}"
    if len(result.children) == 1:
        return f"Task {task} ({where}) failed{tries}."
    return f"Task {task} ({where}) failed{tries}: {len(failed)} of {len(result.children)} children failed."


def _without_good_outputs(result: NodeResult) -> list[ChildFact]:
    """The child whose outputs the node stumbled over: its error names a file."""
    message = result.error.message if result.error is not None else ""
    return [child for child in result.children if f"{result.output_prefix}/{child.original}/" in message]


def _explained(message: str, failed: Sequence[ChildFact]) -> bool:
    """Whether the node failed because of its failed children: some may fail, and something else go wrong."""
    return any(f"[{child.original}]: " in message for child in failed)


def _next(failed: Sequence[ChildFact], single: bool, execution: str, node: str, command: str) -> str:
    if not command:
        return (
            "Its home and the logs in it go with the block of emulation(). To look into the run, and to run a child "
            "again in a debugger, keep them: emulation(home=...)."
        )
    again = next((child for child in failed if child.job_id), None)
    if again is None:
        return f"List its jobs:\n{command} jobs {execution}"
    # On a line of its own, so that flytekit's wrapping leaves a command that can be copied.
    whom = "it" if single else f"child {again.original}"
    return f"Run {whom} again, here and in a debugger:\n{command} rerun {execution} {node} {again.original}"


def _child(child: ChildFact, result: NodeResult, store: DataStore, tail_of: TailOf, how: str = "") -> str:
    tried = f"{child.attempt_count} attempt{'' if child.attempt_count == 1 else 's'}"
    message = error_message_in_output_files(store, result.output_prefix, child.original)
    # Where the child left no error.pb, the handler wrote one with AWS's words.
    own = bool(message) and message != child.message
    # After an exception AWS only says that the container ended.
    how = how or ("" if own and exit_says_exception(child.message) else child.message.strip(" -"))
    reason = f", {how}" if how else ""
    job = f"Batch job {child.job_id}"
    lines = [f"\nChild {child.original} ({job}, {tried}{reason}):"]
    if len(result.children) == 1:
        lines = [f"\n{job} ({tried}{reason}):"]
    if own:
        lines.append(_indent("\n".join(last_traceback_lines(traceback_lines(message), SHOWN_ERROR_LINES))))
    if not own and (more := advice_on_exit(child.message)):
        lines.append(f"  {more}")
    tail = tail_of(child)
    if tail is not None:
        path, log = tail[0], tail[1].splitlines()
        told = _told(log, message if own else "")
        empty = "Its log has nothing beyond this" if any(log) else "Its log is empty"
        lines.append(f"  End of its log ({path}):" if told else f"  {empty} ({path}).")
        lines += [_indent(line) for line in told]
    return "\n".join(lines)


def _told(lines: Sequence[str], message: str) -> list[str]:
    """The end of a log, without what the error says too: flytekit logs it as JSON, and an attempt that ends itself in
    time prints what it writes."""
    said = traceback_lines(message)
    found: list[str] = []
    for line in lines:
        shown = list(log_with_readable_tracebacks([line]))
        repeated = line.startswith(JSON_LINE) and (shown == said or '"message": "Trace:' in line)
        found += [] if message and repeated else shown
    found = _without_end(found, message.splitlines())
    while found and not found[0].strip():
        del found[0]
    while found and not found[-1].strip():
        del found[-1]
    return last_log_lines(found, SHOWN_LINES) if found else []


def _without_end(lines: Sequence[str], said: Sequence[str]) -> list[str]:
    """Without the last lines that are said already."""
    same = 0
    while same < min(len(lines), len(said)) and lines[-1 - same] == said[-1 - same]:
        same += 1
    return list(lines[: len(lines) - same])


def _short(line: str) -> str:
    more = len(line) - SHOWN_LENGTH
    return f"{line[:SHOWN_LENGTH]}… ({more} more characters)" if more > 0 else line


def _indent(text: str) -> str:
    return "\n".join(f"    {_short(line)}" if line else line for line in text.splitlines())
