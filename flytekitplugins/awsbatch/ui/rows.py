"""A node's children as the page's script takes them: small rows of numbers, so that ten thousand are sent at once and
only what has changed is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..local.history.run_view import STATES, ChildView, NodeView

# Milliseconds: attempts, reasons and sizes of a child, in the order that `page.js` reads them.
Row = list[Any]
_PLACES = {state: place for place, state in enumerate(STATES)}


@dataclass
class RowMaker:
    """Rows of one node. Texts that many children share are numbered; numbers stay the same from look to look."""

    _numbers: dict[str, int] = field(default_factory=lambda: {"": 0})

    @property
    def texts(self) -> list[str]:
        """The reasons so far, by their numbers."""
        return list(self._numbers)

    def row(self, child: ChildView, base: int, said: str = "") -> Row:
        """[index, state, tries, reason, peak memory, CPU milliseconds, times]; times are those of each attempt (queued,
        started, stopped, exit code), less `base`.

        :param said: the child's own exception, in one line.
        """
        times = [
            [
                attempt.queued - base,
                None if attempt.started is None else attempt.started - base,
                None if attempt.stopped is None else attempt.stopped - base,
                attempt.exit_code,
            ]
            for attempt in child.attempts
        ]
        memory = max((attempt.peak_memory or 0 for attempt in child.attempts), default=0)
        computed = [attempt.cpu_seconds for attempt in child.attempts if attempt.cpu_seconds is not None]
        cpu = int(sum(computed) * 1000) if computed else None
        return [
            child.index,
            _PLACES[child.state],
            child.tries,
            self._numbers.setdefault(said or child.reason, len(self._numbers)),
            memory or None,
            cpu,
            times,
        ]


def node_rows(node: NodeView, now: int, headlines: Mapping[int, str]) -> dict[str, Any]:
    """The data of a node for the script."""
    maker, base = RowMaker(), rows_base(node)
    return {
        "node": node.info.node,
        "base": base,
        "now": now - base,
        "states": list(STATES),
        "memory": node.memory * (1 << 20) if node.memory else None,
        "rows": [maker.row(child, base, headlines.get(child.index, "")) for child in node.children],
        "texts": maker.texts,
    }


def rows_base(node: NodeView) -> int:
    """The moment from which the times of a node count."""
    span = node.span
    return span[0] if span is not None else int(node.info.updated * 1000)
