"""What failed and why: the children's exceptions, the same ones together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..local.console.exit_reasons import ENDED_BY_FLYTE, exit_in_words, exit_says_exception
from ..local.console.tracebacks import traceback_exception_line, traceback_lines
from ..local.history.run_reader import RunReader
from ..local.history.run_view import FAILED, ChildView, NodeView
from .ansi import without_ansi

# Children of a node whose errors are read: enough to say what happens most.
LOOKED_AT = 200
# Digits and quoted words differ between children that fail in the same way.
_DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|<[^>]*>|\d+")


@dataclass(frozen=True)
class ToldError:
    """An error as the page shows it. :param headline: the exception in one line. :param trace: its traceback, "" for
    none."""

    headline: str
    trace: str = ""


@dataclass(frozen=True)
class Failure:
    """Children of a node's attempt that failed in the same way.

    :param kind: what their exceptions have in common. :param first: the child whose error is shown. :param headlines:
    of each.
    """

    node: NodeView
    kind: str
    first: ChildView
    told: ToldError
    indexes: tuple[int, ...]
    headlines: tuple[str, ...]


def page_error_reason(child: ChildView) -> str:
    """Says how the last attempt ended."""
    return exit_in_words(_words(child))


def page_error_of_child(reader: RunReader, node: NodeView, child: ChildView) -> ToldError:
    """Why a child failed: its own exception, or else how its last attempt ended."""
    words = _words(child)
    # Another end than by an exception leaves the error file of the attempt before.
    error = without_ansi(reader.error(node, child)).strip() if exit_says_exception(words) else ""
    reason = exit_in_words(words)
    if not error or error == reason:
        return ToldError(reason or "failed without a reason")
    lines = traceback_lines(error)
    headline = traceback_exception_line(error)
    return ToldError(headline, "\n".join(lines) if lines != [headline] else "")


def _words(child: ChildView) -> str:
    """Those of AWS Batch about the end of the last attempt."""
    last = next((one for one in reversed(child.attempts) if one.stopped is not None), None)
    words = [child.reason, last.reason if last is not None else ""]
    if last is not None and last.exit_code is not None:
        words.append(f"exit({last.exit_code})")
    return " - ".join(word for word in dict.fromkeys(words) if word)


def page_failures(reader: RunReader, nodes: Sequence[NodeView]) -> list[Failure]:
    """The most frequent first, within the order of the nodes; those that were ended since others failed come last."""
    found: list[Failure] = []
    for node in nodes:
        alike: dict[str, list[tuple[ChildView, ToldError]]] = {}
        failed = [child for child in node.children if child.state == FAILED]
        for child in failed[:LOOKED_AT]:
            one = page_error_of_child(reader, node, child)
            alike.setdefault(_DETAIL.sub("·", one.headline), []).append((child, one))
        for kind, group in sorted(alike.items(), key=lambda each: (each[0] == ENDED_BY_FLYTE, -len(each[1]))):
            indexes = tuple(child.index for child, _ in group)
            headlines = tuple(one.headline for _, one in group)
            found.append(Failure(node, kind, group[0][0], group[0][1], indexes, headlines))
    return found
