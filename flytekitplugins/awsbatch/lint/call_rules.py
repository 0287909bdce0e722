"""What goes wrong with one call of a task in a workflow: overrides that Batch never sees, lists that are too long."""

from __future__ import annotations

from collections.abc import Iterator

from flytekit.core.node import Node

from ..sdk import switch
from .subject import LintSubject
from .written_lists import lists_in_call

# AWS Batch's own limit, whatever the handler's settings say.
MAX_ARRAY_SIZE = 10_000


def lost_overrides_rule(subject: LintSubject) -> Iterator[str]:
    """On a cluster, resources reach the job; these overrides stay with the node, or get lost."""
    for node in subject.calls:
        lost = _names_of_lost_overrides(subject, node)
        if lost:
            where = "on the task"
            if subject.is_array:
                where = "in map_task(..., metadata=TaskMetadata(...)) and on the mapped task"
            yield (
                f"is called with with_overrides({', '.join(lost)}) in node {node.id}, which does not reach AWS Batch: "
                f"the job has what the task says. Set it {where}."
            )


def _names_of_lost_overrides(subject: LintSubject, node: Node) -> list[str]:
    metadata = node.metadata
    own = subject.task.construct_node_metadata()
    lost = {
        "retries=": metadata.retries != own.retries,
        "timeout=": metadata.timeout != own.timeout,
        "interruptible=": metadata.interruptible != own.interruptible,
        "container_image=": node._container_image is not None,
        "cache=": metadata._cacheable is not None,
        "pod_template=": node._pod_template is not None,
        "accelerator= or shared_memory=": node._extended_resources is not None,
    }
    return [name for name, is_lost in lost.items() if is_lost]


def too_many_items_rule(subject: LintSubject) -> Iterator[str]:
    """Looks at lists that are written into the program; others are known only when it runs."""
    if not subject.is_array:
        return
    mapped = [name for name in subject.task.interface.inputs if name not in subject.task.bound_inputs]
    limit = min(subject.settings.max_array_job_size, MAX_ARRAY_SIZE)
    for node in subject.calls:
        written = [one for name in mapped for one in lists_in_call(node, name)]
        # An emulated run is one of the calls that a workflow may get, and knows its own.
        if switch.emulation_on():
            written = [one for one in written if one[1] == f"in node {node.id}"]
        items, where = max(written, default=(0, ""))
        if items > limit:
            yield (
                f"is mapped over {items} items {where}; this deployment takes {limit} (maxArrayJobSize, and "
                f"{MAX_ARRAY_SIZE} in AWS Batch). The handler does not say so: it panics. Map over slices, or raise "
                "the setting."
            )
