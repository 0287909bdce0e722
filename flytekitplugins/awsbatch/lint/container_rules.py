"""What goes wrong with the container of a job: its environment, its size, and whether it finds its task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flytekit.core.tracker import istestfunction

from ..wire import ARRAY_INDEX_OFFSET, ARRAY_INDEX_VAR_NAME, FAIL_ON_ERROR, FAKE_ARRAY_INDEX
from .loadable import why_not_loadable
from .subject import LintSubject

RESERVED = "AWS_BATCH"
OVERWRITTEN = (ARRAY_INDEX_VAR_NAME, ARRAY_INDEX_OFFSET, FAKE_ARRAY_INDEX, FAIL_ON_ERROR)
OVERWRITTEN_PREFIX = "FLYTE_INTERNAL_"
# AWS's page "Service quotas": what SubmitJob may hold in all, and its container overrides.
MAX_SUBMIT_BYTES = 30 * 1024
# Characters.
MAX_OVERRIDES = 8192
OVERRIDES_FAIL = 'fails the job without an attempt ("Container Overrides length must be at most 8192")'
# The least that Flyte adds to a job's environment: the execution's and the task's names.
FLYTE_ENVIRONMENT_BYTES = 700


def container_load_rule(subject: LintSubject) -> Iterator[str]:
    """A child imports a module and reads a name; both have to lead back to the task."""
    problem = why_not_loadable(subject.inner, subject.serialization)
    if problem and not _inside_a_test(subject.inner):
        yield problem


def _inside_a_test(task: Any) -> bool:
    """flytekit lets tests define tasks inside test functions, which are never sent to a cluster."""
    function = getattr(task, "task_function", None)
    return function is not None and istestfunction(function)


def reserved_environment_rule(subject: LintSubject) -> Iterator[str]:
    reserved = sorted(pair.key for pair in subject.container.env if pair.key.startswith(RESERVED))
    if reserved:
        yield (
            f"sets {', '.join(reserved)}. AWS Batch keeps names that begin with {RESERVED} for itself and refuses the "
            "job. Choose other names."
        )


def overwritten_environment_rule(subject: LintSubject) -> Iterator[str]:
    names = (pair.key for pair in subject.container.env)
    overwritten = sorted(name for name in names if name in OVERWRITTEN or name.startswith(OVERWRITTEN_PREFIX))
    if overwritten:
        yield (
            f"sets {', '.join(overwritten)}, which Flyte sets itself in every job: the values are lost or, for the "
            "array's index, make children take the wrong items. Choose other names."
        )


def container_size_rule(subject: LintSubject) -> Iterator[str]:
    """What is certain to be too large: the least that is sent, before paths are filled in."""
    container = subject.container
    command = [*container.command, *container.args]
    # The most that is certain of a command into which AWS Batch puts the parameters.
    for name, value in subject.custom.get("parameters", {}).items():
        command = [word.replace(f"Ref::{name}", str(value)) for word in command]
    environment = [{"name": pair.key, "value": pair.value} for pair in container.env]
    overrides = json.dumps({"command": command, "environment": environment}, ensure_ascii=False, separators=(",", ":"))
    least = len(overrides) + FLYTE_ENVIRONMENT_BYTES
    whole = least + len(json.dumps(subject.custom).encode())
    for found, limit, what, then in (
        (
            least,
            MAX_OVERRIDES,
            "Command, with its parameters, and environment have at least {} characters",
            OVERRIDES_FAIL,
        ),
        (whole, MAX_SUBMIT_BYTES, "The whole request has at least {} bytes", "refuses the request"),
    ):
        if found > limit:
            yield (
                f"asks for too much in one request. {what.format(found)}, AWS Batch takes {limit} and {then}. Put long"
                " values into a file or the image instead of the environment or the config."
            )
