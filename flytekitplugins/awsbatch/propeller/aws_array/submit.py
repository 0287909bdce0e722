"""The third step: one SubmitJob request for the whole array (`awsbatch/{launcher,transformer}.go`)."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

from flyteidl.core import literals_pb2

from ...wire import ARRAY_TASK_TYPE, DYNAMIC_QUEUE, INPUTS_FILE, SINGLE_TASK_TYPE
from ..storage import StorageError, read_stored_message, storage_checkpoint_prefix, write_stored_message
from .command_template import Parameters, render_command
from .compact_array import CompactArray
from .environment import array_batch_environment, array_environment
from .handler_errors import BAD_TASK_SPECIFICATION, HandlerError
from .job_config import job_config
from .job_resources import job_resources
from .phases import Phase, TaskPhase
from .plugin_state import State
from .retry_strategy import retry_strategy_attempts, retry_strategy_timeout
from .services import HandlerServices
from .submit_input import check_submit_input, read_submit_custom
from .task_context import TaskContext

# AWS Batch's own limit.
MOST_TAGS = 50


def submit_batch_job(state: State, context: TaskContext, services: HandlerServices) -> State:
    """PhaseLaunch -> PhaseCheckingSubTaskExecutions.

    :raises HandlerError: the template cannot become a request. BatchError, StorageError.
    """
    if not state.definition_arn:
        raise HandlerError("", "system error; no job definition created")
    size = state.execution_size
    request = submit_request(context, services, state.definition_arn, size)
    job_id = _submit(context, services, request)
    return state.to(
        Phase.CHECKING_SUBTASKS,
        state.version + 1,
        "Successfully launched subtasks.",
        detailed=CompactArray.zeros(size, max(TaskPhase)),
        summary={TaskPhase.QUEUED: size},
        retry_attempts=CompactArray.zeros(size, services.settings.batch.max_retries),
        external_job_id=job_id,
    )


def _submit(context: TaskContext, services: HandlerServices, request: dict[str, Any]) -> str:
    # If the store knows a job of this name, Flyte takes it for this one.
    known = services.jobs.get(context.name)
    if known is not None:
        return known.id
    check_submit_input(request)
    return str(services.batch.submit_job(**request)["jobId"])


def submit_request(context: TaskContext, services: HandlerServices, definition: str, size: int) -> dict[str, Any]:
    """The SubmitJob request, by boto3's names: what custom says, under what the handler itself sets."""
    template, settings = context.template, services.settings
    if not template.HasField("container"):
        raise HandlerError(BAD_TASK_SPECIFICATION, "Required value not set, taskTemplate Container")
    config = [(pair.key, pair.value) for pair in template.container.config]
    queue = job_config(config, context.overrides_config).dynamic
    if not queue:
        raise HandlerError(BAD_TASK_SPECIFICATION, f"config[{DYNAMIC_QUEUE}] is missing")
    parameters = _parameters(context, services)
    command = [
        *render_command(template.container.command, parameters),
        *render_command(template.container.args, parameters),
    ]
    environment = array_batch_environment(context, settings, os.environ)
    resources = job_resources(
        template.container.resources, context.override_resources, context.platform_resources, settings.k8s
    )
    request = read_submit_custom(template.custom) if template.HasField("custom") else {}
    request.update(jobName=context.name, jobDefinition=definition, jobQueue=queue)
    if template.type == ARRAY_TASK_TYPE:
        environment, array_size = array_environment(environment, size)
        _set(request, "arrayProperties", None if array_size is None else {"size": array_size})
    request["containerOverrides"] = {
        "command": command,
        "environment": [{"name": name, "value": value} for name, value in environment],
        "memory": resources.memory,
        "vcpus": resources.vcpus,
    }
    tries = retry_strategy_attempts(template, settings.batch)
    _set(request, "retryStrategy", None if tries is None else {"attempts": tries})
    seconds = retry_strategy_timeout(template, settings.batch.default_timeout_seconds)
    _set(request, "timeout", None if seconds is None else {"attemptDurationSeconds": seconds})
    if context.job_tags:
        request["tags"] = _with_room(request.get("tags") or {}, context.job_tags)
    return request


def _with_room(tags: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    """The tags of the task, and what there is room for of the others."""
    free = max(MOST_TAGS - len(tags), 0)
    others = [(name, value) for name, value in more.items() if name not in tags]
    return {**tags, **dict(others[:free])}


def _set(request: dict[str, Any], name: str, value: dict[str, int] | None) -> None:
    if value is None:
        request.pop(name, None)
    else:
        request[name] = value


def _parameters(context: TaskContext, services: HandlerServices) -> Parameters:
    store = services.store

    def join(base: str, *keys: str) -> str:
        # Flyte logs that a path cannot be made, and goes on with none (`ioutils/paths.go`).
        try:
            return store.join(base, *keys)
        except StorageError:
            return ""

    inputs_path = join(context.input_prefix, INPUTS_FILE)

    @functools.cache
    def inputs() -> literals_pb2.LiteralMap:
        # Flyte reads them again for each word of the command.
        read = literals_pb2.LiteralMap()
        try:
            read_stored_message(store, inputs_path, read)
        except StorageError as error:
            raise HandlerError("", f"unable to read inputs: {error}") from None
        return read

    def task_path() -> str:
        write_stored_message(store, context.task_path, context.template)
        return context.task_path

    # Arrays of version 0 are pointed at the folder, where each item has inputs of its own.
    whole_folder = context.template.task_type_version == 0 and context.template.type != SINGLE_TASK_TYPE
    return Parameters(
        context,
        input_path=context.input_prefix if whole_folder else inputs_path,
        checkpoint=storage_checkpoint_prefix(join, context.raw_output_prefix),
        inputs=inputs,
        task_path=task_path,
    )
