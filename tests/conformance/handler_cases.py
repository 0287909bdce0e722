"""Runs the handler's cases: builds the context that a case describes, steps the handler as the recording did, and
compares what came out with what Flyte's handler did."""

from __future__ import annotations

import base64
import copy
import json
import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

from flyteidl.core import errors_pb2, identifier_pb2, literals_pb2, tasks_pb2
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError, Message
from in_memory import LaggingServices, MemoryStore

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.propeller.aws_array import handler
from flytekitplugins.awsbatch.propeller.aws_array.definition_cache import definition_key
from flytekitplugins.awsbatch.propeller.aws_array.handler_errors import HandlerError, PanicError, ParameterError
from flytekitplugins.awsbatch.propeller.aws_array.item_cache import cached_item_interface
from flytekitplugins.awsbatch.propeller.aws_array.item_inputs import inputs_of_item
from flytekitplugins.awsbatch.propeller.aws_array.phases import Phase, TaskPhase
from flytekitplugins.awsbatch.propeller.aws_array.plugin_state import State, TaskError
from flytekitplugins.awsbatch.propeller.aws_array.requirements import ResourceRequirements
from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.aws_array.task_context import TaskContext
from flytekitplugins.awsbatch.propeller.aws_array.transition import Step
from flytekitplugins.awsbatch.propeller.catalog import CatalogError, CatalogKey, StoredCatalog
from flytekitplugins.awsbatch.propeller.node.names import fixed_length_id_for_parts
from flytekitplugins.awsbatch.propeller.node.paths import node_raw_output_prefix
from flytekitplugins.awsbatch.propeller.propeller_settings import (
    AwsPluginSettings,
    BatchPluginSettings,
    CatalogCacheSettings,
    FidelitySettings,
    HandlerSettings,
    JobStoreSettings,
    K8sPluginSettings,
    WorkQueueSettings,
)
from flytekitplugins.awsbatch.propeller.storage import StorageError, join_storage_url

from .report import Outcome, differences
from .scripted_aws import ScriptedAws

ERRORS_IN_A_ROW = 5
UNCHANGED_ROUNDS = 4
NAME_LENGTH = 50

# What the README of the cases says not to compare.
_NOT_COMPARED = ("rounds_run", "steps_used", "enqueued_owners", "catalog_gets")
_NOT_COMPARED_IN_ROUNDS = ("round", "step")

_MESSAGES: dict[str, type[Message]] = {
    "outputs.pb": literals_pb2.LiteralMap,
    "inputs.pb": literals_pb2.LiteralMap,
    "error.pb": errors_pb2.ErrorDocument,
    "indexlookup.pb": literals_pb2.LiteralCollection,
    "task.pb": tasks_pb2.TaskTemplate,
}


class ScriptedCatalog(StoredCatalog):
    """The catalog's server side: what is stored beforehand, and what is put."""

    at_once = 1

    def __init__(self, case: dict[str, Any]) -> None:
        script = case.get("catalog") or {}
        self._lookup_error = bool(script.get("lookup_error"))
        self._put_error = bool(script.get("put_error"))
        self._entries: dict[str, literals_pb2.LiteralMap] = {}
        self.puts: list[dict[str, Any]] = []

    def store(self, key: CatalogKey, outputs: literals_pb2.LiteralMap) -> None:
        # Without a cache version there is no key, and nothing can be found.
        with suppress(CatalogError):
            self._entries[key.text()] = outputs

    def get(self, key: CatalogKey) -> literals_pb2.LiteralMap | None:
        if self._lookup_error:
            raise CatalogError("lookup failed")
        return self._entries.get(key.text())

    def put(self, key: CatalogKey, outputs: literals_pb2.LiteralMap) -> None:
        if self._put_error:
            raise CatalogError("put failed")
        self._entries[key.text()] = outputs
        self.puts.append(
            {
                "cache_version": key.cache_version,
                "ignore_input_vars": list(key.ignored_inputs),
                "inputs": MessageToDict(key.inputs),
                "interface_outputs": MessageToDict(key.interface.outputs),
                "outputs": MessageToDict(outputs),
            }
        )

    def clear(self) -> None:
        self._entries.clear()


