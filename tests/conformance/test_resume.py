"""The handler's state survives JSON and its process at every step."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .handler_cases import CaseRun
from .resume import end
from .test_vectors import vectors

ROOT = Path(__file__).parents[2]


def ordinary(case: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Runs that end, and do not hang on what one process remembers: a restart is what cures some of Flyte's hangs."""
    odd = {"restart_at_round", "lose_state_at_round", "abort_at_round", "known_definitions"} & case.keys()
    return not odd and not expected["nonterminating"] and not expected["error_loop"] and "panic" not in expected


@pytest.mark.timeout(600)
def test_a_run_taken_up_after_any_step_in_a_new_process_ends_the_same(tmp_path: Path) -> None:
    cases = [case for case, expected in vectors("handler") if ordinary(case, expected)]
    lines, whole = [], []
    for case in cases:
        run, states = CaseRun(case), []
        while run.next_round():
            states.append(run.state.to_dict())
        whole.append(end(run))
        lines.append(json.dumps({"case": case, "states": states}))
    command = [sys.executable, "-m", f"{__package__}.resume"]
    # Two side by side.
    halves = []
    for start in range(2):
        asked = tmp_path / str(start)
        asked.write_text("\n".join(lines[start::2]), encoding="utf-8")
        with asked.open() as stdin:
            halves.append(subprocess.Popen(command, cwd=ROOT / "tests", stdin=stdin, stdout=subprocess.PIPE, text=True))
    answers = [half.communicate() for half in halves]
    found: list[Any] = [None] * len(lines)
    for start, (out, _) in enumerate(answers):
        found[start::2] = map(json.loads, out.splitlines())
    differing = [
        (case["name"], index + 1)
        for case, expected, got in zip(cases, whole, found, strict=True)
        for index, one in enumerate(got)
        if one != expected
    ]
    assert differing == []
    assert sum(map(len, found)) > 2000
