"""One task as the checks look at it: what the user wrote, and what goes on the wire for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flyteidl.core.tasks_pb2 import Container
from flytekit.configuration import SerializationSettings
from flytekit.core.base_task import TaskMetadata
from flytekit.core.legacy_map_task import MapPythonTask
from flytekit.core.node import Node
from flytekit.models.task import Container as TaskContainer
from flytekit.tools.translator import prefix_with_fast_execute

from ..sdk.task_config import AWSBatchConfig
from .findings import codes_ignored_for
from .lint_settings import LintSettings
from .program import program_calls_of


@dataclass(frozen=True)
class LintSubject:
    """
    :param task: the entity: a task, or a map task.
    :param inner: the task whose function runs; `task` itself unless that is a map.
    :param container: as it is sent, with the prefix of fast registration.
    :param custom: as it is sent.
    :param calls: the nodes that call it, as far as workflows were compiled.
    """

    task: Any
    inner: Any
    container: Container
    custom: dict[str, Any]
    calls: tuple[Node, ...]
    serialization: SerializationSettings
    settings: LintSettings

    @classmethod
    def of(
        cls, task: Any, serialization: SerializationSettings, container: TaskContainer, settings: LintSettings
    ) -> LintSubject:
        """:param container: what the task gives flytekit, which for a fast registration puts a prefix before it."""
        inner = task.run_task if isinstance(task, MapPythonTask) else task
        custom = task.get_custom(serialization) or {}
        sent = container.to_flyte_idl()
        if serialization.should_fast_serialize():
            sent.args[:] = prefix_with_fast_execute(serialization, container.args)
        return cls(task, inner, sent, custom, program_calls_of(task), serialization, settings)

    @property
    def name(self) -> str:
        return str(self.task.name)

    @property
    def is_array(self) -> bool:
        return isinstance(self.task, MapPythonTask)

    @property
    def is_borrowed(self) -> bool:
        """Whether the container starts something else than this task: papermill's NotebookTask keeps a task of ours for
        its config and has it make the container, with loader arguments of its own."""
        resolver = self.inner.task_resolver
        # The class's own method: while it borrows, NotebookTask puts another one on the instance.
        own: list[str] = type(resolver).loader_args(resolver, self.serialization, self.inner)
        return list(self.container.args[-len(own) :]) != own

    @property
    def metadata(self) -> TaskMetadata:
        return self.task.metadata

    @property
    def config(self) -> AWSBatchConfig | None:
        config = self.inner.task_config
        return config if isinstance(config, AWSBatchConfig) else None

    @property
    def ignored(self) -> frozenset[str]:
        """Codes that the settings, the task or the map say are fine."""
        return self.settings.ignore | codes_ignored_for(self.task, self.inner)
