"""Declares a task of this package's own, maps it and runs it, some times over, in an interpreter before it forks the
children of arrays.

What flytekit and Python work out once in a process (regular expressions of docstring formats and of Python's tokens,
types' transformers) is then there for all children, and code that has run so often is specialised: it takes less
time, and writes less into pages that a child would have to copy. Leaves nothing among flytekit's entities, and touches
nothing of the user's.
"""

from __future__ import annotations

import dataclasses
import tempfile

from flyteidl.core.literals_pb2 import LiteralMap
from flytekit import Resources, task
from flytekit.core.context_manager import FlyteEntities
from flytekit.core.python_auto_container import default_task_resolver

from ...maptask import map_task
from ...task import AWSBatchConfig
from ..array_index import ChildIndex
from .array_context import ArrayContext
from .input_index import InputIndex
from .run_item import run_item

# Python 3.11 begins to specialise a function's code when it is called for the eighth time.
TIMES = 10


def _function(x: int) -> int:
    """A task with what a docstring may have.

    :param x: a number.
    """
    return x


_before = len(FlyteEntities.entities)
for _ in range(TIMES):
    rehearsed = task(task_config=AWSBatchConfig(), requests=Resources(cpu="1", mem="512Mi"))(_function)
    map_task(rehearsed)
del FlyteEntities.entities[_before:]


def rehearse(array: ArrayContext) -> None:
    """Runs the task as a child of an array runs its own, into a temporary folder."""
    inputs = LiteralMap()
    inputs.literals["x"].collection.literals.add().scalar.primitive.integer = 1
    index = InputIndex(inputs.SerializeToString(), ())
    words = ("vars", ",", "resolver", default_task_resolver.location, "task-module", __name__, "task-name", "rehearsed")
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(TIMES):
            child = dataclasses.replace(array.child, output_prefix=folder, resolver_args=words, _loaded={})
            run_item(dataclasses.replace(array, child=child, inputs=index, lookup=None), ChildIndex(0))
