"""What a run of cases found: mismatches as lines, and the sums."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

# Stands for a key or an item that one side does not have.
ABSENT = "<absent>"


@dataclass(frozen=True)
class Mismatch:
    """`path` leads into the result: `rounds[3].transition.phase`."""

    path: str
    expected: Any
    got: Any

    def line(self, case: str) -> str:
        return f"{case}: {self.path}: expected {_short(self.expected)}, got {_short(self.got)}"


@dataclass(frozen=True)
class Outcome:
    """What came of a case; `deviations`: where the handler left Flyte's path on purpose."""

    mismatches: list[Mismatch]
    deviations: tuple[str, ...] = ()


@dataclass
class Report:
    passed: int = 0
    failed: int = 0
    # Cases that differ only as tests/conformance/deviations.toml says they do.
    deviated: int = 0
    lines: list[str] = field(default_factory=list)

    def add(self, case: str, mismatches: list[Mismatch], *, deviation: str | None = None) -> None:
        """One case's outcome; `deviation` names the entry that covers all of its mismatches."""
        if not mismatches:
            self.passed += 1
        elif deviation is not None:
            self.deviated += 1
        else:
            self.failed += 1
            self.lines += [mismatch.line(case) for mismatch in mismatches]

    def write(self, to: TextIO) -> None:
        for line in self.lines:
            print(line, file=to)
        if self.deviated:
            print(f"{self.deviated} deviated as tests/conformance/deviations.toml says", file=to)
        print(f"{self.passed} passed, {self.failed} failed", file=to)

    @property
    def exit_status(self) -> int:
        return 1 if self.failed else 0


def differences(expected: Any, got: Any, path: str = "") -> Iterator[Mismatch]:
    """Where two JSON values differ, as deep as possible."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in sorted(expected.keys() | got.keys()):
            inner = f"{path}.{key}" if path else key
            yield from differences(expected.get(key, ABSENT), got.get(key, ABSENT), inner)
    elif isinstance(expected, list) and isinstance(got, list):
        for index in range(max(len(expected), len(got))):
            yield from differences(
                expected[index] if index < len(expected) else ABSENT,
                got[index] if index < len(got) else ABSENT,
                f"{path}[{index}]",
            )
    elif not _equal(expected, got):
        yield Mismatch(path, expected, got)


def _equal(expected: Any, got: Any) -> bool:
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    # Go writes a large float without its point: 477047822803082100000 and 4.770478228030821e+20 are one number.
    if isinstance(expected, float) or isinstance(got, float):
        return isinstance(expected, int | float) and isinstance(got, int | float) and float(expected) == float(got)
    return bool(expected == got)


def guarded(run: Callable[[], Outcome]) -> Outcome:
    """A case's outcome; that it cannot be run at all is a mismatch, and does not stop the others."""
    try:
        return run()
    except Exception as error:
        return Outcome([Mismatch("exception", ABSENT, f"{type(error).__name__}: {error}")])


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file with one a line, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def _short(value: Any) -> str:
    text = value if value is ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}..."
