"""A home and a folder for the children's marks, and terminals that end with their test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from terminals import OpenTerminal, Terminal


@pytest.fixture
def terminal(home: Path, tmp_path: Path) -> Iterator[OpenTerminal]:
    opened: list[Terminal] = []

    def open_terminal(argv: Sequence[str], **environment: str) -> Terminal:
        settings = {"FLYTE_AWSBATCH": "local", "FLYTE_AWSBATCH_HOME": str(home), **environment}
        opened.append(Terminal(argv, settings, tmp_path))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()
