"""A task mapped over lists: one array job on AWS Batch, serialised as `container_array` at version 1.

It says how a child is started; the child finds its item itself, and the handler decides how many there are
(`DetermineDiscoverability` in Flyte's `array/catalog.go`).
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flytekit.configuration import SerializationSettings
from flytekit.core.context_manager import FlyteContext
from flytekit.core.legacy_map_task import MapPythonTask
from flytekit.core.legacy_map_task import MapTaskResolver as LegacyMapTaskResolver
from flytekit.core.python_function_task import PythonFunctionTask, PythonInstanceTask
from flytekit.models.core.workflow import NodeMetadata
from flytekit.models.task import Container, K8sPod, Sql
from flytekit.tools.module_loader import load_object_from_module

from .sdk import raw_scheme  # noqa: F401 - jobs open their storage by it
from .sdk.emulated_calls import EmulatedCalls
from .sdk.map_settings import (
    checked_map_parallelism,
    checked_min_success_ratio,
    map_array_job,
    map_settings_name_suffix,
    refuse_map_options,
)
from .sdk.metadata import metadata_attempt_seconds, metadata_on_the_wire
from .sdk.refusals import refuse_unmapped_inputs, refuse_what_cannot_be_mapped
from .sdk.task_config import AWSBatchConfig, task_config_complaints
from .wire import MAP_EXECUTE_SCRIPT, PLATFORM_CAPABILITIES


def map_task(
    task: PythonFunctionTask[Any] | PythonInstanceTask[Any] | functools.partial[Any],
    concurrency: int | None = None,
    min_success_ratio: float | None = 1.0,
    **kwargs: Any,
) -> AWSBatchMapTask:
    """A task that runs `task` once for each item of its inputs, each time as a child of one array job on AWS Batch.

    Inputs bound by `functools.partial` are the same for all. Environment, image and resources are those of `task`.

    :param task: a task with AWSBatchConfig, or any other `@task`, with at most one output.
    :param concurrency: part of the template, but AWS Batch runs as many children as its compute environment holds.
    :param min_success_ratio: the part of the items, above 0 and at most 1, that has to succeed. Below 1 the output is a
        list of optional values, with None where an item failed.
    :param kwargs: `metadata` (retries, timeout, cache), `security_ctx`, `docs` and deck options; those of `task` count
        where they are absent. `lint_ignore`: codes of docs/reference/lint.md that are fine for this map.
    :raises AWSBatchTaskError: for a task that the handler could not map.
    """
    return AWSBatchMapTask(task, concurrency=concurrency, min_success_ratio=min_success_ratio, **kwargs)


class AWSBatchMapTask(EmulatedCalls, MapPythonTask):  # type: ignore[misc]
    """See map_task. A MapPythonTask, since flytekit's fast registration rewrites only the classes it knows."""

    _name: str

    def __init__(
        self,
        task: PythonFunctionTask[Any] | PythonInstanceTask[Any] | functools.partial[Any],
        concurrency: int | None = None,
        min_success_ratio: float | None = 1.0,
        bound_inputs: set[str] | None = None,
        lint_ignore: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_map_options(kwargs)
        self.lint_ignore = _checked_lint_ignore(lint_ignore)
        parallelism, ratio = checked_map_parallelism(concurrency), checked_min_success_ratio(min_success_ratio)
        inner: Any = task.func if isinstance(task, functools.partial) else task
        if isinstance(task, functools.partial) and task.args:
            raise ValueError(
                f"map_task: functools.partial binds {', '.join(map(repr, task.args))} by position, which flytekit "
                "drops. Name the input, as in functools.partial(f, y=1)."
            )
        if isinstance(task, functools.partial) and isinstance(inner, PythonFunctionTask | PythonInstanceTask):
            # flytekit refuses a list here too, and says nothing of what to do.
            refuse_what_cannot_be_mapped(inner, bound_inputs or set(task.keywords))
        changed = _changed_options(inner, kwargs)
        if "metadata" not in kwargs and getattr(inner, "metadata", None) is not None:
            # A copy: the translator notes decks in the metadata, and the two tasks may differ in that.
            kwargs["metadata"] = dataclasses.replace(inner.metadata, generates_deck=False)
        super().__init__(task, concurrency=parallelism, min_success_ratio=ratio, bound_inputs=bound_inputs, **kwargs)
        refuse_what_cannot_be_mapped(self.run_task, self.bound_inputs)
        self._name += map_settings_name_suffix(parallelism, ratio, changed)

    def get_command(self, settings: SerializationSettings) -> list[str]:
        resolver = MapTaskResolver()
        limit = metadata_attempt_seconds(self.metadata)
        return [
            MAP_EXECUTE_SCRIPT,
            "--inputs",
            "{{.input}}",
            "--output-prefix",
            "{{.outputPrefix}}",
            "--raw-output-data-prefix",
            "{{.rawOutputDataPrefix}}",
            "--checkpoint-path",
            "{{.checkpointOutputPrefix}}",
            "--prev-checkpoint",
            "{{.prevCheckpointPrefix}}",
            *(["--timeout", str(limit)] if limit else []),
            "--resolver",
            resolver.name(),
            "--",
            # SubmitJob takes no empty string in a command; a comma names no bound input either (`bound_names`).
            *(word or "," for word in resolver.loader_args(settings, self)),
        ]

    def local_execute(self, ctx: FlyteContext, **kwargs: Any) -> Any:
        _rich_traceback_omit = __tracebackhide__ = True
        # What is compiled is refused by flytekit; calls in a @dynamic task, say, are not compiled in a local run.
        refuse_unmapped_inputs(self.run_task, self.python_interface.inputs, kwargs)
        return super().local_execute(ctx, **kwargs)

    def construct_node_metadata(self) -> NodeMetadata:
        """Without the task's time limit, which the template has and which is one attempt's of one child. On the node it
        would be the whole array's, its time in the queue included, and end the node after twice that
        (`execute` in Flyte's `nodes/executor.go`)."""
        metadata: NodeMetadata = super().construct_node_metadata()
        metadata._timeout = timedelta()
        return metadata

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        """The map's settings together with the task's own SubmitJob fields: the handler reads both from here."""
        config = self.run_task.task_config
        fields = config.submit_job_fields() if isinstance(config, AWSBatchConfig) else {}
        return {**map_array_job(self._max_concurrency or 0, self._min_success_ratio or 1.0), **fields}

    def get_config(self, settings: SerializationSettings) -> dict[str, str]:
        inner: dict[str, str] = super().get_config(settings) or {}
        config = self.run_task.task_config
        own = {PLATFORM_CAPABILITIES: config.platformCapabilities} if isinstance(config, AWSBatchConfig) else {}
        return {**inner, **own}

    def get_container(self, settings: SerializationSettings) -> Container | None:
        container: Container | None = self._target().get_container(settings)
        if container is not None:
            from .lint.lint_warnings import lint_task

            lint_task(self, container, settings)
        return container

    def get_k8s_pod(self, settings: SerializationSettings) -> K8sPod | None:
        return self._target().get_k8s_pod(settings)

    def get_sql(self, settings: SerializationSettings) -> Sql | None:
        return self._target().get_sql(settings)

    def _target(self) -> Any:
        """The inner task with a child's command, as a copy: flytekit sets the command on the task itself for a moment,
        and a second thread that serialises it then (`@eager` runs start several) would take that for its own."""
        target = copy.copy(self.run_task)
        target.set_command_fn(self.get_command)
        return target


class MapTaskResolver(LegacyMapTaskResolver):  # type: ignore[misc]
    """Finds the map task again inside a child, from the inner task and the names of the bound inputs.

    Nothing else of the map is known there: what a child needs of its settings has to stand on its command line.
    """

    def name(self) -> str:
        return "flytekitplugins.awsbatch.maptask.MapTaskResolver"

    def load_task(self, loader_args: list[str], max_concurrency: int = 0) -> AWSBatchMapTask:
        """:param loader_args: `vars <names, with commas> resolver <a resolver> <that resolver's own arguments>`."""
        return AWSBatchMapTask(self.load_inner(loader_args), bound_inputs=bound_names(loader_args))

    def load_inner(self, loader_args: list[str]) -> Any:
        """The mapped task, which is all that a child runs."""
        _, _, _, resolver, *resolver_args = loader_args
        return load_object_from_module(resolver).load_task(loader_args=resolver_args)


def bound_names(loader_args: list[str]) -> set[str]:
    """The inputs that are the same for all children, from a child's loader arguments."""
    return {name for name in loader_args[1].split(",") if name}


def _checked_lint_ignore(codes: Sequence[str] | None) -> tuple[str, ...]:
    wrong = task_config_complaints(codes)
    if wrong:
        raise ValueError(f"map_task: {'; '.join(wrong)}")
    return tuple(codes or ())


def _changed_options(inner: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The options that make this map's template differ from what the inner task alone would give."""
    changed: dict[str, Any] = {}
    metadata = options.get("metadata")
    if metadata is not None and metadata_on_the_wire(metadata) != metadata_on_the_wire(inner.metadata):
        changed["metadata"] = metadata_on_the_wire(metadata)
    security = options.get("security_ctx")
    if security is not None and security != getattr(inner, "security_context", None):
        changed["security_ctx"] = security.to_flyte_idl().SerializeToString(deterministic=True).hex()
    if options.get("enable_deck"):
        changed["generatesDeck"] = True
    return changed
