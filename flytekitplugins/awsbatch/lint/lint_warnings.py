"""Tells a user what was found in a task that is about to be sent: each code once as a Python warning, errors as an
exception.

`lint_task` is the one place where a task is looked at. The task classes call it when flytekit asks for their
container, which is what every registration, package and emulated call does.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from flytekit.configuration import Image, SerializationSettings
from flytekit.models.task import Container

from ..sdk.errors import AWSBatchTaskError, AWSBatchWarning
from .codes import lint_findings_by_code
from .findings import LintFinding, Severity, codes_ignored_for, findings_in
from .image_rules import missing_images_message
from .lint_settings import LintSettings, load_lint_settings
from .program import compile_program_workflows
from .subject import LintSubject
from .task_rules import CACHED_SINGLE, legacy_map_message

Receiver: TypeAlias = Callable[[list[LintFinding]], None]

_told: set[str] = set()
_lock = threading.Lock()


@functools.cache
def lint_settings_of_environment() -> LintSettings:
    """Read once per process: a registration looks at every task of a project."""
    return load_lint_settings()


def lint_task(task: Any, container: Container, serialization: SerializationSettings) -> None:
    """Looks at a task as it is sent.

    Which calls of it there are, and whether it is only mapped, is known once the whole program is compiled. Of a local
    run, which sends the one task that it calls, nothing more is compiled.

    :raises AWSBatchTaskError: with all errors that are found.
    """
    own = _receiver.get()
    if own is None:
        compile_program_workflows()
    receive, settings = own or (report_lint_findings, lint_settings_of_environment())
    receive(lint_findings_by_code(LintSubject.of(task, serialization, container, settings)))


def lint_single_call(task: Any) -> None:
    """Looks at a task that is about to run as a single job, whether or not something else maps it."""
    if task.metadata.cache:
        _tell_unless_ignored(task, "AB001", CACHED_SINGLE)


def lint_legacy_map(task: Any, mapping: Any) -> None:
    """Looks at flytekit's own array task over one of ours, while that is being serialised."""
    _tell_unless_ignored(task, "AB109", legacy_map_message(mapping.name))


def lint_missing_images(task: Any, missing: Sequence[Image]) -> None:
    """Looks at the images that a task asks for by a name.

    :param missing: those that nothing names.
    """
    if missing:
        _tell_unless_ignored(task, "AB118", missing_images_message(missing))


def lint_execution_env(task: Any, names: Iterable[str]) -> None:
    """Looks at the variables that an execution was given, which a job does not get.

    :param task: a task or a map that is about to run.
    """
    if names:
        _tell_unless_ignored(
            task,
            "AB114",
            f"gets {', '.join(sorted(names))} for the execution. Flyte passes these to pods and never to jobs on AWS "
            "Batch. Use @task(environment=...), or emulator.execution_env: forward to have them in emulated runs.",
        )


def _tell_unless_ignored(task: Any, code: str, message: str) -> None:
    receive, settings = _receiver.get() or (report_lint_findings, lint_settings_of_environment())
    inner = getattr(task, "run_task", task)
    if code not in settings.ignore | codes_ignored_for(task, inner):
        receive([findings_in(inner, code, message, task.name)])


def _warn_of_findings(finding: LintFinding) -> None:
    """A Python warning and not flytekit's log, which pyflyte silences below errors."""
    warnings.warn_explicit(str(finding), AWSBatchWarning, finding.file or finding.entity, finding.line)


def report_lint_findings(
    found: list[LintFinding], on_warning: Callable[[LintFinding], None] = _warn_of_findings
) -> None:
    """Hands on each warning whose code is new to this process.

    :raises AWSBatchTaskError: with all errors among the findings.
    """
    errors = [one for one in found if one.severity is Severity.ERROR]
    for one in found:
        if one.severity is Severity.WARNING and _first_time(one.code):
            on_warning(one)
    if errors:
        raise AWSBatchTaskError(errors[0].code, "; ".join(f"{one.subject} {one.message}" for one in errors))


@contextmanager
def report_lint_findings_to(receive: Receiver, settings: LintSettings) -> Iterator[None]:
    """Within the block, whatever is found goes to `receive`, and these settings hold."""
    token = _receiver.set((receive, settings))
    try:
        yield
    finally:
        _receiver.reset(token)


_receiver: ContextVar[tuple[Receiver, LintSettings] | None] = ContextVar("flyte_awsbatch_lint_receiver", default=None)


def _first_time(code: str) -> bool:
    with _lock:
        if code in _told:
            return False
        _told.add(code)
        return True
