"""The inputs that a call leaves out. In a registered workflow the node binds their defaults (flytekit's
`create_and_link_node`), and `pyflyte run` sends those of a single task, so that a container is given them like any
other input, converted by their types. A call in a local run of flytekit's leaves them to the function.
"""

from __future__ import annotations

import contextlib
from typing import Any

from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.type_engine import TypeEngine, TypeTransformerFailedError, UnionTransformer
from flytekit.models.literals import Literal, LiteralMap


def default_inputs(task: Any, given: LiteralMap, bound: bool) -> dict[str, Literal]:
    """The defaults of the inputs that a call does not give.

    A default that flytekit refuses when it compiles a workflow (a list, a dictionary, a set, a value of another type)
    is left to the function.

    :param bound: whether a workflow binds them. A binding has no hash of a `HashMethod`.
    """
    context = FlyteContextManager.current_context()
    found: dict[str, Literal] = {}
    for name, (kind, value) in task.python_interface.inputs_with_defaults.items():
        if name in given.literals or isinstance(value, list | dict | set):
            continue
        if value is None and not UnionTransformer.is_optional_type(kind):
            continue
        with contextlib.suppress(TypeTransformerFailedError, AssertionError, TypeError, ValueError):
            found[name] = TypeEngine.to_literal(context, value, kind, task.interface.inputs[name].type)
            if bound:
                found[name].hash = None
    return found
