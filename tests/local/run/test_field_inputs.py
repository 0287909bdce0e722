"""A field of a dataclass or pydantic model reaches a task in the shape that propeller gives it."""

from __future__ import annotations

import json
from typing import Any

import field_flows as flows
import pytest

from flytekitplugins.awsbatch.local.console.failure import TaskFailedError


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (flows.list_field_of_an_output, [2, 4, 6]),
        (flows.list_field_of_an_input, [20, 40]),
        (flows.list_under_a_key, [8, 10]),
        (flows.dates_of_an_output, ["01 May", "26 December"]),
        (flows.list_field_through_a_subworkflow, [2, 4, 6]),
        (flows.fields_in_a_list_into_a_subworkflow, [0.5, 1.0]),
        (flows.fields_through_a_subworkflow_in_a_list, [0.5, 1.0]),
        (flows.fields_in_an_optional_list, (1.5, 1.5)),
        (flows.models, (7, 0, [3, 4])),
        (flows.models_through_a_subworkflow, ([3, 4], [4, 3], [7, 3])),
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


def test_fields_in_a_list_into_a_subworkflow_have_the_cache_keys_of_their_values(awsbatch: Any) -> None:
    assert flows.bound_value() == [2, 4]
    submitted = len(awsbatch.requests)
    assert flows.cached_fields_in_a_list() == [2, 4]
    assert len(awsbatch.requests) == submitted


def test_an_item_of_a_list_field_has_a_cache_key_of_its_own(awsbatch: Any) -> None:
    """It stays msgpack as in propeller, so that a plain list with the same numbers does not find its results."""
    assert flows.cached_list_field() == [2, 4, 6]
    submitted = len(awsbatch.requests)
    assert flows.cached_list_field() == [2, 4, 6]
    assert len(awsbatch.requests) == submitted
    assert flows.bound_value() == [2, 4]
    assert len(awsbatch.requests) == submitted + 1


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (
            flows.missing_key,
            "failed at Node[n1]. BindingResolutionError: Error binding Var [wf].[x], caused by: failed at Node[n0]. "
            "PromiseAttributeResolveError: key [b] does not exist in literal map[a:scalar:{primitive:{integer:1}}]",
        ),
        (
            flows.index_beyond_the_end,
            "failed at Node[n1]. BindingResolutionError: Error binding Var [wf].[numbers], caused by: failed at "
            "Node[n0]. PromiseAttributeResolveError: index [3] is out of range of [1 2 3]",
        ),
        (
            flows.missing_key_of_an_input,
            "failed at Node[n0]. BindingResolutionError: Error binding Var [wf].[x], caused by: failed at "
            "Node[start-node]. PromiseAttributeResolveError: key [b] does not exist in literal "
            "map[a:scalar:{primitive:{integer:1}}]",
        ),
        (
            flows.number_beyond_int64,
            "failed at Node[n1]. BindingResolutionError: Error binding Var [wf].[x], caused by: failed at Node[n0]. "
            "InvalidPrimitiveType: uint64 value is too large to be converted to int64",
        ),
    ],
    ids=lambda value: getattr(value, "name", "").rpartition(".")[2],
)
def test_a_field_that_is_not_there_fails_the_node_as_in_propeller(awsbatch: Any, flow: Any, message: str) -> None:
    with pytest.raises(TaskFailedError) as caught:
        flow()
    error = caught.value.result.error
    assert error is not None
    assert (error.code, error.message, error.kind) == ("BindingResolutionFailure", message, error.SYSTEM)
    assert message in str(caught.value)
    assert caught.value.node == message[len("failed at Node[") :].partition("]")[0]
    (record,) = awsbatch.home.glob(f"runs/{caught.value.execution}/nodes/*.json")
    assert json.loads(record.read_text("utf-8"))["status"] == "failed"
    assert awsbatch.requests == []


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (flows.list_field_of_an_output, [2, 4, 6]),
        (flows.list_field_of_an_input, [20, 40]),
        (flows.scalar_field, 4),
    ],
    ids=lambda value: getattr(value, "name", "").rpartition(".")[2],
)
def test_a_field_of_a_dataclass_in_the_older_format_is_too(
    awsbatch: Any, monkeypatch: pytest.MonkeyPatch, flow: Any, expected: Any
) -> None:
    """An index or a key of one is refused by flytekit itself when it runs a workflow locally."""
    monkeypatch.setenv("FLYTE_USE_OLD_DC_FORMAT", "true")
    assert flow() == expected
