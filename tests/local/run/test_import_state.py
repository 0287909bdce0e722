"""Each child imports the user's modules itself, as on AWS Batch: what they make on import is its own."""

from __future__ import annotations

from pathlib import Path

import import_state as tasks
import pytest

from flytekitplugins.awsbatch import emulation

# How many of the values differ between children.
OWN = 4


@pytest.mark.parametrize(("isolation", "children"), [("fork", 4), ("process", 2)])
def test_what_a_module_makes_on_import_belongs_to_one_child(tmp_path: Path, isolation: str, children: int) -> None:
    with emulation(tmp_path / "home", settings={"emulator": {"isolation": isolation}}, quiet=True) as awsbatch:
        found = tasks.describe_all(i=list(range(children)))
        assert "started anew" not in awsbatch.printed
    for made in list(zip(*found, strict=True))[:OWN]:
        assert len(set(made)) == children
    names = ("lock", "index", "cache", "file", "socket", "thread", "young")
    assert [words[OWN:] for words in found] == [["True", *(f"{name} True" for name in names)]] * children


def test_everything_preloaded_shares_what_the_module_made(tmp_path: Path) -> None:
    """Only what can be forked: the module above starts a thread, and would be started anew for each child."""
    settings = {"emulator": {"preload": "everything"}}
    with emulation(tmp_path / "home", settings=settings, quiet=True) as awsbatch:
        found = tasks.describe_all(i=[1, 2])
        assert "an import started threads" in awsbatch.printed
    assert len({words[0] for words in found}) == 2
