"""What `flyteadmin config validate --strict` alone would mention: keys that no part of FlyteAdmin 1.16 reads.

Sources: the sections registered in flyteadmin `pkg/runtime/*_provider.go`, and mapstructure's ErrorUnused.
"""

from __future__ import annotations

from collections.abc import Iterator

from flytekitplugins.awsbatch.admin.unknown_keys import _maps_at_path, known_flyte_keys, unread_keys
from flytekitplugins.awsbatch.settings.blocks import block_without_empty_keys
from flytekitplugins.awsbatch.settings.document import Document
from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.reader import Reader
from flytekitplugins.awsbatch.settings.yaml_nodes import MapNode

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
# Keys of the setup document that FlyteAdmin 1.16 no longer reads.
OF_2019 = frozenset({"primary", "project", "workflowName"})


def unread_strictly(document: Document) -> Iterator[Problem]:
    """The keys of a server's file that nothing reads; the file's sections are at its top."""
    root = block_without_empty_keys(document.root)
    if not isinstance(root, MapNode):
        return
    for key, _ in root.entries:
        if key.text.lower() not in SECTIONS:
            yield Problem(key.mark.file, key.mark.line, key.text, "", "is no section of FlyteAdmin's configuration")
    reader = Reader([Document(document.file, root)], nested=False)
    for names in ("queues", "queues.executionQueues", "queues.workflowConfigs", "domains", "flyteadmin"):
        for path, node in _maps_at_path(reader, names):
            yield from unread_keys(node, path, set(known_flyte_keys()[names]) - OF_2019)
