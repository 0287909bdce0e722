"""Keeps the order of a dict's keys through an emulated job: protobuf's maps have none, and a result would be printed in
another order with each run, which it would not without the emulation.

A job notes the keys in the metadata of its outputs' literals, and the caller takes the note off again. On a cluster
nothing is noted: the metadata would be part of what Flyte's cache is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from flytekit.models.literals import Literal, LiteralMap

from ..wire import RAW_SCHEME

KEYS = "flyte-awsbatch-keys"


def note_key_order(outputs: LiteralMap, raw_output_prefix: str) -> None:
    """In a job.

    :param raw_output_prefix: tells whether the job is emulated on this machine; elsewhere nothing is noted.
    """
    if raw_output_prefix.startswith(f"{RAW_SCHEME}://"):
        for literal in _dicts_in(list(outputs.literals.values())):
            literal._metadata = {**(literal.metadata or {}), KEYS: json.dumps(list(literal.map.literals))}


def restore_key_order(outputs: LiteralMap) -> None:
    """In the caller."""
    for literal in _dicts_in(list(outputs.literals.values())):
        noted = dict(literal.metadata or {})
        keys = noted.pop(KEYS, None)
        if keys is not None:
            literal._metadata = noted or None
            values = literal.map.literals
            ordered = {key: values[key] for key in json.loads(keys) if key in values}
            ordered |= {key: value for key, value in values.items() if key not in ordered}
            values.clear()
            values.update(ordered)


def _dicts_in(literals: list[Literal]) -> Iterator[Literal]:
    """The dicts among literals and in them. Lists are alike throughout: one that begins with a scalar has none."""
    for literal in literals:
        if literal.map is not None:
            yield literal
            yield from _dicts_in(list(literal.map.literals.values()))
        elif literal.collection is not None:
            items = literal.collection.literals
            if items and any(each.map is not None or each.collection is not None for each in items[:2]):
                yield from _dicts_in(items)
