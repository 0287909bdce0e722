from __future__ import annotations

from typing import Any

import pytest
from flyteidl.core.literals_pb2 import LiteralCollection, LiteralMap
from hypothesis import given
from hypothesis import strategies as st
from sdk_builders import collection, inputs, integer, text

from flytekitplugins.awsbatch.container.array_index import (
    ChildError,
    ChildIndex,
    OriginalIndex,
    child_index_in_container,
    item_inputs_in_container,
    original_index_in_container,
)

AWS = "AWS_BATCH_JOB_ARRAY_INDEX"
VARIABLE = "BATCH_JOB_ARRAY_INDEX_VAR_NAME"


@pytest.mark.parametrize(
    ("environment", "index"),
    [
        ({VARIABLE: AWS, AWS: "0"}, 0),
        ({VARIABLE: AWS, AWS: "9999"}, 9999),
        ({VARIABLE: "FAKE_JOB_ARRAY_INDEX", "FAKE_JOB_ARRAY_INDEX": "0"}, 0),
        ({VARIABLE: AWS, AWS: "3", "BATCH_JOB_ARRAY_INDEX_OFFSET": "10"}, 13),
        ({VARIABLE: AWS, AWS: "3", "BATCH_JOB_ARRAY_INDEX_OFFSET": ""}, 3),
    ],
)
def test_the_index_is_where_the_variable_says_plus_the_offset(environment: dict[str, str], index: int) -> None:
    assert child_index_in_container(environment) == index


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, f"{VARIABLE} is not set"),
        ({AWS: "3"}, f"{VARIABLE} is not set"),
        ({VARIABLE: AWS}, f"{AWS} is ''; expected a whole number"),
        ({VARIABLE: AWS, AWS: "-1"}, f"{AWS} is '-1'"),
        ({VARIABLE: AWS, AWS: "1 "}, f"{AWS} is '1 '"),
        ({VARIABLE: AWS, AWS: "²"}, f"{AWS} is '²'"),
        ({VARIABLE: AWS, AWS: "1", "BATCH_JOB_ARRAY_INDEX_OFFSET": "x"}, "BATCH_JOB_ARRAY_INDEX_OFFSET is 'x'"),
    ],
)
def test_a_child_that_cannot_know_its_index_says_so(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ChildError, match="(?s)^" + message):
        child_index_in_container(environment)


def test_without_a_lookup_the_indexes_are_the_same() -> None:
    assert original_index_in_container(ChildIndex(4), None) == 4


@given(missing=st.sets(st.integers(0, 50), min_size=1))
def test_the_lookup_maps_the_children_onto_the_items_that_were_not_cached(missing: set[int]) -> None:
    lookup = LiteralCollection(literals=[integer(index) for index in sorted(missing)])
    assert [original_index_in_container(ChildIndex(child), lookup) for child in range(len(missing))] == sorted(missing)


def test_a_child_beyond_the_lookup_says_so() -> None:
    with pytest.raises(ChildError, match="child 2 is not in the index lookup, which has 2 entries"):
        original_index_in_container(ChildIndex(2), LiteralCollection(literals=[integer(0), integer(3)]))


def test_an_item_is_one_element_of_each_mapped_input_and_the_bound_ones_whole() -> None:
    whole = inputs(
        x=collection([integer(1), integer(2)]),
        nested=collection([collection([text("a")]), collection([text("b"), text("c")])]),
        scale=text("kg"),
    )
    assert item_inputs_in_container(whole, OriginalIndex(1), {"scale"}) == inputs(
        x=integer(2), nested=collection([text("b"), text("c")]), scale=text("kg")
    )


def test_picking_leaves_the_whole_as_it_was() -> None:
    whole = inputs(x=collection([integer(1)]), scale=text("kg"))
    before = LiteralMap.FromString(whole.SerializeToString())
    one = item_inputs_in_container(whole, OriginalIndex(0), {"scale"})
    assert one is not None
    one.literals["scale"].scalar.primitive.string_value = "t"
    assert whole == before


@pytest.mark.parametrize(
    ("whole", "bound"),
    [(inputs(x=collection([])), set()), (inputs(x=collection([]), y=collection([]), scale=text("kg")), {"scale"})],
)
def test_empty_lists_have_nothing_to_do(whole: LiteralMap, bound: set[str]) -> None:
    assert item_inputs_in_container(whole, OriginalIndex(0), bound) is None


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        (inputs(x=collection([integer(1), integer(2)])), "item 2 does not exist: input x has 2"),
        (inputs(x=collection([integer(1)] * 3), y=collection([])), "item 2 does not exist: input y has 0"),
        (
            inputs(x=collection([integer(1)] * 3), y=text("a")),
            "input y is mapped and should be a list, but holds scalar",
        ),
    ],
)
def test_an_item_that_is_not_there_is_an_error_and_not_another_item(whole: LiteralMap, message: str) -> None:
    with pytest.raises(ChildError, match=message):
        item_inputs_in_container(whole, OriginalIndex(2), set())


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30), data=st.data())
def test_each_item_is_the_one_in_its_place(values: list[int], data: Any) -> None:
    index = data.draw(st.integers(0, len(values) - 1))
    picked = item_inputs_in_container(inputs(x=collection(map(integer, values))), OriginalIndex(index), set())
    assert picked == inputs(x=integer(values[index]))