class CaseRun:
    """One case, from its description to a result of the recording's shape."""

    def __init__(self, case: dict[str, Any], *, fidelity: str = "strict") -> None:
        self.case = case
        self.aws = ScriptedAws(case)
        self.store = MemoryStore()
        self.catalog = ScriptedCatalog(case)
        self.context = build_context(case)
        services = LaggingServices if case.get("async") == "lag" else HandlerServices
        self.services = services(self.aws, self.store, self.catalog, build_settings(case, fidelity))
        self.state = State()
        self.timeline = case.get("timeline") or []
        self.current = 0
        self.handed_over = False
        self.deviations: list[str] = []
        self.rounds: list[dict[str, Any]] = []
        self.flags: dict[str, Any] = {"nonterminating": False, "error_loop": False, "aborted": False}
        self.number = 0
        self._last: dict[str, Any] | None = None
        self._errors = self._unchanged = 0
        self._write_inputs()
        self._fill_catalog()
        for known in case.get("known_definitions") or []:
            self.services.definitions.put(
                definition_key(known.get("image", ""), known.get("role", ""), known.get("platform", "")), known["arn"]
            )

    def run(self) -> dict[str, Any]:
        while self.next_round():
            pass
        return self.result()

    def taken_up(self, state: State) -> CaseRun:
        """The same world as a new process finds it: with a state that was saved, and every cache empty."""
        again = copy.copy(self)
        again.aws, again.catalog, again.store = copy.deepcopy(self.aws), copy.deepcopy(self.catalog), MemoryStore()
        again.store.files = dict(self.store.files)
        again.rounds, again.flags, again.deviations = list(self.rounds), dict(self.flags), list(self.deviations)
        again.services = replace(self.services, batch=again.aws, store=again.store, catalog=again.catalog)
        again.state = state
        return again

    def next_round(self) -> bool:
        """One round; False when it was the last."""
        case = self.case
        self.number += 1
        if self.number > case.get("max_rounds", 60 + len(self.timeline)):
            return False
        if case.get("restart_at_round") == self.number:
            self.services = replace(self.services)
        self._advance()
        try:
            record = self._round(lost=case.get("lose_state_at_round") == self.number)
        except PanicError as panic:
            self.flags["panic"] = str(panic)
            return False
        changed = record != self._last
        if changed:
            self.rounds.append({"round": self.number, "step": self.current, **record})
        self._last = record
        if case.get("abort_at_round") == self.number:
            self._abort()
            return False
        if record["transition"] and record["transition"]["phase"] in TERMINAL:
            return False
        return not (self._errors_in_a_row(record) or self._stands_still(record, changed))

    def _errors_in_a_row(self, record: dict[str, Any]) -> bool:
        self._errors = self._errors + 1 if record["error"] is not None else 0
        self.flags["error_loop"] = self._errors == ERRORS_IN_A_ROW
        return bool(self.flags["error_loop"])

    def _stands_still(self, record: dict[str, Any], changed: bool) -> bool:
        still = self.current == len(self.timeline) and not changed and record["error"] is None
        self._unchanged = self._unchanged + 1 if still else 0
        self.flags["nonterminating"] = self._unchanged == UNCHANGED_ROUNDS
        return bool(self.flags["nonterminating"])

    def _advance(self) -> None:
        """The next step of the script, and one refresh, once the job is watched."""
        job = self.services.jobs.get(self.context.name)
        if self.state.phase is not Phase.CHECKING_SUBTASKS or job is None:
            return
        if self.current < len(self.timeline):
            self.current += 1
            step = self.timeline[self.current - 1]
            self.aws.enter(step)
            write_files(self.store, self.context.output_prefix, step.get("files") or {})
        if self.services.jobs.settled(self.context.name):
            return
        self.aws.begin_refresh()
        # A throttled call is logged and tried again in the next refresh.
        with suppress(BatchError):
            self.services.jobs.refresh(self.context.name)
        self.aws.end_refresh()

    def _round(self, *, lost: bool) -> dict[str, Any]:
        try:
            step = handler.handler_step(self.state, self.context, self.services)
        except ParameterError as error:
            self.aws.refused(dict(error.request), str(error))
            return {**state_record(self.state), "transition": None, "error": str(error)}
        except (HandlerError, BatchError, StorageError) as error:
            return {**state_record(self.state), "transition": None, "error": str(error)}
        self.handed_over = self.handed_over or step.outputs_ready
        self.deviations += step.deviations
        if not lost:
            self.state = step.state
        return {**state_record(step.state), "transition": transition_record(step), "error": None}

    def _abort(self) -> None:
        self.flags["aborted"] = True
        try:
            handler.terminate_by_handler(self.state, self.services, handler.ABORTED)
        except BatchError as error:
            self.flags["abort_error"] = str(error)

    def result(self) -> dict[str, Any]:
        requests = list(self.aws.requests)
        try:
            handler.terminate_by_handler(self.state, self.services, handler.FINALIZED)
        except BatchError as error:
            self.flags["finalize_error"] = str(error)
        reader = None
        if self.handed_over:
            prefix = self.context.output_prefix
            reader = {
                "exists": self.store.exists(join_storage_url(prefix, "outputs.pb")),
                "is_error": self.store.exists(join_storage_url(prefix, "error.pb")),
            }
        return {
            "name": self.case["name"],
            "generated_name": self.context.name,
            "raw_output_prefix": self.context.raw_output_prefix,
            "rounds": self.rounds,
            "requests": requests,
            "finalize": self.aws.requests[len(requests) :],
            "describe_chunks": self.aws.describe_chunks,
            "describe_counts": self.aws.describe_counts,
            "output_reader": reader,
            "files": read_files(self.store, self.context),
            "catalog_puts": sorted(self.catalog.puts, key=lambda put: json.dumps(put, sort_keys=True)),
            **self.flags,
        }

    def _write_inputs(self) -> None:
        prefix = self.context.input_prefix
        if "inputs" in self.case:
            write_files(self.store, prefix, {"inputs.pb": self.case["inputs"]})
        for index, inputs in (self.case.get("item_inputs") or {}).items():
            write_files(self.store, prefix, {f"{index}/inputs.pb": inputs})
        write_files(self.store, self.context.output_prefix, self.case.get("initial_files") or {})

    def _fill_catalog(self) -> None:
        for index, outputs in ((self.case.get("catalog") or {}).get("cached") or {}).items():
            # An item without inputs has no key, and nothing can be found.
            with suppress(HandlerError):
                self.catalog.store(self._put_key(int(index)), ParseDict(outputs, literals_pb2.LiteralMap()))

    def _put_key(self, index: int) -> CatalogKey:
        """The key under which an earlier execution stored this item."""
        template = self.context.template
        interface = cached_item_interface(self.context)
        readers = list(inputs_of_item(self.context, self.services, index + 1))
        inputs = readers[index]() if interface.HasField("inputs") else literals_pb2.LiteralMap()
        return CatalogKey(
            template.id,
            template.metadata.discovery_version,
            interface,
            inputs,
            tuple(template.metadata.cache_ignore_input_vars),
        )


