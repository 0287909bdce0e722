"""What FlyteAdmin 1.16 reads over without a word, and `flyteadmin config validate --strict` alone would mention.

Sources: the sections registered in flyteadmin `pkg/runtime/*_provider.go`, and mapstructure's ErrorUnused.
"""

from __future__ import annotations

from collections.abc import Iterator

from flytekitplugins.awsbatch.settings.blocks import settled
from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.reader import Reader
from flytekitplugins.awsbatch.settings.yaml_nodes import ListNode, MapNode, Node

SECTIONS = frozenset(
    [
        "admin",
        "assignclusters",
        "auth",
        "cloudevents",
        "cluster_resources",
        "clusterpools",
        "clusters",
        "database",
        "domains",
        "externalevents",
        "flyteadmin",
        "logger",
        "namespace_mapping",
        "notifications",
        "otel",
        "plugins",
        "propeller",
        "qualityofservice",
        "queues",
        "registration",
        "remotedata",
        "scheduler",
        "server",
        "storage",
        "task_resources",
        "task_type_whitelist",
        "tasks",
        "webhook",
    ]
)
QUEUES = frozenset({"executionQueues", "workflowConfigs"})
QUEUE = frozenset({"Dynamic", "Attributes"})
RULE = frozenset({"domain", "tags"})
DOMAIN = frozenset({"id", "name"})
SERVER = frozenset(
    [
        "annotations",
        "assumableIamRole",
        "asyncEventsBufferSize",
        "consoleUrl",
        "envs",
        "eventVersion",
        "featureGates",
        "identityAnnotationKeys",
        "identityAnnotationPrefix",
        "injectIdentityAnnotations",
        "interruptible",
        "k8sServiceAccount",
        "labels",
        "maxParallelism",
        "metadataStoragePrefix",
        "metricsKeys",
        "metricsScope",
        "outputLocationPrefix",
        "overwriteCache",
        "profilerPort",
        "roleNameKey",
        "useOffloadedInputs",
        "useOffloadedWorkflowClosure",
    ]
)


def unread(root: MapNode | None) -> Iterator[Problem]:
    """The keys of a server's file that no part of FlyteAdmin reads.

    :param root: the file's root map, sections at the top.
    """
    whole = settled(root)
    if not isinstance(whole, MapNode):
        return
    for key, _ in whole.entries:
        if key.text.lower() not in SECTIONS:
            yield Problem(key.mark.file, key.mark.line, key.text, "", "is no section of FlyteAdmin's configuration")
    queues, domains = whole.get("queues"), whole.get("domains")
    yield from unused(queues, "queues", QUEUES)
    yield from unused(whole.get("flyteadmin"), "flyteadmin", SERVER)
    if isinstance(queues, MapNode):
        yield from unused_in(queues.get("executionQueues"), "queues.executionQueues", QUEUE)
        yield from unused_in(queues.get("workflowConfigs"), "queues.workflowConfigs", RULE)
    yield from unused_in(domains, "domains", DOMAIN)


def unused_in(node: Node | None, path: str, known: frozenset[str]) -> Iterator[Problem]:
    for place, item in enumerate(node.items if isinstance(node, ListNode) else [node]):
        yield from unused(item, f"{path}[{place}]", known)


def unused(node: Node | None, path: str, known: frozenset[str]) -> Iterator[Problem]:
    """The keys of one map that are none of its section's, in any case; a key taken already counts as unknown."""
    if not isinstance(node, MapNode):
        return
    used = [node.get(name) for name in known]
    for key, value in node.entries:
        if not any(value is one for one in used):
            yield Problem(key.mark.file, key.mark.line, f"{path}.{key.text}", "", "is not read by FlyteAdmin 1.16")


def unread_queues(reader: Reader) -> Iterator[Problem]:
    """Keys in and around `queues` that neither 1.16 nor the setup document knows: misspelt, or misplaced."""
    path, queues = reader.layer("queues")
    yield from unused(queues, path, QUEUES)
    if isinstance(queues, MapNode):
        yield from unused_in(queues.get("executionQueues"), f"{path}.executionQueues", QUEUE | {"primary"})
        yield from unused_in(
            queues.get("workflowConfigs"), f"{path}.workflowConfigs", RULE | {"project", "workflowName"}
        )
    path, server = reader.layer("flyteadmin")
    if isinstance(server, MapNode) and (misplaced := server.get("queues")) is not None:
        expected = "is not read there: queues is a section of its own, beside flyteadmin"
        yield Problem(misplaced.mark.file, misplaced.mark.line, f"{path}.queues", "", expected)
