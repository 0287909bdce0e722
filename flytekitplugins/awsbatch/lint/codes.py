"""The stable codes, one a thing that goes wrong, each described in docs/lint.md and never given a second meaning."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Severity(str, Enum):
    """An error can never work on a cluster and stops a registration; a warning works differently than it looks."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Code:
    code: str
    severity: Severity
    title: str


@dataclass(frozen=True)
class Finding:
    """One thing found.

    :param entity: the name of the task, as Flyte has it.
    :param message: what happens on a cluster, and what to do.
    :param file: where the task's function is, and its line counted from 1; empty where that is not known.
    :param function: the name of the task that runs: of a map the mapped one's, since its own is a machine's.
    """

    code: str
    entity: str
    message: str
    file: str = ""
    line: int = 0
    function: str = ""

    @property
    def severity(self) -> Severity:
        return CODES[self.code].severity

    @property
    def subject(self) -> str:
        """Whom it is about, in words that a person wrote."""
        return self.function or self.entity

    @property
    def brief(self) -> str:
        """For a run that has just named its workflow."""
        return f"{self.subject.rpartition('.')[2]} {self.message} [{self.code}]"

    def __str__(self) -> str:
        return f"{self.subject} {self.message} [{self.code}]"


def located(finding: Finding, task: Any) -> Finding:
    """A finding with the place of a task's function.

    :param task: the one that runs: of a map the mapped one.
    """
    finding = dataclasses.replace(finding, function=str(task.name))
    code = getattr(inspect.unwrap(getattr(task, "task_function", None) or located), "__code__", None)
    if code is None or code is located.__code__:
        return finding
    return dataclasses.replace(finding, file=code.co_filename, line=code.co_firstlineno)


CODES: dict[str, Code] = {
    code.code: code
    for code in (
        Code("AB001", Severity.ERROR, "a cached task that is not mapped"),
        Code("AB002", Severity.ERROR, "flytekit's map_task over an AWS Batch task"),
        Code("AB003", Severity.ERROR, "@dynamic, @eager or async with AWSBatchConfig"),
        Code("AB004", Severity.ERROR, "a pod template"),
        Code("AB005", Severity.ERROR, "a task that a container cannot find"),
        Code("AB006", Severity.ERROR, "ten retries or more"),
        Code("AB007", Severity.ERROR, "a timeout under a minute"),
        Code("AB008", Severity.ERROR, "environment variables that AWS Batch keeps for itself"),
        Code("AB009", Severity.ERROR, "an image without a name"),
        Code("AB010", Severity.ERROR, "a request that is too large"),
        Code("AB011", Severity.ERROR, "an array that is too large"),
        Code("AB012", Severity.ERROR, "inputs that cannot be mapped"),
        Code("AB101", Severity.WARNING, "cached arrays with ignored inputs"),
        Code("AB102", Severity.WARNING, "resources that are dropped"),
        Code("AB103", Severity.WARNING, "secrets that are not there"),
        Code("AB104", Severity.WARNING, "an image without this package"),
        Code("AB105", Severity.WARNING, "overrides that do not reach AWS Batch"),
        Code("AB106", Severity.WARNING, "concurrency that is not held"),
        Code("AB107", Severity.WARNING, "Fargate"),
        Code("AB108", Severity.WARNING, "a priority without a share identifier"),
        Code("AB109", Severity.WARNING, "flytekit's legacy map_task over an AWS Batch task"),
        Code("AB110", Severity.WARNING, "environment variables that Flyte overwrites"),
        Code("AB111", Severity.WARNING, "no retries"),
        Code("AB112", Severity.WARNING, "memory in other units than AWS Batch's"),
        Code("AB113", Severity.WARNING, "decks of a map's items"),
    )
}
