"""Reads the parts of a task's metadata that count on AWS Batch. flytekit's own object is never changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flytekit.core.base_task import TaskMetadata
from google.protobuf.json_format import MessageToDict


def metadata_attempt_seconds(metadata: TaskMetadata) -> int:
    """The time limit of an attempt as the handler hands it to Batch: whole seconds, 0 for the platform's own limit
    (`toTimeout` in Flyte's `awsbatch/transformer.go`)."""
    timeout = metadata.timeout
    return int(timeout.total_seconds()) if isinstance(timeout, timedelta) else int(timeout or 0)


def metadata_on_the_wire(metadata: TaskMetadata) -> dict[str, Any]:
    """The part of a task's metadata that the user set, without flytekit's version and fields at their default.

    It is the same for every version of flytekit, which differ in the empty messages that they put in.
    """
    message = metadata.to_taskmetadata_model().to_flyte_idl()
    message.ClearField("runtime")
    if not message.generates_deck.value:
        message.ClearField("generates_deck")
    found: dict[str, Any] = _without_empty(MessageToDict(message))
    return found


def _without_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {name: _without_empty(one) for name, one in value.items()}
    return {name: one for name, one in kept.items() if one != {}}
