"""A terminal's colours in a log, as classes of a page. Every other control sequence is left out, never acted on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .html import Markup, html_escaped, html_joined, tag

# ECMA-48: control sequences, operating system commands (titles, links), other escapes; then lone control characters.
_SEQUENCE = re.compile(
    r"\x1b\[(?P<styles>[0-9;:]*)m"
    r"|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
# Signs that change the direction of text, with which a line could show something other than it says.
_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BOLD, _DIM, _ITALIC, _UNDERLINE = "b", "d", "i", "u"
_ON = {1: _BOLD, 2: _DIM, 3: _ITALIC, 4: _UNDERLINE}
_OFF = {22: {_BOLD, _DIM}, 23: {_ITALIC}, 24: {_UNDERLINE}}


class AnsiLines:
    """Lines of one log, in order: a colour lasts until the log takes it back."""

    def __init__(self) -> None:
        self._styles: set[str] = set()
        self._colour = ""

    def line(self, text: str) -> Markup:
        # A carriage return writes over the line, as progress bars do: the last word stays.
        text = text.rstrip("\r").rpartition("\r")[2]
        text = _DIRECTIONS.sub("\N{REPLACEMENT CHARACTER}", text)
        parts: list[object] = []
        at = 0
        for match in _SEQUENCE.finditer(text):
            parts.append(self._shown(text[at : match.start()]))
            at = match.end()
            if match["styles"] is not None:
                self._set(match["styles"])
        parts.append(self._shown(text[at:]))
        return html_joined(parts)

    def lines(self, texts: Iterable[str]) -> Markup:
        """The lines as HTML, each in an element of its own."""
        return html_joined(tag("span", self.line(text), class_="line") for text in texts)

    def _shown(self, text: str) -> Markup:
        styles = [f"a{one}" for one in sorted(self._styles)] + ([self._colour] if self._colour else [])
        return tag("span", text, class_=" ".join(styles)) if styles and text else html_escaped(text)

    def _set(self, styles: str) -> None:
        codes = [int(code) if code.isdigit() and len(code) < 4 else 0 for code in re.split("[;:]", styles)]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self._styles.clear()
                self._colour = ""
            elif code in _ON:
                self._styles.add(_ON[code])
            elif code in _OFF:
                self._styles -= _OFF[code]
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self._colour = f"c{code % 10}"
            elif code == 39:
                self._colour = ""
            elif code in (38, 48):
                # 256 colours or RGB: the first eight of them are those above, the others are left as they are.
                kind = codes.pop(0) if codes else 0
                wanted = codes[: 1 if kind == 5 else 3]
                del codes[: 1 if kind == 5 else 3]
                if code == 38 and kind == 5 and wanted and wanted[0] < 16:
                    self._colour = f"c{wanted[0] % 8}"


def without_ansi(text: str) -> str:
    """The text without control sequences."""
    return _DIRECTIONS.sub("\N{REPLACEMENT CHARACTER}", _SEQUENCE.sub("", text))
