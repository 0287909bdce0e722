"""Tells what was found when a task is put on the wire: a Python warning once a code, errors as an exception.

Looked for only then, and not while flytekit translates: whether a cached task is mapped, and how it is called, is known
once the whole program is.
"""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from flyteidl.core import tasks_pb2
from flytekit.configuration import SerializationSettings
from flytekit.models.task import Container

from ..sdk.errors import AWSBatchTaskError, AWSBatchWarning
from .all_rules import findings
from .codes import Finding, Severity, located
from .lint_settings import LintSettings, load
from .subject import Subject
from .task_rules import cached_single_finding, legacy_map_finding

_told: set[str] = set()
_lock = threading.Lock()


@functools.cache
def from_environment() -> LintSettings:
    """Read once a process: a registration looks at every task of a project."""
    return load()


def settings() -> LintSettings:
    return _settings.get() or from_environment()


class CheckedContainer(Container):  # type: ignore[misc]
    """A container that is looked at when it becomes a message."""

    _task: Any
    _serialization: SerializationSettings

    @classmethod
    def of(cls, container: Container, task: Any, serialization: SerializationSettings) -> CheckedContainer:
        made = cls.__new__(cls)
        made.__dict__.update(container.__dict__)
        made._task, made._serialization = task, serialization
        return made

    def unchecked(self) -> tasks_pb2.Container:
        message: tasks_pb2.Container = super().to_flyte_idl()
        return message

    def to_flyte_idl(self) -> tasks_pb2.Container:
        message = self.unchecked()
        tell(findings(Subject.of(self._task, self._serialization, message, settings())))
        return message


def check_single_call(task: Any) -> None:
    """For a task that is about to run as a single job, whatever else maps it."""
    ignored = settings().ignore | set(task.task_config.lint_ignore or ())
    if task.metadata.cache and "AB001" not in ignored:
        tell([located(cached_single_finding(task.name), task)])


def legacy_map(task: Any, mapping: Any) -> None:
    """For flytekit's own array task over one of ours, while that is being serialised."""
    if "AB109" not in settings().ignore | set(task.task_config.lint_ignore or ()):
        tell([located(legacy_map_finding(task.name, mapping.name), task)])


def tell(found: list[Finding]) -> None:
    """:raises AWSBatchTaskError: with all errors among them."""
    errors = [one for one in found if one.severity is Severity.ERROR]
    for one in found:
        if one.severity is Severity.WARNING and first_time(one.code):
            _teller.get()(one)
    if errors:
        raise AWSBatchTaskError(errors[0].code, "; ".join(f"{one.subject} {one.message}" for one in errors))


@contextmanager
def told_to(teller: Callable[[Finding], None], settings: LintSettings) -> Iterator[None]:
    """Within the block, warnings go to `teller`, each code once a process as ever, and these settings hold."""
    tokens = _teller.set(teller), _settings.set(settings)
    try:
        yield
    finally:
        _teller.reset(tokens[0])
        _settings.reset(tokens[1])


def warn(finding: Finding) -> None:
    """A Python warning and not flytekit's log, which pyflyte shuts up below errors."""
    warnings.warn_explicit(str(finding), AWSBatchWarning, finding.file or finding.entity, finding.line)


_teller: ContextVar[Callable[[Finding], None]] = ContextVar("flyte_awsbatch_lint_teller", default=warn)
_settings: ContextVar[LintSettings | None] = ContextVar("flyte_awsbatch_lint_settings", default=None)


def first_time(code: str) -> bool:
    with _lock:
        if code in _told:
            return False
        _told.add(code)
        return True
