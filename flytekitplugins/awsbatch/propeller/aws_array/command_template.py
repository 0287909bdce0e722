"""Rendering of a command's placeholders, `{{.input}}` and its like (`pluginmachinery/core/template/template.go`).

Each placeholder is replaced in turn, so that one may hide in another's value; a `$` in a value is read as a reference
to a group of the pattern, as Go's `ReplaceAllString` does.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from flyteidl.core import literals_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from ..golang.msgpack import MsgpackError, UnhashableError, print_msgpack
from ..golang.numbers import print_float
from ..golang.text import go_text_of_message
from .handler_errors import HandlerError, PanicError
from .task_context import TaskContext

MESSAGEPACK = "msgpack"

# Go's \s, which is narrower than Python's.
_SPACE = r"[\t\n\f\r ]"


# Go's folding of letters, which lets no dotless i pass as Python's does.
_FOLDED = {"k": "kK\u212a", "s": "sS\u017f"}


@functools.cache
def _placeholder(name: str, rest: str = "") -> re.Pattern[str]:
    letters = "".join(f"[{_FOLDED.get(letter, letter + letter.upper())}]" for letter in name.lower())
    return re.compile(rf"\{{\{{{_SPACE}*[.$]{letters}{rest}{_SPACE}*\}}\}}")


_INPUT_VARIABLE = _placeholder("Inputs", r"\.(?P<name>[^}\t\n\f\r ]+)")
# Go's letters and digits.
_NAME_CATEGORIES = {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd"}
_OUTSIDE_WORD = re.compile("[^a-zA-Z0-9_]+")
_BEFORE_LETTER = re.compile("^[^a-zA-Z_]+")


@dataclass(frozen=True)
class Parameters:
    """What the placeholders stand for.

    :param inputs: reads the inputs, None when the map is empty; called once for each text that is rendered. Raises
        StorageError.
    :param task_path: writes the task template and returns its path; called only where a text asks for it.
    """

    context: TaskContext
    input_path: str
    checkpoint: str
    inputs: Callable[[], literals_pb2.LiteralMap]
    task_path: Callable[[], str]


def render_command(texts: Sequence[str], parameters: Parameters) -> list[str]:
    """The texts with their placeholders replaced; unknown ones stay as they are.

    :raises HandlerError: an input that is not there or has no text form. StorageError: the inputs cannot be read.
    """
    return [_render(text, parameters) for text in texts]


def per_retry_unique_key(name: str) -> str:
    """A generated name as an identifier for queries (`PerRetryUniqueKey`)."""
    return _OUTSIDE_WORD.sub("_", _BEFORE_LETTER.sub("a", name))


def _render(text: str, parameters: Parameters) -> str:
    context = parameters.context
    for name, value in (
        ("Input", parameters.input_path),
        ("OutputPrefix", context.output_prefix),
        ("InputPrefix", context.input_prefix),
        ("RawOutputDataPrefix", context.raw_output_prefix),
        ("PrevCheckpointPrefix", context.previous_checkpoint or '""'),
        ("CheckpointOutputPrefix", parameters.checkpoint),
        ("PerRetryUniqueKey", per_retry_unique_key(context.name)),
    ):
        text = _replace(name, value, text)
    if _placeholder("TaskTemplatePath").search(text):
        text = _replace("TaskTemplatePath", parameters.task_path(), text)
    text = _replace("Namespace", context.namespace, text)
    inputs = parameters.inputs().literals
    return _render_inputs(text, inputs) if inputs else text


def _replace(name: str, value: str, text: str) -> str:
    return _placeholder(name).sub(lambda match: _expand(value, match[0]), text)


def _expand(value: str, whole: str) -> str:
    """`Regexp.Expand`, for a pattern without groups: `$0` stands for the placeholder, any other name for nothing."""
    before, dollar, rest = value.partition("$")
    while dollar:
        if rest.startswith("$"):
            before, rest = f"{before}$", rest[1:]
        else:
            name, length = _group_name(rest)
            before += "$" if not name else whole if name == "0" else ""
            rest = rest[length:]
        more, dollar, rest = rest.partition("$")
        before += more
    return before


def _group_name(text: str) -> tuple[str, int]:
    """(a group's name at the start of the text, how much of it that takes); ("", 0) when there is none."""
    brace = 1 if text.startswith("{") else 0
    end = brace
    while end < len(text) and (text[end] == "_" or unicodedata.category(text[end]) in _NAME_CATEGORIES):
        end += 1
    if end == brace or (brace and text[end : end + 1] != "}"):
        return "", 0
    return text[brace:end], end + brace


def _render_inputs(text: str, inputs: dict[str, literals_pb2.Literal]) -> str:
    problems: list[str] = []

    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in inputs:
            problems.append(f"input template [{match[0]}]: requested input is not found [{name}]")
            return ""
        try:
            return command_template_literal(inputs[name])
        except ValueError as error:
            problems.append(f"input template [{match[0]}]: failed to bind a value to inputName [{name}]: {error}")
            return ""

    rendered = _INPUT_VARIABLE.sub(value, text)
    if problems:
        raise HandlerError("", "".join(f"{index}: {problem}\r\n" for index, problem in enumerate(problems)))
    return rendered


def command_template_literal(literal: literals_pb2.Literal) -> str:
    """A literal as the template engine writes it. ValueError: its kind has no text form."""
    kind = literal.WhichOneof("value")
    if kind == "collection":
        return f"[{','.join(command_template_literal(item) for item in literal.collection.literals)}]"
    if kind == "scalar":
        return _scalar_text(literal.scalar)
    raise ValueError(f"received an unexpected primitive type [{_go_type('Literal', kind)}]")


def _scalar_text(scalar: literals_pb2.Scalar) -> str:
    kind = scalar.WhichOneof("value")
    if kind == "primitive":
        return _primitive_text(scalar.primitive)
    if kind == "blob":
        return str(scalar.blob.uri)
    if kind == "schema":
        return str(scalar.schema.uri)
    if kind == "binary":
        return _binary_text(scalar.binary)
    raise ValueError(f"received an unexpected scalar type [{_go_type('Scalar', kind)}]")


def _primitive_text(primitive: literals_pb2.Primitive) -> str:
    kind = primitive.WhichOneof("value")
    if kind is None:
        raise ValueError("received an unexpected primitive type [<nil>]")
    if kind == "boolean":
        return "true" if primitive.boolean else "false"
    if kind == "datetime":
        return command_template_timestamp(primitive.datetime)
    if kind == "duration":
        return go_text_of_message(primitive.duration)
    if kind == "float_value":
        return print_float(primitive.float_value)
    return str(getattr(primitive, kind))


def _binary_text(binary: literals_pb2.Binary) -> str:
    if binary.tag != MESSAGEPACK:
        raise ValueError(f"unsupported binary tag [{binary.tag}]")
    try:
        return print_msgpack(binary.value)
    except MsgpackError as error:
        raise ValueError(f"failed to unmarshal messagepack bytes, err:[{error}]") from None
    except UnhashableError as error:
        raise PanicError(str(error)) from None


def command_template_timestamp(moment: Timestamp) -> str:
    """RFC 3339 with as many decimals as needed; outside of the years 1 to 9999 a note in brackets."""
    seconds, nanos = moment.seconds, moment.nanos
    if not -62135596800 <= seconds < 253402300800:
        when = "before 0001-01-01" if seconds < 0 else "after 10000-01-01"
        return f"(timestamp: {go_text_of_message(moment)} {when})"
    if not 0 <= nanos < 10**9:
        return f"(timestamp: {go_text_of_message(moment)}: nanos not in range [0, 1e9))"
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    whole = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    return f"{whole.isoformat()[:19]}{fraction}Z"


def _go_type(message: str, kind: str | None) -> str:
    if kind is None:
        return "<nil>"
    return f"*core.{message}_{''.join(word.capitalize() for word in kind.split('_'))}"
