"""The way to a queue and a role as plain data: what `queue explain --json` prints and a run's record keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from .admin_settings import MATCHINGS, AdminSettings
from .explanation import Explanation
from .launch_decision import Decision
from .queue_matching import match_queue


def decision_data_by_matching(settings: AdminSettings, decision: Decision) -> dict[str, Explanation]:
    """The same execution by each of the ways to match, this one included."""
    return {name: match_queue(settings, decision.explanation.execution, name) for name in MATCHINGS}


def decision_data(decision: Decision, others: Mapping[str, Explanation]) -> dict[str, Any]:
    """JSON's types only.

    :param others: see `decision_data_by_matching`.
    """
    explanation = decision.explanation
    return {
        "execution": dataclasses.asdict(explanation.execution),
        "matching": explanation.matching,
        "queue": decision.queue,
        "candidates": sorted(set(explanation.candidates)),
        "rules": [dataclasses.asdict(verdict) for verdict in explanation.verdicts],
        "others": {
            name: {"queue": one.queue, "candidates": sorted(set(one.candidates)), "crash": one.crash}
            for name, one in others.items()
        },
        "role": {"iam_role": decision.job_role, "source": decision.role.source},
        "warnings": list(decision.warnings),
        "help": decision.no_queue_help,
    }
