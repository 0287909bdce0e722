"""Which Batch job queue an execution gets: the three ways of matching, side by side, and where they part.

With an offloaded closure none reaches the handler, whatever the rules find: FlyteAdmin writes the queue into the tasks
that it then leaves out (`workflowengine/impl/k8s_executor.go`), and propeller reads those that were registered.
"""

from __future__ import annotations

from dataclasses import replace

from . import documented, flyteadmin, flyteadmin_2019
from .admin_settings import DOCUMENTED, FLYTEADMIN, FLYTEADMIN_2019, AdminSettings
from .explanation import Explanation, LaunchedExecution

MATCHERS = {
    DOCUMENTED: documented.match_as_documented,
    FLYTEADMIN: flyteadmin.match_as_flyteadmin,
    FLYTEADMIN_2019: flyteadmin_2019.match_as_flyteadmin_2019,
}


def match_queue(settings: AdminSettings, execution: LaunchedExecution, matching: str = "") -> Explanation:
    """The choice for an execution, and the way to it.

    :param matching: one of the three ways; empty for the one that the settings name (`emulator.queue_matching`).
    """
    explanation = MATCHERS[matching or settings.emulator.queue_matching](settings, execution)
    return replace(explanation, candidates=()) if settings.server.offloaded_closure else explanation
