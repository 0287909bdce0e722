"""One thing that was found in a task."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import FunctionType
from typing import Any


class Severity(str, Enum):
    """An error can never work on a cluster and stops a registration; a warning works differently than it looks."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class LintFinding:
    """One thing found.

    :param entity: the name of the task, as Flyte has it.
    :param message: what happens on a cluster, and what to do.
    :param file: the file of the task's function, and its line counted from 1; empty where that is not known.
    :param function: the name of the task that runs. Of a map that is the mapped task's, since a map's own name is made
        by a machine.
    """

    code: str
    entity: str
    message: str
    file: str = ""
    line: int = 0
    function: str = ""

    @property
    def severity(self) -> Severity:
        return Severity.ERROR if self.code < "AB100" else Severity.WARNING

    @property
    def subject(self) -> str:
        """The task's name as a person wrote it."""
        return self.function or self.entity

    @property
    def shown_file(self) -> str:
        """The path of the file from this folder, as an editor opens it."""
        path = Path(self.file)
        return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else self.file

    def __str__(self) -> str:
        return f"{self.subject} {self.message} [{self.code}]"


def findings_in(task: Any, code: str, message: str, entity: str = "") -> LintFinding:
    """A finding with the place of a task's function.

    :param task: the one that runs: of a map the mapped one.
    :param entity: the name of the task or map that the finding is about, unless it is `task` itself.
    """
    function = written_function(task)
    file, line = (function.__code__.co_filename, function.__code__.co_firstlineno) if function is not None else ("", 0)
    return LintFinding(code, entity or str(task.name), message, file, line, str(task.name))


def codes_ignored_for(task: Any, inner: Any) -> frozenset[str]:
    """Codes that the config of the task whose function runs, or the map, says are fine."""
    config = getattr(inner, "task_config", None)
    return frozenset(code for said in (config, task) for code in getattr(said, "lint_ignore", None) or ())


def written_function(task: Any) -> FunctionType | None:
    """The function that a user wrote for a task, without its decorators; None for a task of another kind."""
    function = getattr(task, "task_function", None)
    written = inspect.unwrap(function) if function is not None else None
    return written if isinstance(written, FunctionType) else None
