"""Takes runs of the handler up in a process of its own: reads saved states, one case a line, and prints how each run
ends when it is taken up after each of them.

A line in: {"case": ..., "states": [state after round 1, ...]}. A line out: [end after round 1, ...].
"""

from __future__ import annotations

import json
import sys
from typing import Any

from flytekitplugins.awsbatch.propeller.aws_array.plugin_state import State

from .handler_cases import CaseRun, comparable

# The parts of a result that must not depend on where a run was taken up.
_PARTS = ("output_reader", "files", "requests", "finalize")
# Log links are lost with the job store, and with them the round in which they would have been told.
_OF_LAST_ROUND = ("state_phase", "reason", "execution_error", "detailed_phases", "summary", "error")


def end(run: CaseRun) -> dict[str, Any]:
    """What a finished run came to."""
    run.rounds = run.rounds[-1:]
    result = comparable(run.result())
    last = result["rounds"][-1]
    # What was being stored when the process ended is stored again.
    stored = sorted({json.dumps(put, sort_keys=True) for put in result["catalog_puts"]})
    return {
        **{part: result[part] for part in _PARTS},
        "stored": stored,
        **{part: last[part] for part in _OF_LAST_ROUND},
        "told": last["transition"] and {key: last["transition"][key] for key in ("phase", "version", "error")},
    }


def ends(case: dict[str, Any], states: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The end of the run when it is taken up from each of the states."""
    found = []
    # The world goes its way; what the handler would have kept in memory is thrown away each time.
    world = CaseRun(case)
    for state in states:
        world.next_round()
        again = world.taken_up(State.from_dict(state))
        while again.next_round():
            pass
        found.append(end(again))
    return found


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(ends(asked["case"], asked["states"])))


if __name__ == "__main__":
    main()
