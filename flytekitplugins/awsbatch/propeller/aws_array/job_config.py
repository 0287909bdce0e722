"""Which queue the handler submits to (`awsbatch/job_config.go`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ...wire import CHILD_QUEUE, DYNAMIC_QUEUE

PRIMARY_QUEUE = "primary_queue"


@dataclass(frozen=True)
class JobConfig:
    """`primary` is read and never used."""

    primary: str = ""
    dynamic: str = ""


def job_config(pairs: Iterable[tuple[str, str]], overrides: Mapping[str, str]) -> JobConfig:
    """The last of `dynamic_queue` and `child_queue`: of the container's config, then of the node's config map."""
    primary = dynamic = ""
    for key, value in [*pairs, *overrides.items()]:
        if key == PRIMARY_QUEUE:
            primary = value
        elif key in (CHILD_QUEUE, DYNAMIC_QUEUE):
            dynamic = value
    return JobConfig(primary, dynamic)
