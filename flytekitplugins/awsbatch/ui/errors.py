"""What failed and why: the children's exceptions, the same ones together."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..local.history.run_view import FAILED, Child, Node, RunReader
from .ansi import plain

# Children of a node whose errors are read: enough to say what happens most.
LOOKED_AT = 200
# Digits and quoted words differ between children that fail in the same way.
_DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|<[^>]*>|\d+")
# flytekit's way to say an error: the trace, and the exception once more.
_TRACE, _MESSAGE = "Trace:", "Message:"


@dataclass(frozen=True)
class Told:
    """An error for people. :param headline: the exception in one line. :param trace: its traceback, "" for none."""

    headline: str
    trace: str = ""


@dataclass(frozen=True)
class Failure:
    """Children of a node that failed in the same way. :param first: whose error is told. :param headlines: of each."""

    node: Node
    first: Child
    told: Told
    indexes: tuple[int, ...]
    headlines: tuple[str, ...]


def told(error: str, reason: str = "") -> Told:
    """:param error: what the child left, "" for nothing. :param reason: what AWS says, for want of it."""
    error = plain(error).strip()
    if not error or error == reason:
        return Told(reason or "failed without a word")
    trace, found, message = error.rpartition(f"{_MESSAGE}\n")
    if not found or not message.strip():
        lines = error.splitlines()
        return Told(lines[-1].strip(), error if len(lines) > 1 else "")
    trace = trace.strip().removeprefix(_TRACE).strip("\n")
    return Told(message.strip().splitlines()[0].strip(), _dedented(trace))


def reason_of(child: Child) -> str:
    """AWS's words for a child's end, with the exit code."""
    last = next((one for one in reversed(child.attempts) if one.stopped is not None), None)
    code = f"exit code {last.exit_code}" if last is not None and last.exit_code is not None else ""
    words = [child.reason, last.reason if last is not None else "", code]
    return ", ".join(dict.fromkeys(word.strip(" -") for word in words if word.strip(" -")))


def failures(reader: RunReader, nodes: tuple[Node, ...] | list[Node]) -> list[Failure]:
    """The most frequent first, within the order of the nodes."""
    found: list[Failure] = []
    for node in nodes:
        alike: dict[str, list[tuple[Child, Told]]] = {}
        failed = [child for child in node.children if child.state == FAILED]
        for child in failed[:LOOKED_AT]:
            one = told(reader.error(node, child), reason_of(child))
            alike.setdefault(_DETAIL.sub("·", one.headline), []).append((child, one))
        for group in sorted(alike.values(), key=len, reverse=True):
            indexes = tuple(child.index for child, _ in group)
            headlines = tuple(one.headline for _, one in group)
            found.append(Failure(node, group[0][0], group[0][1], indexes, headlines))
    return found


def _dedented(text: str) -> str:
    lines = text.splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:] for line in lines)
