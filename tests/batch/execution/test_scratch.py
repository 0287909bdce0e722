"""Directories of attempts: which are used again, and when they go."""

from __future__ import annotations

from pathlib import Path

import pytest

from flytekitplugins.awsbatch.batch.emulator.execution.scratch import Scratch


@pytest.mark.parametrize("outlives", [True, False])
def test_an_untouched_directory_serves_the_next_attempt_and_the_next_service(tmp_path: Path, outlives: bool) -> None:
    scratch = Scratch(tmp_path, outlives_service=outlives)
    first, second = scratch.take(), scratch.take()
    scratch.give_back(first)
    assert scratch.take() == first
    (second / "file").write_text("left")
    scratch.give_back(second)
    scratch.give_back(first)
    scratch.finish_removing()

    assert list(tmp_path.iterdir()) == ([first] if outlives else [])
    after = Scratch(tmp_path, outlives_service=outlives)
    third, fourth = after.take(), after.take()
    assert (third == first) == outlives
    assert len({first, second, third, fourth}) == (3 if outlives else 4)


def test_services_side_by_side_never_share_a_directory(tmp_path: Path) -> None:
    one, other = Scratch(tmp_path, outlives_service=True), Scratch(tmp_path, outlives_service=True)
    taken = [one.take(), other.take(), one.take()]

    assert len(set(taken)) == 3


def test_a_directory_that_somebody_used_or_removed_meanwhile_is_not_handed_on(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, outlives_service=True)
    used, removed = scratch.take(), scratch.take()
    scratch.give_back(used)
    scratch.give_back(removed)
    scratch.finish_removing()
    (used / "file").write_text("from a process that lived on")
    removed.rmdir()

    after = Scratch(tmp_path, outlives_service=True).take()

    assert after not in (used, removed)
    assert list(after.iterdir()) == []
