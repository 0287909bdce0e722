"""How propeller names things: the unique id of a node, the generated name of an attempt (`encoding/encoder.go`,
`nodes/common/utils.go`, `nodes/task/taskexec_context.go`). Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from ..golang.hashes import base32, fnv1a
from .node_request import ParentNode

UNIQUE_ID_LENGTH = 20
GENERATED_NAME_LENGTH = 50


class NameTooShortError(ValueError):
    """Even the hash does not fit into the length asked for. `name` is what would be used all the same."""

    def __init__(self, name: str, length: int) -> None:
        super().__init__(
            f"max Length is too small, cannot create an encoded string that is so small: {name} > {length}"
        )
        self.name = name


def fixed_length_id(text: str, length: int, *, bits: int = 32) -> str:
    """The text itself when it has at most `length` bytes, else `f` and its FNV-1a in base32.

    :raises NameTooShortError: the hash is longer than `length`.
    """
    data = text.encode("utf-8")
    if len(data) <= length:
        return text
    name = "f" + base32(fnv1a(data, bits).to_bytes(bits // 8, "big"))
    if len(name) > length:
        raise NameTooShortError(name, length)
    return name


def _join_parts(parts: Sequence[str]) -> str:
    """Joins the parts by dashes. Empty parts at the beginning get no dash."""
    text = ""
    for part in parts:
        text += f"-{part}" if text else part
    return text


def fixed_length_id_for_parts(parts: Sequence[str], length: int, *, bits: int = 32) -> str:
    return fixed_length_id(_join_parts(parts), length, bits=bits)


def propeller_unique_node_id(parents: Sequence[ParentNode], node_id: str) -> str:
    """Unique within an execution: tracks the lineage of parents, outermost first, and their attempts."""
    parts = ["", ""]
    for parent in parents:
        unique = fixed_length_id_for_parts([*parts, parent.node_id], UNIQUE_ID_LENGTH)
        parts = [unique, str(parent.attempt)]
    return fixed_length_id_for_parts([*parts, node_id], UNIQUE_ID_LENGTH)


def propeller_generated_name(execution: str, unique_id: str, attempt: int, length: int = GENERATED_NAME_LENGTH) -> str:
    """The name of an attempt; also the Batch job's."""
    return fixed_length_id_for_parts([execution, unique_id, str(attempt)], length)