TERMINAL = {phase.flyte_name for phase in TaskPhase if phase.terminal}


def build_settings(case: dict[str, Any], fidelity: str) -> HandlerSettings:
    plugin, k8s = case.get("plugin_config") or {}, case.get("k8s_config") or {}
    defaults = BatchPluginSettings()
    most = (case.get("catalog") or {}).get("max_items", 10000)
    k8s_defaults = K8sPluginSettings()
    return HandlerSettings(
        aws=AwsPluginSettings(
            account_id=(case.get("aws") or {}).get("account_id", "123456789012"),
            batch=BatchPluginSettings(
                role_annotation_key=plugin.get("roleAnnotationKey", ""),
                max_array_job_size=plugin.get("maxArrayJobSize", defaults.max_array_job_size),
                min_retries=plugin.get("minRetries", defaults.min_retries),
                max_retries=plugin.get("maxRetries", defaults.max_retries),
                default_timeout=f"{plugin.get('defaultTimeout', 259200)}s",
                default_env_vars=plugin.get("defaultEnvVars", {}),
                max_err_length=plugin.get("maxErrLength", defaults.max_err_length),
                job_store_config=JobStoreSettings(batch_chunk_size=plugin.get("batchChunkSize", 100)),
            ),
        ),
        k8s=K8sPluginSettings(
            default_cpus=k8s.get("default_cpu", k8s_defaults.default_cpus),
            default_memory=k8s.get("default_memory", k8s_defaults.default_memory),
            default_env_vars=k8s.get("default_env_vars", {}),
        ),
        catalog_cache=CatalogCacheSettings(WorkQueueSettings(most), WorkQueueSettings(most)),
        emulation=FidelitySettings(fidelity=fidelity),
    )


