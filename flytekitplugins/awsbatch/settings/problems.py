"""What is wrong with a deployment's settings: every problem with its place, all reported together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .yaml_nodes import Mark


@dataclass(frozen=True)
class Problem:
    """One thing to correct.

    :param file: the file as the user named it; empty for what no file says.
    :param line: counted from 1; 0 when the whole file is meant.
    :param key: the dotted path of the setting, `queues.workflowConfigs[1].tags`.
    :param value: what stands there, shortened.
    :param expected: what would be right, as the end of a sentence.
    """

    file: str
    line: int
    key: str
    value: str
    expected: str

    @classmethod
    def at(cls, mark: Mark, key: str, expected: str, value: str = "") -> Problem:
        return cls(mark.file, mark.line, key, value, expected)

    @property
    def place(self) -> str:
        return str(Mark(self.file, self.line)) or "settings"

    def __str__(self) -> str:
        subject = f"{self.key}: " if self.key else ""
        got = f"got {self.value}, " if self.value else ""
        return f"{self.place}: {subject}{got}{self.expected}"


class SettingsError(ValueError):
    """All problems of a set of files, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "a problem" if count == 1 else f"{count} problems"
        super().__init__(f"{head} in the settings:\n" + "\n".join(f"  {problem}" for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)
