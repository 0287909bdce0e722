"""What the fast path uses of flytekit's own parts may be called otherwise in the next version: children then run
flytekit's own way, and none fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core.literals_pb2 import LiteralMap

# Before the first fork it is seen that these are missing; without the others only some of the outputs take longer.
SEEN_AT_ONCE = [
    "_execution_date",
    "_working_directory",
    "_output_metadata_prefix",
    "_checkpoint",
    "_decks",
    "_local_sandbox_dir",
    "flyte_context_Var",
    "output_metadata_tracker",
    "engine_dir",
    "SimpleTransformer",
    "run_sync",
]
OTHERS = [
    "_td",
    "_checkpoint_dest",
    "_checkpoint_src",
    "_prev_download_path",
    "_literal_map_to_python_input",
    "_output_to_literal_map",
    "async_to_literal",
    "get_type_for_output_var",
]


pytestmark = pytest.mark.timeout(600)


def children_under(folder: Path, *groups: list[str]) -> list[Any]:
    """What became of two children under flytekit with all names of a group renamed, which imports it once a group."""
    script = Path(__file__).with_name("renamed_flytekit.py")
    ran = subprocess.run(
        [sys.executable, str(script), str(folder), *(",".join(group) for group in groups)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]


def outputs(*values: int) -> list[str]:
    made = []
    for value in values:
        message = LiteralMap()
        message.literals["o0"].scalar.primitive.integer = value
        made.append(message.SerializeToString().hex())
    return made


def ended_well(*, fast: bool) -> dict[str, Any]:
    return {"fast": fast, "codes": [0, 0], "outputs": outputs(6, 8)}


def test_no_child_fails_where_flytekit_calls_parts_otherwise(tmp_path: Path) -> None:
    found = children_under(tmp_path, [], SEEN_AT_ONCE, OTHERS)
    assert found == [ended_well(fast=True), ended_well(fast=False), ended_well(fast=True)]


@pytest.mark.slow
def test_no_child_fails_where_flytekit_calls_one_part_otherwise(tmp_path: Path) -> None:
    names = [*SEEN_AT_ONCE, *OTHERS]
    found = children_under(tmp_path, *([name] for name in names))
    assert dict(zip(names, found, strict=True)) == {name: ended_well(fast=name in OTHERS) for name in names}
