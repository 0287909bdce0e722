"""Workflows that mix many things at once give what plain flytekit gives, to Flyte's letter (`fidelity: strict`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compat_mixtures as flows
import pytest
from compat_run import compared, emulated, plainly, with_emulator

from flytekitplugins.awsbatch.testing import Emulation, emulation


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, isolation_keys: dict[str, Any]) -> Iterator[Emulation]:
    settings = with_emulator(**isolation_keys | {"fidelity": "strict", "vcpus": 4})
    with emulation(tmp_path_factory.mktemp("batch"), settings=settings, quiet=True) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "inputs", "jobs"),
    [
        ("partial_of_much", {}, [2]),
        ("nones", {"ns": [2, 4, 5]}, [3, 3, 1]),
        ("in_a_branch", {"flag": True, "ns": [1, 2]}, [2, 2]),
        ("in_a_branch", {"flag": False, "ns": [1, 2]}, [3]),
        ("outputs", {"n": 3}, [1, 3]),
        ("unions", {}, [1, 2]),
        ("arguments", {}, [1, 1, 2, 2, 1, 2]),
        ("times_and_dicts", {}, [1, 2]),
        ("files", {}, Counter([2, 1, 2, 2])),
        ("thrice", {"ns": [1, 2]}, [2, 2, 2]),
        ("one_task_in_three_maps", {"ns": [1, 2]}, [2, 2, 2]),
        ("plans", {"ns": [3, 4]}, [1, 2]),
        ("tried_again", {}, [2, 1]),
        ("maps_in_a_loop", {"n": 2}, [2, 2, 2, 2, 2]),
        ("promises", {"n": 3}, [1, 1, 3, 2, 1, 3]),
        ("cached_by_a_policy", {}, [2]),
        ("made_of_nodes", {"ns": [1]}, [1, 1]),
    ],
)
def test_a_mixture(batch: Emulation, name: str, inputs: dict[str, Any], jobs: list[int] | Counter[int]) -> None:
    compared(batch, lambda: getattr(flows, name)(**inputs), jobs=jobs)


def test_nodes_that_only_depend_on_each_other_run_in_order(batch: Emulation, tmp_path: Path) -> None:
    assert plainly(lambda: flows.ordered(path=str(tmp_path / "plain"))) == "1 2 3"
    value, requests = emulated(batch, lambda: flows.ordered(path=str(tmp_path / "emulated")))
    assert (value, len(requests)) == ("1 2 3", 3)
