"""The kinds of cases about names, paths and environment: propeller's part."""

from __future__ import annotations

import hashlib
from typing import Any

from flyteidl.core import identifier_pb2, tasks_pb2

from flytekitplugins.awsbatch.propeller.aws_array.environment import (
    array_batch_environment,
    array_environment,
    pod_environment,
)
from flytekitplugins.awsbatch.propeller.aws_array.job_config import job_config
from flytekitplugins.awsbatch.propeller.aws_array.task_context import TaskContext
from flytekitplugins.awsbatch.propeller.node import names, paths
from flytekitplugins.awsbatch.propeller.node.node_request import ExecutionId, ParentNode
from flytekitplugins.awsbatch.propeller.propeller_settings import (
    AwsPluginSettings,
    BatchPluginSettings,
    HandlerSettings,
)
from flytekitplugins.awsbatch.propeller.storage import StorageError, join_storage_url, storage_checkpoint_prefix
from flytekitplugins.awsbatch.wire import INDEX_LOOKUP_FILE

from .queue_cases import kind


@kind("generated_name")
def generated_name(case: dict[str, Any]) -> dict[str, Any]:
    parents = [ParentNode(parent["node"], parent["attempt"]) for parent in case["parents"]]
    # With the oldest event version Flyte does not track the lineage; here it is always the newest.
    unique = case["node"] if case["event_version"] == 0 else names.propeller_unique_node_id(parents, case["node"])
    try:
        name = names.propeller_generated_name(
            case["execution"], unique, case["attempt"], case.get("max_length", names.GENERATED_NAME_LENGTH)
        )
    except names.NameTooShortError as error:
        return {"error": str(error), "generated_name": error.name, "unique_node_id": unique}
    answer = {
        "error": None,
        "unique_node_id": unique,
        "generated_name": name,
        "raw_output_prefix": paths.node_raw_output_prefix(join_storage_url, case["raw_prefix"], name),
    }
    if case.get("with") is not None:
        try:
            answer |= {"name_with": _name_with(name, *case["with"]), "name_with_error": None}
        except names.NameTooShortError as error:
            answer |= {"name_with": error.name, "name_with_error": str(error)}
    return answer


def _name_with(name: str, minimum: int, maximum: int) -> str:
    """The name in other bounds: padded with zeros, or hashed (`GetGeneratedNameWith`). Lengths in bytes."""
    size = len(name.encode("utf-8"))
    if size < minimum:
        return name + "0" * (minimum - size)
    return names.fixed_length_id(name, maximum) if size > maximum else name


@kind("fixed_length_id")
def fixed_length_id(case: dict[str, Any]) -> dict[str, Any]:
    try:
        unique = names.fixed_length_id_for_parts(case["parts"], case["max_length"], bits=case.get("bits") or 32)
    except names.NameTooShortError as error:
        return {"error": str(error), "unique_id": error.name}
    return {"error": None, "unique_id": unique}


@kind("raw_output_prefix")
def raw_output_prefix(case: dict[str, Any]) -> dict[str, Any]:
    base, mode = case["base"], case.get("mode")
    answer: dict[str, Any] = {"error": None}
    try:
        if mode in ("deterministic", "sharded_deterministic"):
            # The strategies that hash the metadata prefix (`New[Sharded]Deterministic...RawOutputPath`).
            metadata = case["metadata_prefix"]
            digest = hashlib.sha1(metadata.encode("utf-8"), usedforsecurity=False).hexdigest()
            prefix = join_storage_url(
                base, *([paths.node_path_shard(metadata)] if mode == "sharded_deterministic" else []), digest
            )
        elif mode == "task_id":
            parts = [case["project"], case["domain"], case["execution"], case["node"], str(case["attempt"])]
            prefix = join_storage_url(base, *parts, case["task"])
        else:
            answer["shard"] = paths.node_path_shard(case["unique_id"])
            prefix = paths.node_raw_output_prefix(join_storage_url, base, case["unique_id"])
        return {
            **answer,
            "raw_output_prefix": prefix,
            "checkpoint": storage_checkpoint_prefix(join_storage_url, prefix),
        }
    except StorageError as error:
        return {**answer, "error": str(error)}


