"""The note of the process that serves a home's page."""

from __future__ import annotations

from pathlib import Path

import pytest

from flytekitplugins.awsbatch.local.history.page_address import NOTE, page_address_noted, page_address_of_run
from flytekitplugins.awsbatch.local.home import Home


def test_a_page_has_an_address_while_it_is_served(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with page_address_noted(home, "http://127.0.0.1:8050"):
        assert page_address_of_run(home, "e 1") == "http://127.0.0.1:8050/ui/run/e%201"

    assert page_address_of_run(home, "e 1") == ""


@pytest.mark.parametrize("note", ["", '{"format": 1}', '{"format": 1, "process": 7}', '{"format": 1, "process": {}}'])
def test_a_damaged_note_is_none(tmp_path: Path, note: str) -> None:
    home = Home(tmp_path)
    with page_address_noted(home, "http://127.0.0.1:8050"):
        (tmp_path / NOTE).write_text(note)
        assert page_address_of_run(home, "e") == ""
