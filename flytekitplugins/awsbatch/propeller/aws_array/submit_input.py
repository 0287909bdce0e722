"""A template's custom read as a SubmitJob request, with the quirks of Go's `encoding/json`, and the AWS SDK's own
parameter check of a request (`utils.UnmarshalStructToObj`, `batch.SubmitJobInput`).

Keys match in any case; several spellings of one are taken one after the other, and merge where the value is an object,
a map or a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from google.protobuf.struct_pb2 import Struct, Value

from ..golang.numbers import json_float
from ..golang.text import message_text
from .handler_errors import BAD_TASK_SPECIFICATION, HandlerError, ParameterError
from .submit_shape import BOOLEAN, INTEGER, STRING, SUBMIT_JOB, ListOf, MapOf, Shape, Structure
from .task_custom import struct_json

_INT64 = 2**63
_KINDS = {
    "number_value": "number",
    "string_value": "string",
    "bool_value": "bool",
    "list_value": "array",
    "struct_value": "object",
}


def read_custom(custom: Struct) -> dict[str, Any]:
    """The fields of a SubmitJob request that a custom sets, by their names on the wire.

    :raises HandlerError: `BadTaskSpecification`: a value of the wrong type, in a field that is overwritten later too.
    """
    problems: list[str] = []
    try:
        struct_json(custom)
    except HandlerError as error:
        problems.append(error.message)
    else:
        request: dict[str, Any] = {}
        _read_structure(SUBMIT_JOB, custom, request, "SubmitJobInput", problems)
    if problems:
        raise HandlerError(
            BAD_TASK_SPECIFICATION, f"invalid TaskSpecification [{message_text(custom)}], Err: [{problems[0]}]"
        )
    return request


def check_parameters(request: Mapping[str, Any]) -> None:
    """What the SDK checks before it sends a SubmitJob request. Raises ParameterError."""
    problems = _problems(SUBMIT_JOB, request, "SubmitJobInput")
    if problems:
        raise ParameterError(problems, request)


def _read_structure(shape: Structure, value: Struct, into: dict[str, Any], go_type: str, problems: list[str]) -> None:
    names = {_fold(name): name for name in shape.fields}
    for key in sorted(value.fields, key=lambda key: key.encode("utf-8")):
        name = names.get(_fold(key))
        if name is not None:
            where = f"{go_type}.{name[0].upper()}{name[1:]}"
            read = _read(shape.fields[name], value.fields[key], into.get(name), where, problems)
            if read is None:
                into.pop(name, None)
            else:
                into[name] = read


def _read(shape: Shape, value: Value, old: Any, where: str, problems: list[str]) -> Any:  # noqa: PLR0911
    """The value in Go's shape, merged into the old one; None for null. A wrong type is noted and leaves the old one."""
    kind = value.WhichOneof("kind")
    if kind == "null_value":
        return None
    if isinstance(shape, Structure) and kind == "struct_value":
        merged = dict(old or {})
        _read_structure(shape, value.struct_value, merged, where, problems)
        return merged
    if isinstance(shape, MapOf) and kind == "struct_value":
        return _read_map(value.struct_value, old, where, problems)
    if isinstance(shape, ListOf) and kind == "list_value":
        before = list(old or [])
        items = value.list_value.values
        return [
            _read(shape.item, item, before[index] if index < len(before) else None, where, problems)
            for index, item in enumerate(items)
        ]
    if shape == STRING and kind == "string_value":
        return value.string_value
    if shape == BOOLEAN and kind == "bool_value":
        return value.bool_value
    if shape == INTEGER and kind == "number_value":
        text = json_float(value.number_value)
        if text.lstrip("-").isdigit() and -_INT64 <= int(text) < _INT64:
            return int(text)
        problems.append(f"json: cannot unmarshal number {text} into Go struct field {where} of type int64")
        return old
    problems.append(f"json: cannot unmarshal {_KINDS[str(kind)]} into Go struct field {where}")
    return old


def _read_map(value: Struct, old: Any, where: str, problems: list[str]) -> dict[str, Any]:
    merged: dict[str, Any] = dict(old or {})
    for key in sorted(value.fields, key=lambda key: key.encode("utf-8")):
        merged[key] = _read(STRING, value.fields[key], None, where, problems)
    return merged


def _fold(key: str) -> str:
    """Go's folding of names: ASCII letters, and the two other letters that fold to one of them."""
    if not key.isascii():
        key = key.replace("\u017f", "s").replace("\u212a", "k")
        if not key.isascii():
            return key
    return key.lower()


def _problems(shape: Structure, value: Mapping[str, Any], where: str) -> list[str]:
    found = [f"missing required field, {where}.{_go_name(name)}." for name in shape.required if value.get(name) is None]
    nested: list[str] = []
    for name in sorted(shape.fields):
        item, inner = value.get(name), shape.fields[name]
        place = f"{where}.{_go_name(name)}"
        if item is None:
            continue
        if isinstance(inner, MapOf) and len(item) < inner.minimum:
            found.append(f"minimum field size of {inner.minimum}, {place}.")
        elif isinstance(inner, Structure):
            nested += _problems(inner, item, place)
        elif isinstance(inner, ListOf) and isinstance(inner.item, Structure):
            for index, one in enumerate(cast("list[Any]", item)):
                if one is not None:
                    nested += _problems(inner.item, one, f"{place}[{index}]")
    return found + nested


def _go_name(name: str) -> str:
    return name[0].upper() + name[1:]
