"""What one attempt of a node hands to the handler: Flyte's `TaskExecutionContext`, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flyteidl.core import identifier_pb2, tasks_pb2

from .requirements import ResourceRequirements


@dataclass(frozen=True)
class TaskContext:
    """One attempt of a node.

    :param name: the generated name; also the Batch job's.
    :param task_id: None stands for a template without an id.
    :param workflow: `project:domain:name`, "" when not known.
    :param attempt: the node's attempt, from 0.
    :param iam_role: the security context's role; None: no security context.
    :param job_tags: the job's tags, where it has none of these names and has room for them. Flyte sends none.
    :param task_path: where the template is written when a command asks for `{{.taskTemplatePath}}`.
    """

    template: tasks_pb2.TaskTemplate
    name: str
    project: str
    domain: str
    execution: str
    attempt: int
    input_prefix: str
    output_prefix: str
    raw_output_prefix: str
    task_path: str
    task_id: identifier_pb2.Identifier | None
    workflow: str = ""
    namespace: str = ""
    previous_checkpoint: str = ""
    iam_role: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    overrides_config: Mapping[str, str] = field(default_factory=dict)
    override_resources: ResourceRequirements | None = None
    platform_resources: ResourceRequirements | None = None
    job_tags: Mapping[str, str] = field(default_factory=dict)
