"""Keys of Flyte's own sections that are almost one of theirs.

Flyte reads over an unknown key without a word, so what was meant has no effect, there as here. A name that resembles
none may be another version's and is left alone.

Sources of the names: flyteplugins `go/tasks/aws/config.go` and `go/tasks/plugins/array/awsbatch/config/config.go`,
propeller `pkg/controller/nodes/task/config/config.go`; of FlyteAdmin's, see `strict`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.reader import SECTIONS, Reader
from flytekitplugins.awsbatch.settings.yaml_nodes import ListNode, MapNode, Node

from .strict_keys import DOMAIN, QUEUE, QUEUES, RULE, SERVER

CLOSE = 0.75
BATCH = frozenset(
    [
        "jobStoreConfig",
        "defCacheSize",
        "getRateLimiter",
        "defaultRateLimiter",
        "maxArrayJobSize",
        "minRetries",
        "maxRetries",
        "defaultTimeout",
        "defaultEnvVars",
        "maxErrLength",
        "roleAnnotationKey",
        "outputAssembler",
        "errorAssembler",
    ]
)
KNOWN: dict[tuple[str, ...], frozenset[str]] = {
    ("queues",): QUEUES,
    ("queues", "executionQueues"): QUEUE | {"primary"},
    ("queues", "workflowConfigs"): RULE | {"project", "workflowName"},
    ("domains",): DOMAIN,
    ("flyteadmin",): SERVER,
    ("plugins",): frozenset({"aws", "k8s", "catalogcache", "k8s-array"}),
    ("plugins", "aws"): frozenset({"region", "accountId", "retries", "logLevel", "batch"}),
    ("plugins", "aws", "batch"): BATCH,
    ("plugins", "aws", "batch", "jobStoreConfig"): frozenset(
        {"jacheSize", "parallelism", "batchChunkSize", "resyncPeriod"}
    ),
    ("tasks",): frozenset({"task-plugins", "max-plugin-phase-versions", "backoff", "maxLogMessageLength"}),
    ("tasks", "task-plugins"): frozenset({"enabled-plugins", "default-for-task-types"}),
}


def misspelt(reader: Reader) -> Iterator[Problem]:
    """A problem for each, with the name that it resembles."""
    for document in reader.documents:
        yield from _near(document.root, "", SECTIONS)
    for names, known in KNOWN.items():
        path, node = reader.layer(names[0])
        for name in names[1:]:
            path = f"{path}.{name}"
            node = node.get(name) if isinstance(node, MapNode) else None
        if isinstance(node, ListNode):
            for place, item in enumerate(node.items):
                yield from _near(item, f"{path}[{place}]", known)
        else:
            yield from _near(node, path, known)


def meant(key: str, known: Iterable[str]) -> str | None:
    """The name that a key resembles without being it."""
    folded = {plain(name): name for name in known}
    if plain(key) in folded:
        return None if key.lower() == folded[plain(key)].lower() else folded[plain(key)]
    close = difflib.get_close_matches(plain(key), folded, 1, CLOSE)
    return folded[close[0]] if close else None


def plain(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "")


def _near(node: Node | None, path: str, known: Iterable[str]) -> Iterator[Problem]:
    for key, _ in node.entries if isinstance(node, MapNode) else ():
        name = meant(key.text, known)
        if name is not None:
            here = f"{path}.{key.text}" if path else key.text
            expected = f"is no setting of Flyte's, which reads over it; did you mean {name}?"
            yield Problem(key.mark.file, key.mark.line, here, "", expected)
