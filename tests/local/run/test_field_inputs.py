"""A field of a dataclass or pydantic model reaches a task in the shape that propeller gives it."""

from __future__ import annotations

from typing import Any

import field_flows as flows
import pytest


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (flows.list_field_of_an_output, [2, 4, 6]),
        (flows.list_field_of_an_input, [20, 40]),
        (flows.list_under_a_key, [8, 10]),
        (flows.list_field_through_a_subworkflow, [2, 4, 6]),
        (flows.models, (7, 0, [3, 4])),
        (flows.scalars, "Ann True 2.5 None 20"),
        (flows.one_by_one, 53),
    ],
    ids=lambda value: getattr(value, "name", "").rpartition(".")[2],
)
def test_a_field_is_an_input_like_any_other(awsbatch: Any, flow: Any, expected: Any) -> None:
    found = flow()
    assert (tuple(found) if isinstance(expected, tuple) else found) == expected


def test_a_scalar_field_has_the_cache_key_of_its_value(awsbatch: Any) -> None:
    assert flows.bound_value() == [2, 4]
    submitted = len(awsbatch.requests)
    assert flows.bound_field() == [2, 4]
    assert len(awsbatch.requests) == submitted
