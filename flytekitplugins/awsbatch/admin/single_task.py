"""The workflow that FlyteAdmin makes up around a task that is launched on its own
(`flyteadmin/pkg/manager/impl/util/single_task_execution.go`). Names only.
"""

from __future__ import annotations

import unicodedata

MAX_NODE_ID_LENGTH = 63


def single_task_node_id(task_name: str) -> str:
    """The id of its one node: letters, digits and dashes of the last 63 bytes of the task's name."""
    data = task_name.encode("utf-8")
    # The cut may go through a character; what is left of it is no letter.
    text = data[-MAX_NODE_ID_LENGTH:].decode("utf-8", "replace")
    return "".join(one for one in text if one == "-" or unicodedata.category(one)[0] in "LN")
