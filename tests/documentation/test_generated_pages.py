"""The pages that are made from the code are what the code makes today."""

from __future__ import annotations

import dataclasses
from typing import Any

import click
import pytest
from backends import ROOT

from docs.generate import artefacts
from docs.generate.cli_page import commands
from docs.generate.docstrings import docstring
from docs.generate.settings_page import EMULATOR, FLYTE, keys_of
from flytekitplugins.awsbatch.batch.emulator.faults import Fault
from flytekitplugins.awsbatch.cli.main import main

MADE = artefacts()


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_page_is_current(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == MADE[name], "run `make references`"


@pytest.mark.parametrize("cls", [Fault, *(cls for _, cls in EMULATOR), *(cls for _, cls, _ in FLYTE)])
def test_every_setting_says_what_it_means(cls: Any) -> None:
    names = [one.name for one, _ in keys_of(cls)]
    assert [name for name in names if not docstring(cls).params.get(name)] == []
    assert dataclasses.is_dataclass(cls)


def test_every_option_says_what_it_means() -> None:
    silent = [
        f"{' '.join(path)} {option.opts[0]}"
        for path, command in commands(main, ("flyte-awsbatch",))
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden and not option.help
    ]
    assert silent == []
