"""Go's `time.Duration`: the texts in which Flyte's configuration and messages give times."""

from __future__ import annotations

import functools
import re
from fractions import Fraction

_UNITS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
# Go counts nanoseconds in an int64.
_LIMIT = Fraction(2**63, 10**9)


@functools.lru_cache(maxsize=256)
def parse_duration(text: str) -> Fraction:
    """Seconds that a Go duration such as `72h`, `1h30m` or `-1.5s` stands for, in whole nanoseconds.

    :raises ValueError: not a Go duration, or one that Go's int64 of nanoseconds cannot hold.
    """
    problem = f"{text!r} is not a Go duration such as 72h, 1h30m or 90s"
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0" or text == "":
        return Fraction(0)
    total = Fraction(0)
    position = 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if part is None:
            raise ValueError(problem)
        nanoseconds = Fraction(part[1] + "0" if part[1].endswith(".") else part[1]) * _UNITS[part[2]] * 10**9
        total += Fraction(int(nanoseconds), 10**9)
        position = part.end()
    if position == 0:
        raise ValueError(problem)
    if total >= _LIMIT:
        raise ValueError(f"{text!r} is longer than Go's longest duration, about 292 years")
    return sign * total


def format_duration(seconds: float) -> str:
    """`Duration.String`: `1h0m5s`, `1.5s`, `300ms`, `0s`."""
    nanos = round(seconds * 10**9)
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    if nanos < 10**9:
        for unit, size in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if nanos >= size:
                return f"{sign}{_decimal(nanos, size)}{unit}"
        return "0s"
    minutes, rest = divmod(nanos, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, 10**9)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else f"{sign}{text}"


def _decimal(number: int, size: int) -> str:
    whole, rest = divmod(number, size)
    digits = len(str(size)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0") if rest else str(whole)
