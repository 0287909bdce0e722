"""A dict that a job returns keeps the order that the task gave it, in every isolation and through the cache."""

from __future__ import annotations

from pathlib import Path

import key_order_tasks as tasks
import pytest

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.local.deployment.emulation import emulation

KEYS = ["zebra", "apple", "mango", "kiwi", "fig", "plum", "date"]


@pytest.mark.parametrize("isolation", ["process", "fork", "worker"])
def test_a_dict_keeps_the_order_of_its_keys(tmp_path: Path, isolation: str) -> None:
    with emulation(tmp_path, settings=f"emulator: {{isolation: {isolation}}}", quiet=True):
        assert list(tasks.numbered(keys=KEYS)) == KEYS
        nested = tasks.nested(keys=KEYS)
        assert [list(each["inner"]) for each in nested] == [KEYS, KEYS[::-1]]
        assert [list(each) for each in map_task(tasks.repeated)(key=["b", "a"])] == [["b2", "b1"], ["a2", "a1"]]
        # From the cache too.
        assert [list(each) for each in map_task(tasks.repeated)(key=["b", "a"])] == [["b2", "b1"], ["a2", "a1"]]
        assert list(tasks.passed_on(keys=KEYS)) == KEYS


def test_what_is_handed_on_has_no_notes(tmp_path: Path) -> None:
    """They would be part of the inputs by which a cache is asked."""
    with emulation(tmp_path, quiet=True) as awsbatch:
        tasks.used(keys=KEYS)
        inputs = sorted(tmp_path.glob("runs/*/meta/**/n1/data/inputs.pb"))
    assert inputs
    assert not any(b"flyte-awsbatch-keys" in path.read_bytes() for path in inputs)
    assert len(awsbatch.requests) == 2
