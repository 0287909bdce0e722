"""How an owner declares its settings: a frozen dataclass whose fields say their key in the YAML and what they admit.

The class's docstring says what each field means (`:param`); docs/reference/settings.md is made from both.

The reader fills such a class from a document; it needs no knowledge of the owner, and the owner needs none of YAML.
A field's annotation is its type: `str`, `int`, `float` (in our own sections only), `bool`, `X | None`,
`tuple[str, ...]`, `dict[str, str]`, another section (a map), `tuple[Section, ...]` (a list of maps),
`dict[str, Section]`, and `Mark` for a field declared with `section_mark()`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from .yaml_nodes import Mark

KEY = "key"
MINIMUM = "minimum"
MAXIMUM = "maximum"
CHOICES = "choices"
UNIT = "unit"
WHERE = "where"


def setting(
    key: str,
    default: Any = dataclasses.MISSING,
    *,
    factory: Callable[[], Any] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] | None = None,
    unit: str = "",
) -> Any:
    """A field of a settings section.

    :param key: its name in the YAML, in the owner's own spelling (`maxArrayJobSize`).
    :param default: the value when the document is silent; `factory` makes a mutable one.
    :param minimum: the least number admitted; `maximum` the largest, which also keeps out what is no number.
    :param choices: the only words admitted, also in a list.
    :param unit: of a number, for the documentation.
    """
    metadata = {
        KEY: key,
        MINIMUM: minimum,
        MAXIMUM: maximum,
        CHOICES: tuple(choices) if choices is not None else None,
        UNIT: unit,
    }
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def section_mark(key: str = "") -> Any:
    """A field of type `Mark` that the reader fills with the place of the section, or of one key's value in it.

    It takes no part in `==`.
    """
    return dataclasses.field(default=Mark(), compare=False, metadata={WHERE: key})