def build_context(case: dict[str, Any]) -> TaskContext:
    metadata = case.get("metadata") or {}
    template = ParseDict(case["task_template"], tasks_pb2.TaskTemplate(), ignore_unknown_fields=True)
    execution = metadata.get("exec_id") or {"project": "proj", "domain": "development", "name": "exec1"}
    attempt = metadata.get("retry_attempt", 0)
    input_prefix = case.get("input_prefix", "s3://bucket/meta/proj-development-exec1/n0/data")
    name = metadata.get("generated_name")
    if "name_parts" in metadata:
        name = fixed_length_id_for_parts(metadata["name_parts"], NAME_LENGTH)
    elif name is None:
        name = f"{execution.get('name', '')}-{metadata.get('node_id', 'n0')}-{attempt}"
    raw_prefix = case.get("raw_output_prefix", "s3://bucket/raw/ab/exec1-n0-0")
    if "raw_output_base" in case:
        raw_prefix = node_raw_output_prefix(join_storage_url, case["raw_output_base"], name)
    return TaskContext(
        template=template,
        name=name,
        project=execution.get("project", ""),
        domain=execution.get("domain", ""),
        execution=execution.get("name", ""),
        attempt=attempt,
        input_prefix=input_prefix,
        output_prefix=case.get("output_prefix", f"{input_prefix}/{attempt}"),
        raw_output_prefix=raw_prefix,
        task_path=join_storage_url(input_prefix, "task.pb"),
        task_id=_task_id(metadata),
        workflow=metadata.get("workflow_id", ""),
        namespace=metadata.get("namespace", "proj-development"),
        previous_checkpoint=case.get("previous_checkpoint", ""),
        iam_role=None if metadata.get("no_run_as") else metadata.get("iam_role", ""),
        annotations=metadata.get("annotations") or {},
        overrides_config=metadata.get("overrides_config") or {},
        override_resources=_requirements(metadata.get("override_resources")),
        platform_resources=_requirements(metadata.get("platform_resources")),
    )


def _task_id(metadata: dict[str, Any]) -> identifier_pb2.Identifier | None:
    given = metadata.get("task_id", {"project": "proj", "domain": "development", "name": "my.task", "version": "v1"})
    return None if given is None else ParseDict(given, identifier_pb2.Identifier())


def _requirements(given: dict[str, Any] | None) -> ResourceRequirements | None:
    if given is None:
        return None
    return ResourceRequirements(
        **{
            part: {name: str(value) for name, value in (given.get(part) or {}).items()}
            for part in ("requests", "limits")
        }
    )


def write_files(store: MemoryStore, prefix: str, files: dict[str, Any]) -> None:
    for name, content in files.items():
        if isinstance(content, str):
            data = content.encode("utf-8")
        else:
            message = ParseDict(content, _MESSAGES[name.rsplit("/", 1)[-1]](), ignore_unknown_fields=True)
            data = message.SerializeToString(deterministic=True)
        store.write_file(join_storage_url(prefix, name), data)


