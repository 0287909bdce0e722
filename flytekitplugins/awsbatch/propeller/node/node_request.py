"""What propeller is asked to run: one node of an execution, with the task template as FlyteAdmin handed it over.

Pure data. Nothing here decides names or paths (`names`, `paths`) or runs anything (`execution`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flyteidl.core import literals_pb2, tasks_pb2

from ..aws_array.requirements import ResourceRequirements


@dataclass(frozen=True)
class ExecutionId:
    project: str
    domain: str
    name: str


@dataclass(frozen=True)
class ParentNode:
    """A node around this one (a subworkflow or a dynamic task), with the attempt it is in."""

    node_id: str
    attempt: int = 0


@dataclass(frozen=True)
class NodeRequest:
    """One node to run.

    :param workflow: the full name of the execution's workflow; "" where it is not known.
    :param template: the task template, `child_queue` already in its container's config.
    :param inputs: the node's inputs; written to inputs.pb before the first attempt.
    :param parents: enclosing nodes, outermost first.
    :param unresolved: why an input cannot be resolved, in propeller's words: the node fails before it starts.
    :param iam_role: the security context's role; None: no security context.
    :param override_resources: `with_overrides(requests=..., limits=...)` of the node.
    :param platform_resources: FlyteAdmin's `task_resources`; None: the plugin's own defaults (`plugins.k8s`).
    :param retries: the node's own retries (`with_overrides(retries=...)`); None or 0: the template's.
    :param timeout: seconds an attempt of the node may take; None: no limit.
    :param metadata_prefix: where inputs.pb and outputs.pb go: `<prefix>/<project>-<domain>-<execution>/<node>/data`.
    :param raw_output_prefix: base of the sharded raw output prefixes.
    :param attempt: the first attempt's number.
    :param job_tags: see `TaskContext`.
    """

    execution: ExecutionId
    workflow: str
    node_id: str
    template: tasks_pb2.TaskTemplate
    inputs: literals_pb2.LiteralMap
    metadata_prefix: str
    raw_output_prefix: str
    parents: tuple[ParentNode, ...] = ()
    unresolved: str = ""
    iam_role: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    override_resources: ResourceRequirements | None = None
    platform_resources: ResourceRequirements | None = None
    retries: int | None = None
    timeout: float | None = None
    attempt: int = 0
    job_tags: Mapping[str, str] = field(default_factory=dict)
