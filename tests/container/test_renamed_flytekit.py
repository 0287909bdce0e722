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


# Imports flytekit twenty times.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    script = Path(__file__).with_name("renamed_flytekit.py")
    names = ["", *SEEN_AT_ONCE, *OTHERS]
    ran = subprocess.run(
        [sys.executable, str(script), str(tmp_path_factory.mktemp("renamed")), *names],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    return {line.pop("name"): line for line in lines}


def outputs(*values: int) -> list[str]:
    made = []
    for value in values:
        message = LiteralMap()
        message.literals["o0"].scalar.primitive.integer = value
        made.append(message.SerializeToString().hex())
    return made


@pytest.mark.parametrize("name", ["", *SEEN_AT_ONCE, *OTHERS])
def test_no_child_fails_where_flytekit_calls_a_part_otherwise(found: dict[str, Any], name: str) -> None:
    assert found[name] == {"fast": name not in SEEN_AT_ONCE, "codes": [0, 0], "outputs": outputs(6, 8)}
