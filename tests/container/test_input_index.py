"""The index of an inputs.pb gives what parsing the whole file gives, or gives up."""

from __future__ import annotations

from pathlib import Path

import pytest
from flyteidl.core.literals_pb2 import Literal, LiteralMap
from hypothesis import given
from hypothesis import strategies as st
from sdk_builders import collection, inputs, integer, text

from flytekitplugins.awsbatch.container.array_index import ChildError, OriginalIndex, item_inputs_in_container
from flytekitplugins.awsbatch.container.fast.input_index import InputIndex, UnexpectedBytesError

# Long texts need lengths of more than one byte.
scalars = st.integers(-(2**63), 2**63 - 1).map(integer) | st.text(max_size=300).map(text)
lists = st.lists(scalars, max_size=5).map(collection)
names = st.text(min_size=1, max_size=200)


@given(
    st.dictionaries(names, lists, max_size=3), st.dictionaries(names, scalars | lists, max_size=2), st.integers(0, 5)
)
def test_an_item_is_what_parsing_the_whole_file_gives(
    mapped: dict[str, Literal], bound: dict[str, Literal], index: int
) -> None:
    whole = inputs(**{**bound, **mapped})
    bound_names = bound.keys() - mapped.keys()
    found = InputIndex(whole.SerializeToString(), bound_names)
    try:
        expected = item_inputs_in_container(whole, OriginalIndex(index), bound_names)
    except ChildError:
        with pytest.raises(ChildError):
            found.item(OriginalIndex(index))
        return
    assert found.item(OriginalIndex(index)) == expected


@given(st.binary(max_size=60))
def test_any_bytes_are_an_index_or_unexpected(data: bytes) -> None:
    try:
        found = InputIndex(data, ())
    except (UnexpectedBytesError, UnicodeDecodeError):
        return
    assert found.names == sorted(found.names)


@given(st.integers(11, 2000), st.integers(0, 127))
def test_a_length_has_at_most_64_bits(more: int, last: int) -> None:
    """Protobuf's own limit; without it, a long file of such bytes is one number, and its reading takes for ever."""
    with pytest.raises(UnexpectedBytesError, match="64 bits"):
        InputIndex(b"\x0a" + b"\xff" * more + bytes([last]), ())


@pytest.mark.parametrize(
    "data",
    [
        inputs(x=integer(1)).SerializeToString(),
        inputs(x=Literal(collection=collection([integer(1)]).collection, hash="h")).SerializeToString(),
        2 * inputs(x=collection([integer(1)])).SerializeToString(),
        inputs(x=collection([integer(1)])).SerializeToString()[:-1],
    ],
    ids=["not a list", "a list with a hash", "a name that comes twice", "cut off"],
)
def test_what_is_not_written_as_usual_is_left_to_the_parser(data: bytes) -> None:
    with pytest.raises(UnexpectedBytesError):
        InputIndex(data, ())


def test_an_index_of_a_file_is_one_of_its_bytes(tmp_path: Path) -> None:
    whole = inputs(x=collection(map(integer, range(1000))))
    file = tmp_path / "inputs.pb"
    file.write_bytes(whole.SerializeToString())
    found = InputIndex.of_file(file, ())
    assert [found.item(OriginalIndex(place)) for place in (0, 127, 999)] == [
        LiteralMap(literals={"x": integer(value)}) for value in (0, 127, 999)
    ]
