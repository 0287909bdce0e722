"""Declares and maps a task of this package's own, once in an interpreter whose children import the user's module.

What flytekit and Python work out once in a process (regular expressions of docstring formats and of Python's tokens,
types' transformers) is then there for all children, and a quarter of what the import of a user's module costs them is
saved. Leaves nothing among flytekit's entities, and touches nothing of the user's.
"""

from __future__ import annotations

from flytekit import Resources, task
from flytekit.core.context_manager import FlyteEntities

from ...maptask import map_task
from ...task import AWSBatchConfig

_before = len(FlyteEntities.entities)


@task(task_config=AWSBatchConfig(), requests=Resources(cpu="1", mem="512Mi"))  # type: ignore[untyped-decorator]
def rehearsed(x: int) -> int:
    """A task whose docstring has what a user's may have.

    :param x: a number.
    """
    return x


rehearsed_for_all = map_task(rehearsed)

del FlyteEntities.entities[_before:]
