"""Terminal colours of hostile and of harmless logs."""

from __future__ import annotations

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from flytekitplugins.awsbatch.ui.ansi import AnsiLines, without_ansi

# Text that is likely to hold the beginnings of sequences and of markup.
signs = ["\x1b", "\x1b[", "31", ";", "m", "]0;", "\x07", "<", ">", "&", '"', "a", "\r", "\x9b", "\u202e"]
pieces = st.lists(st.sampled_from(signs))
HARMLESS = re.compile(r'<span class="[a-z0-9 ]+">|</span>')


@given(pieces)
def test_whatever_is_logged_only_spans_come_out(parts: list[str]) -> None:
    shown = AnsiLines().line("".join(parts))
    left = HARMLESS.sub("", shown)
    assert "<" not in left
    assert '"' not in left
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown)


@given(pieces)
def test_plain_text_has_no_control_characters(parts: list[str]) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", without_ansi("".join(parts)))


def test_colours_last_until_they_are_taken_back() -> None:
    lines = AnsiLines()
    assert lines.line("\x1b[1;31mred") == '<span class="ab c1">red</span>'
    assert lines.line("still\x1b[0m plain") == '<span class="ab c1">still</span> plain'
    assert html.unescape(lines.line("1 < 2")) == "1 < 2"


def test_a_progress_bar_shows_its_last_state() -> None:
    assert AnsiLines().line("10%\r50%\r100%\r") == "100%"
