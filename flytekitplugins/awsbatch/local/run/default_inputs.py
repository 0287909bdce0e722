"""The inputs that a call leaves out. The nodes of a registered workflow and the launch plan of a task bind their
defaults (flytekit's `create_and_link_node`), so that a container is given them like any other, converted by their
types; a call in a local run leaves them to the function.
"""

from __future__ import annotations

import contextlib
from typing import Any

from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.type_engine import TypeEngine, UnionTransformer
from flytekit.models.literals import LiteralMap


def add_default_inputs(task: Any, inputs: LiteralMap) -> LiteralMap:
    """The inputs of a call, with the defaults of those that are not there.

    A default that its type does not take, which flytekit refuses when it compiles a workflow, is left to the function.
    """
    context = FlyteContextManager.current_context()
    interface = task.python_interface
    found = {}
    for name, (kind, value) in interface.inputs_with_defaults.items():
        if name in inputs.literals or (value is None and not UnionTransformer.is_optional_type(kind)):
            continue
        with contextlib.suppress(Exception):
            found[name] = TypeEngine.to_literal(context, value, kind, task.interface.inputs[name].type)
    return LiteralMap({**inputs.literals, **found}) if found else inputs
