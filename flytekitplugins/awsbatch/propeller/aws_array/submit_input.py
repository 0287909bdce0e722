"""A template's custom read as a SubmitJob request, with the quirks of Go's `encoding/json`, and the AWS SDK's own
parameter check of a request (`utils.UnmarshalStructToObj`, `batch.SubmitJobInput`).

Keys match in any case; several spellings of one are taken one after the other, and merge where the value is an object,
a map or a list.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from flytekitplugins.awsbatch.shape_walker import Shape, walk_shape

from ..golang.numbers import json_float
from ..golang.text import go_text_of_message
from .handler_errors import BAD_TASK_SPECIFICATION, HandlerError, ParameterError
from .submit_shape import SUBMIT_JOB
from .task_custom import custom_struct_json

_INT64 = 2**63
_KINDS = {
    "number_value": "number",
    "string_value": "string",
    "bool_value": "bool",
    "list_value": "array",
    "struct_value": "object",
}


def read_submit_custom(custom: Struct) -> dict[str, Any]:
    """The fields of a SubmitJob request that a custom sets, by their names on the wire.

    :raises HandlerError: `BadTaskSpecification`: a value of the wrong type, in a field that is overwritten later too.
    """
    problems: list[str] = []
    try:
        custom_struct_json(custom)
    except HandlerError as error:
        problems.append(error.message)
    else:
        request: dict[str, Any] = {}
        _read_structure(SUBMIT_JOB, custom, request, "SubmitJobInput", problems)
    if problems:
        raise HandlerError(
            BAD_TASK_SPECIFICATION, f"invalid TaskSpecification [{go_text_of_message(custom)}], Err: [{problems[0]}]"
        )
    return request


def check_submit_input(request: Mapping[str, Any]) -> None:
    """What the SDK checks before it sends a SubmitJob request. Raises ParameterError."""
    problems = []
    # The SDK takes members in the order of their names, and reports what a structure lacks before what is wrong in it.
    by_name = json.loads(json.dumps(request, sort_keys=True))
    for shape, value, place in walk_shape(SUBMIT_JOB, by_name, "SubmitJobInput", _inner_place):
        if shape["type"] == "structure" and value is not None:
            missing = [name for name in shape["required"] if value.get(name) is None]
            problems += [f"missing required field, {_inner_place(place, name)}." for name in missing]
            for name, member in shape["members"].items():
                if member["type"] == "map" and value.get(name) is not None and len(value[name]) < member.get("min", 0):
                    problems.append(f"minimum field size of {member['min']}, {_inner_place(place, name)}.")
    if problems:
        raise ParameterError(problems, request)


def _read_structure(shape: Shape, value: Struct, into: dict[str, Any], go_type: str, problems: list[str]) -> None:
    members = shape["members"]
    names = {_fold(name): name for name in members}
    for key in sorted(value.fields, key=lambda key: key.encode("utf-8")):
        name = names.get(_fold(key))
        if name is not None:
            where = f"{go_type}.{name[0].upper()}{name[1:]}"
            read = _read(members[name], value.fields[key], into.get(name), where, problems)
            if read is None:
                into.pop(name, None)
            else:
                into[name] = read


def _read(shape: Shape, value: Value, old: Any, where: str, problems: list[str]) -> Any:  # noqa: PLR0911
    """The value in Go's shape, merged into the old one; None for null. A wrong type is noted and leaves the old one."""
    kind, wanted = value.WhichOneof("kind"), shape["type"]
    if kind == "null_value":
        return None
    if wanted == "structure" and kind == "struct_value":
        merged = dict(old or {})
        _read_structure(shape, value.struct_value, merged, where, problems)
        return merged
    if wanted == "map" and kind == "struct_value":
        fields = value.struct_value.fields
        ordered = sorted(fields, key=lambda key: key.encode("utf-8"))
        return {**(old or {}), **{key: _read(shape["value"], fields[key], None, where, problems) for key in ordered}}
    if wanted == "list" and kind == "list_value":
        before = list(old or [])
        items = value.list_value.values
        return [
            _read(shape["member"], item, before[index] if index < len(before) else None, where, problems)
            for index, item in enumerate(items)
        ]
    if wanted == "string" and kind == "string_value":
        return value.string_value
    if wanted == "boolean" and kind == "bool_value":
        return value.bool_value
    if wanted == "integer" and kind == "number_value":
        text = json_float(value.number_value)
        if text.lstrip("-").isdigit() and -_INT64 <= int(text) < _INT64:
            return int(text)
        problems.append(f"json: cannot unmarshal number {text} into Go struct field {where} of type int64")
        return old
    problems.append(f"json: cannot unmarshal {_KINDS[str(kind)]} into Go struct field {where}")
    return old


def _fold(key: str) -> str:
    """Go's folding of names: ASCII letters, and the two other letters that fold to one of them."""
    key = key.replace("\u017f", "s").replace("\u212a", "k")
    return key.lower() if key.isascii() else key


def _inner_place(place: str, step: str | int) -> str:
    return f"{place}[{step}]" if isinstance(step, int) else f"{place}.{step[:1].upper()}{step[1:]}"
