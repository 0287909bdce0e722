"""Protobuf's text format as Go's `String()` writes it: one line, fields in order, one space between them.

Go itself puts one or two spaces there, at random; one is what everybody normalises to.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from .numbers import print_float

_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def go_text_of_message(message: Message) -> str:
    """`code:"X" message:"m" kind:USER`; "" for an empty message."""
    parts: list[str] = []
    fields = sorted(message.ListFields(), key=lambda item: item[0].number)
    for field, value in fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            parts += _entries(field, value)
        elif isinstance(value, Message | str | bytes | int | float):
            parts.append(_field(field, value))
        else:
            parts += [_field(field, item) for item in value]
    return " ".join(parts)


def quote_text_bytes(data: bytes) -> str:
    """Bytes are quoted as text where they are UTF-8, letters outside of ASCII as they are, and by number where they are
    not."""
    parts = []
    for character in data.decode("utf-8", "surrogateescape"):
        byte = ord(character) - 0xDC00
        parts.append(f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else _escape(character))
    return '"' + "".join(parts) + '"'


def _escape(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if 0x80 <= code <= 0x9F else character


def _entries(field: FieldDescriptor, value: Any) -> list[str]:
    assert field.message_type is not None
    key, item = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
    return [f"{field.name}:{{{_field(key, name)} {_field(item, value[name])}}}" for name in sorted(value)]


def _field(field: FieldDescriptor, value: Any) -> str:
    kind = field.type
    if kind == FieldDescriptor.TYPE_MESSAGE:
        return f"{field.name}:{{{go_text_of_message(value)}}}"
    if kind == FieldDescriptor.TYPE_STRING:
        written = quote_text_bytes(value.encode())
    elif kind == FieldDescriptor.TYPE_BYTES:
        written = quote_text_bytes(value)
    elif kind == FieldDescriptor.TYPE_BOOL:
        written = "true" if value else "false"
    elif kind == FieldDescriptor.TYPE_ENUM:
        assert field.enum_type is not None
        named = field.enum_type.values_by_number.get(value)
        written = named.name if named is not None else str(value)
    elif kind in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        written = print_float(value, 32 if kind == FieldDescriptor.TYPE_FLOAT else 64)
        written = {"NaN": "nan", "+Inf": "inf", "-Inf": "-inf"}.get(written, written)
    else:
        written = str(value)
    return f"{field.name}:{written}"
