"""Attributes of promises resolved as propeller resolves them.

`data/promise_vectors.jsonl` was made by Flyte 1.16.8's own `resolveAttrPathInPromise`: a literal, the path into it,
offloaded literals by their URI, and the literal or the error that the path leads to.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from flyteidl.core import literals_pb2
from google.protobuf.json_format import ParseDict

from flytekitplugins.awsbatch.propeller.node.resolve_promise import UnresolvableInputError, resolve_promise

VECTORS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "promise_vectors.jsonl").read_text("utf-8").splitlines()
]


def literal(value: Any) -> literals_pb2.Literal:
    return ParseDict(value, literals_pb2.Literal())


def comparable(found: literals_pb2.Literal) -> Any:
    """Go writes the keys of a map in a random order."""
    if found.scalar.binary.tag == "msgpack":
        return msgpack.unpackb(found.scalar.binary.value, strict_map_key=False)
    if found.HasField("collection"):
        return [comparable(one) for one in found.collection.literals]
    return found


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_path_leads_where_it_leads_in_propeller(vector: Any) -> None:
    def read(uri: str) -> literals_pb2.Literal:
        return literal(vector["files"][uri])

    vector.setdefault("files", {})
    if vector["error"] is None:
        found = resolve_promise(literal(vector["literal"]), vector["path"], read)
        expected = literal(vector["resolved"])
        assert found.WhichOneof("value") == expected.WhichOneof("value")
        assert comparable(found) == comparable(expected)
        return
    with pytest.raises(UnresolvableInputError) as caught:
        resolve_promise(literal(vector["literal"]), vector["path"], read)
    if not vector["error"].startswith("panic"):
        said = f"failed at Node[n0]. {caught.value.code}: {caught.value.message}"
        # Go's text of messages has one space or two.
        assert said == vector["error"].replace("  ", " ")
