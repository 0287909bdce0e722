"""Runs the cases about queues, names and paths, each kind by its function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .report import Mismatch, Outcome, differences

Kind = Callable[[dict[str, Any]], dict[str, Any]]

# kind -> what answers it. Filled by `node_kinds` and `admin_kinds`.
KINDS: dict[str, Kind] = {}
# kind -> how two of its answers are made comparable.
COMPARABLE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def kind(name: str) -> Callable[[Kind], Kind]:
    """Registers the function that answers the cases of a kind."""

    def register(answer: Kind) -> Kind:
        KINDS[name] = answer
        return answer

    return register


def presence(value: dict[str, Any]) -> dict[str, Any]:
    """An answer with its errors reduced to whether there is one."""
    return {key: (item is not None) if key.endswith("error") else item for key, item in value.items()}


def run_case(case: dict[str, Any], expected: dict[str, Any]) -> Outcome:
    """The mismatches of one case; a kind that nobody answers is one."""
    name = case["kind"]
    answer = KINDS.get(name)
    if answer is None:
        return Outcome([Mismatch("kind", name, "no such kind")])
    got = {"id": case["id"], "kind": name, **answer(case)}
    reduce = COMPARABLE.get(name, presence)
    return Outcome(list(differences(reduce(expected), reduce(got))))
