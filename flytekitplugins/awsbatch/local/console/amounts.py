"""Times, lengths of time and sizes as people read them."""

from __future__ import annotations

import datetime

MIB = 1 << 20


def shown_time(seconds: float) -> str:
    """A time on this machine's clock, to the minute; "?" for a number that is no time, which a damaged record may
    hold."""
    try:
        return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return "?"


def shown_duration(milliseconds: float | None) -> str:
    """A length of time; "" when it is not known."""
    if milliseconds is None:
        return ""
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def shown_memory(amount: float | None) -> str:
    """A number of bytes in a unit that suits it; "" when it is not known."""
    if amount is None:
        return ""
    return f"{amount / MIB / 1024:.1f} GiB" if amount >= 1024 * MIB else f"{amount / MIB:.0f} MiB"
