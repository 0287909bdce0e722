"""The shapes of AWS's requests, and a walk along a shape over a value. What is wrong with a value, and in which words,
is each caller's business: the SDK, FlytePropeller's AWS SDK and AWS Batch itself check the same requests.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

# As botocore's service models write it: `type`, with `members` and `required`, `member`, `key` and `value`, `enum`,
# `min`, `max` and `pattern`; what a shape refers to stands in its place.
Shape: TypeAlias = Mapping[str, Any]
CONSTRAINTS = ("min", "max", "pattern", "enum")
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "list": (list, tuple),
    "map": (Mapping,),
    "structure": (Mapping,),
}


@functools.cache
def submit_job_shape() -> Shape:
    """The request of AWS Batch's SubmitJob. It is read from a file, so that nothing imports botocore for it
    (tests/sdk/sdk_submit_job_model.py makes that file from botocore's model).
    """
    text = Path(__file__).with_name("submit_job.json").read_text(encoding="utf-8")
    shape: Shape = json.loads(text)["request"]
    return shape


def described_shape(shape: Any) -> dict[str, Any]:
    """One of botocore's shape objects as a mapping."""
    found: dict[str, Any] = {"type": shape.type_name}
    found |= {name: shape.metadata[name] for name in CONSTRAINTS if name in shape.metadata}
    if shape.type_name == "structure":
        found["members"] = {name: described_shape(member) for name, member in shape.members.items()}
        if shape.required_members:
            found["required"] = list(shape.required_members)
    elif shape.type_name == "list":
        found["member"] = described_shape(shape.member)
    elif shape.type_name == "map":
        found |= {"key": described_shape(shape.key), "value": described_shape(shape.value)}
    return found


def fits_shape(shape: Shape, value: Any) -> bool:
    """Whether a value is of the shape's type. JSON's true is an int to Python, never a number to AWS."""
    kind = shape["type"]
    return isinstance(value, TYPES.get(kind, (object,))) and (kind == "boolean" or not isinstance(value, bool))


def walk_shape(
    shape: Shape, value: Any, place: str, inner_place: Callable[[str, str | int], str], *, nulls: bool = False
) -> Iterator[tuple[Shape, Any, str]]:
    """Each value with its shape and its place, the outer before the inner ones. Members that the shape does not have,
    and what is inside a value of a wrong type, have no shape and are left out.

    :param inner_place: the words for a place from those for the outer one and the name or index in it.
    :param nulls: whether a structure's member that is None is a value; otherwise it counts as left out.
    """
    yield shape, value, place
    inner: Iterable[tuple[str | int, Any, Shape]] = ()
    if not fits_shape(shape, value):
        return
    if shape["type"] == "structure":
        members = shape["members"]
        inner = (
            (name, each, members[name])
            for name, each in value.items()
            if name in members and (nulls or each is not None)
        )
    elif shape["type"] == "list":
        inner = ((index, each, shape["member"]) for index, each in enumerate(value))
    elif shape["type"] == "map":
        inner = ((key, each, shape["value"]) for key, each in value.items())
    for step, each, member in inner:
        yield from walk_shape(member, each, inner_place(place, step), inner_place, nulls=nulls)