@kind("node_paths")
def node_paths(case: dict[str, Any]) -> dict[str, Any]:
    execution = ExecutionId(case["project"], case["domain"], case["execution"])
    chain = [ParentNode(node["node"], node["attempt"]) for node in case["chain"]]
    levels = []
    workflow = paths.node_path_of_execution(join_storage_url, case["base"], execution)
    for depth, node in enumerate(chain):
        data, outputs = paths.node_paths(join_storage_url, workflow, chain[:depth], node.node_id, node.attempt)
        levels.append(
            {
                "data_dir": data,
                "input_prefix": data,
                "inputs": join_storage_url(data, "inputs.pb"),
                "task_template": join_storage_url(data, "task.pb"),
                "output_dir": outputs,
                "outputs": join_storage_url(outputs, "outputs.pb"),
                "error_file": join_storage_url(outputs, "error.pb"),
                "futures": join_storage_url(outputs, "futures.pb"),
                "deck": join_storage_url(outputs, "deck.html"),
            }
        )
    return {"error": None, "workflow_dir": workflow, "levels": levels}


@kind("array_paths")
def array_paths(case: dict[str, Any]) -> dict[str, Any]:
    children = []
    for index in range(case["size"]):
        prefix = join_storage_url(case["output_prefix"], str(index))
        children.append(
            {
                "outputs": join_storage_url(prefix, "outputs.pb"),
                "error_file": join_storage_url(prefix, "error.pb"),
                "raw_output_prefix": join_storage_url(case["raw_prefix"], str(index)),
            }
        )
    return {
        "error": None,
        "children": children,
        "index_lookup": join_storage_url(case["output_prefix"], INDEX_LOOKUP_FILE),
    }


@kind("exec_env")
def exec_env(case: dict[str, Any]) -> dict[str, Any]:
    workflow = case.get("workflow")
    container = [{"key": key, "value": value} for key, value in case.get("container_env") or []]
    context = TaskContext(
        template=tasks_pb2.TaskTemplate(container=tasks_pb2.Container(env=container)),
        name="",
        project=case["project"],
        domain=case["domain"],
        execution=case["execution"],
        attempt=case["attempt"],
        input_prefix="",
        output_prefix="",
        raw_output_prefix="",
        task_path="",
        task_id=identifier_pb2.Identifier(**case["task"]) if case.get("task") else None,
        workflow=":".join(workflow) if workflow else "",
    )
    plugin = BatchPluginSettings(default_env_vars=dict(case.get("batch_default_env") or {}))
    settings = HandlerSettings(aws=AwsPluginSettings(batch=plugin))
    batch = array_batch_environment(context, settings, {})
    size = None
    if case.get("array_size") is not None:
        batch, size = array_environment(batch, case["array_size"])
    return {
        "pod": [list(pair) for pair in _with_console_page(pod_environment(context, settings, {}), case)],
        "batch": [list(pair) for pair in batch],
        "array_properties_size": size,
    }


def _with_console_page(pairs: list[tuple[str, str]], case: dict[str, Any]) -> list[tuple[str, str]]:
    """Pods also get the address of the execution's page, which AWS Batch jobs do not."""
    if not case.get("console_url"):
        return pairs
    page = (
        f"{case['console_url'].rstrip('/')}/projects/{case['project']}/domains/{case['domain']}"
        f"/executions/{case['execution']}/nodeId/{case['unique_node_id']}/nodes"
    )
    place = [name for name, _ in pairs].index("FLYTE_ATTEMPT_NUMBER") + 1
    return [*pairs[:place], ("FLYTE_EXECUTION_URL", page), *pairs[place:]]


@kind("handler_queue")
def handler_queue(case: dict[str, Any]) -> dict[str, Any]:
    pairs = [(key, value) for key, value in case["task"].get("config") or []]
    config = job_config(pairs, case.get("node_config") or {})
    error = None if config.dynamic else "[BadTaskSpecification] config[dynamic_queue] is missing"
    return {"dynamic": config.dynamic, "primary": config.primary, "error": error}
