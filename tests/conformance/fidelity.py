"""The deviations file, and docs/explanation/fidelity.md as it is made from it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .report import Mismatch

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).with_name("deviations.toml")
DOCUMENT = Path(__file__).parents[2] / "docs" / "explanation" / "fidelity.md"

_INTRODUCTION = """\
<!-- Made from tests/conformance/deviations.toml by `python -m tests.conformance fidelity --write`. -->
# How faithful the emulation is

The handler of this package does what Flyte v1.16.8's `aws_array` handler does: the cases in `tests/conformance` were
run through Flyte's own code, and give the same requests, states, transitions, files and errors here.

- `emulator.fidelity: strict` reproduces Flyte to the letter, its hangs and crashes included.
- `emulator.fidelity: safe`, the default, differs in what this page lists first, and in nothing else. A run names the
  entries that it made use of.
"""


@dataclass(frozen=True)
class Deviation:
    name: str
    title: str
    flyte: str
    ours: str
    why: str
    fields: tuple[str, ...]
    cases: tuple[str, ...]


def load() -> dict[str, Deviation]:
    """The deviations by name."""
    entries = _document()["deviation"]
    made = [
        Deviation(**{**entry, "fields": tuple(entry["fields"]), "cases": tuple(entry["cases"])}) for entry in entries
    ]
    return {deviation.name: deviation for deviation in made}


def covering(deviations: Iterable[str], mismatches: list[Mismatch]) -> str | None:
    """The names of the deviations that explain all mismatches of a case; None when they do not."""
    known = load()
    names = list(dict.fromkeys(deviations))
    if not names or any(name not in known for name in names):
        return None
    fields = {field for name in names for field in known[name].fields}
    parts = {mismatch.path.split(".", 1)[0].split("[", 1)[0] for mismatch in mismatches}
    return ", ".join(names) if parts <= fields else None


def markdown() -> str:
    """The text of docs/explanation/fidelity.md."""
    parts = [_INTRODUCTION, "## What `safe` does differently\n"]
    for deviation in load().values():
        cases = ", ".join(f"`{case}`" for case in deviation.cases)
        parts.append(
            f"### {deviation.title}\n\n"
            f"*Flyte*: {_one_line(deviation.flyte)}\n\n"
            f"*Here*: {_one_line(deviation.ours)}\n\n"
            f"*Why*: {_one_line(deviation.why)}\n\n"
            f"Entry `{deviation.name}`; recorded cases: {cases}.\n"
        )
    parts.append("## What differs in both modes\n")
    parts += [f"- **{entry['title']}.** {_one_line(entry['text'])}" for entry in _document()["difference"]]
    parts.append("\n## What is kept, though you may not expect it\n")
    parts += [f"- **{entry['title']}.** {_one_line(entry['text'])}" for entry in _document()["kept"]]
    return "\n".join(parts) + "\n"


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def _one_line(text: str) -> str:
    return " ".join(text.split())
