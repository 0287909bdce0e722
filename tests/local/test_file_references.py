"""The files of a value are found wherever flytekit's serialisation has put them."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, NewType, TypeVar

import pytest
from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from flytekit.types.file import FlyteFile
from pydantic import BaseModel
from typing_extensions import NotRequired, TypedDict

from flytekitplugins.awsbatch.local.deployment.file_references import FileReferences

Kind = TypeVar("Kind")
Weights = NewType("Weights", FlyteFile)


class Named(TypedDict):
    one: FlyteFile
    two: NotRequired[FlyteFile]


class Pair(NamedTuple):
    one: FlyteFile
    two: FlyteFile


class OneOfTwo(NamedTuple):
    path: str
    one: FlyteFile


@dataclass
class Box(Generic[Kind]):
    content: list[Kind]


@dataclass
class FileBox(Box[FlyteFile]):
    note: str = ""


@dataclass
class Holder:
    named: Named | None = None
    pair: Pair | None = None
    one: OneOfTwo | None = None
    weights: Weights | None = None
    box: Box[FlyteFile] | None = None
    own: FileBox | None = None
    fixed: tuple[FlyteFile, str] | None = None
    mapping: Mapping[str, FlyteFile] | None = None
    ordered: OrderedDict[str, FlyteFile] | None = None
    sequence: Sequence[FlyteFile] | None = None


class Model(BaseModel):
    named: Named
    pair: Pair


def holder(**fields: Any) -> Any:
    return lambda one, two: Holder(**{name: made(one, two) for name, made in fields.items()})


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (holder(named=lambda one, two: Named(one=one, two=two)), 2),
        (holder(named=lambda one, two: Named(one=one)), 1),
        (holder(pair=Pair), 2),
        (holder(one=lambda one, two: OneOfTwo(one.path, two)), 1),
        (holder(weights=lambda one, two: Weights(one)), 1),
        (holder(box=lambda one, two: Box([one, two])), 2),
        (holder(own=lambda one, two: FileBox([one, two])), 2),
        (holder(fixed=lambda one, two: (one, two.path)), 1),
        (holder(mapping=lambda one, two: {"a": one, "b": two}), 2),
        (holder(ordered=lambda one, two: OrderedDict(a=one, b=two)), 2),
        (holder(sequence=lambda one, two: [one, two]), 2),
        (lambda one, two: Model(named=Named(one=one), pair=Pair(one, two)), 3),
    ],
)
def test_files_are_found_in_types_with_fields_of_their_own(tmp_path: Path, make: Any, count: int) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    value = make(*(FlyteFile(str(tmp_path / name)) for name in ("one", "two")))
    kind, context = type(value), FlyteContextManager.current_context()
    literal = TypeEngine.to_literal(context, value, kind, TypeEngine.to_literal_type(kind)).to_flyte_idl()
    found: list[str] = []

    def url_of(path: str) -> str:
        found.append(path)
        return "awsbatch://elsewhere"

    FileReferences(url_of, lambda uri, _: uri).replace(literal, kind)

    assert len(found) == count
    assert literal.SerializeToString().count(b"awsbatch://elsewhere") == count
