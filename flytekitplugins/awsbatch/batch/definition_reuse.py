"""Job definitions found again by what they say, over processes and days: AWS makes a revision of every registration
and keeps it.

Of several that say the same the oldest is taken, so that runs at the same time agree from the next one on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .api import BatchCalls, BatchError

# What DescribeJobDefinitions adds of its own, and tags, which change nothing for a job.
ADDED = {"jobDefinitionArn", "revision", "status", "containerOrchestrationType", "tags"}
# The defaults of fields that a definition may leave out.
SAYS_NOTHING: tuple[Any, ...] = ({}, [], "", None, False, {"platformVersion": "LATEST"})


class ReusedDefinitions(BatchCalls):
    """Passes every call on, but registers no job definition that is there already."""

    def __init__(self, batch: BatchCalls) -> None:
        self._batch = batch

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if operation == "RegisterJobDefinition":
            known = self._known(request)
            if known is not None:
                return {name: known[name] for name in ("jobDefinitionName", "jobDefinitionArn", "revision")}
        return self._batch.call(operation, request)

    def _known(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The oldest active definition that says the same; None where there is none, or nobody may look."""
        wanted = _definition_content(request)
        try:
            same = [one for one in self._active(request["jobDefinitionName"]) if _definition_content(one) == wanted]
        except BatchError as error:
            if error.transient:
                raise
            return None
        return min(same, key=lambda one: int(one["revision"]), default=None)

    def _active(self, name: str) -> Iterator[dict[str, Any]]:
        asked = {"jobDefinitionName": name, "status": "ACTIVE"}
        for page in self._batch.all_pages("DescribeJobDefinitions", asked):
            yield from page["jobDefinitions"]


def _definition_content(definition: Mapping[str, Any]) -> str:
    """What a definition says, in a form to compare: defaults, which AWS fills in, say nothing."""
    said = {name: value for name, value in definition.items() if name not in ADDED}
    return json.dumps(_without_empty(said), sort_keys=True)


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: inner for name, one in value.items() if (inner := _without_empty(one)) not in SAYS_NOTHING}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value