def read_files(store: MemoryStore, context: TaskContext) -> dict[str, Any]:
    """All files but the given inputs, by their names below the output prefix."""
    base = context.output_prefix.rstrip("/") + "/"
    found = {}
    for reference in store:
        if reference.endswith("/inputs.pb") and not reference.startswith(base):
            continue
        data = store.read_file(reference)
        try:
            content = MessageToDict(_MESSAGES[reference.rsplit("/", 1)[-1]].FromString(data))
        except (KeyError, DecodeError):
            content = {"base64": base64.b64encode(data).decode()}
        found[reference.removeprefix(base)] = content
    return found


def state_record(state: State) -> dict[str, Any]:
    return {
        "state_phase": state.phase.flyte_name,
        "state_version": state.version,
        "reason": state.reason,
        "execution_array_size": state.execution_size,
        "original_array_size": state.original_size,
        "min_successes": state.min_successes,
        "detailed_phases": [TaskPhase(phase).flyte_name for phase in state.detailed.items],
        "summary": {phase.flyte_name: count for phase, count in state.summary.items()},
        "retry_attempts": list(state.retry_attempts.items),
        "indexes_to_cache": list(state.indexes_to_run or ()),
        "job_definition_arn": state.definition_arn,
        "external_job_id": state.external_job_id,
        "execution_error": error_record(state.error),
    }


def error_record(error: TaskError | None) -> dict[str, Any] | None:
    return None if error is None else {"code": error.code, "message": error.message, "kind": error.kind}


def transition_record(step: Step) -> dict[str, Any]:
    told = step.transition
    return {
        "phase": told.phase.flyte_name,
        "version": told.version,
        "reason": told.reason,
        "error": error_record(told.error),
        "logs": [{"name": link.name, "uri": link.uri} for link in told.logs],
        "external_resources": [
            {
                "external_id": resource.external_id,
                "index": resource.index,
                "phase": resource.phase.flyte_name,
                "cache_status": resource.cache_status.value,
                "retry_attempt": resource.retry_attempt,
                "logs": [{"name": link.name, "uri": link.uri} for link in resource.logs],
            }
            for resource in told.external_resources()
        ],
    }


# Texts of storage, JSON and the catalog's keys are not compared: they are cut where they begin.
_FOREIGN = [
    re.compile(r"(?s)(Skipping cache check due to err \[).*"),
    re.compile(r"(?s)(failed to read (?:data|error data)).*"),
    re.compile(r"(?s)(unable to read inputs).*"),
    re.compile(r"(?s)(Error enqueuing work items).*"),
    re.compile(r"(?s)(invalid TaskSpecification).*"),
    re.compile(r"(?s)(failed to unmarshal messagepack bytes).*"),
    re.compile(r"(?s)(Reference is of an invalid format).*"),
]


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what is not to be compared."""
    kept = {key: value for key, value in result.items() if key not in _NOT_COMPARED}
    kept["rounds"] = [
        {key: _comparable_value(key, value) for key, value in one.items() if key not in _NOT_COMPARED_IN_ROUNDS}
        for one in kept["rounds"]
    ]
    if "panic" in kept:
        kept["panic"] = True
    return kept


def _comparable_value(key: str, value: Any) -> Any:
    if key == "error" and value is not None:
        return _comparable_error(value)
    return _without_foreign_texts(value)


def _comparable_error(text: str) -> str:
    """The code and the handler's own words; of an error without a code only that there is one."""
    return str(_without_foreign_texts(text)) if text.startswith("[") else "some error"


def _without_foreign_texts(value: Any) -> Any:
    if isinstance(value, str):
        for pattern in _FOREIGN:
            value = pattern.sub(r"\1", value)
        return value
    if isinstance(value, dict):
        return {
            key: _without_foreign_texts(item) if key in ("message", "reason", "error") else item
            for key, item in value.items()
        }
    return value


def run_case(case: dict[str, Any], expected: dict[str, Any], *, fidelity: str = "strict") -> Outcome:
    """The mismatches of one case, and the deviations that were made in it."""
    run = CaseRun(case, fidelity=fidelity)
    got = run.run()
    mismatches = list(differences(comparable(expected), comparable(got)))
    return Outcome(mismatches, tuple(dict.fromkeys(run.deviations)))
