"""Makes a job's log readable as it comes: flytekit's JSON lines are rewritten, all else passes byte for byte."""

from __future__ import annotations

from .tracebacks import JSON_LINE, log_line_without_traceback_json

_BEGINS = JSON_LINE.encode()


class LogRenderer:
    """Takes pieces of a log and gives what can be shown of it so far. Only a line that may be JSON is held back until
    it is whole."""

    def __init__(self, raw: bool = False) -> None:
        """:param raw: every line is passed on unchanged."""
        self._raw = raw
        self._held = b""
        self._within_line = False

    def render_log(self, data: bytes) -> bytes:
        if self._raw:
            return data
        shown = []
        for line in (self._held + data).splitlines(keepends=True):
            self._held = b""
            whole = line.endswith(b"\n")
            if not (whole or self._within_line) and _BEGINS.startswith(line[: len(_BEGINS)]):
                self._held = line
                continue
            shown.append(line if self._within_line else _rendered(line))
            self._within_line = not whole
        return b"".join(shown)

    def render_rest_of_log(self) -> bytes:
        """Returns what was held back, at the end of the log."""
        held, self._held = self._held, b""
        return _rendered(held)


def _rendered(line: bytes) -> bytes:
    if not line.startswith(_BEGINS):
        return line
    text = line.decode("utf-8", "replace")
    shown = log_line_without_traceback_json(text.rstrip("\r\n"))
    if shown == [text.rstrip("\r\n")]:
        return line
    return "".join(f"{each}\n" for each in shown).encode("utf-8", "replace")
