"""Keys in Flyte's own sections that have no effect: those that Flyte ignores without a word, and those ignored here.

A name that resembles none of Flyte's may be another version's and is left alone, but for `queues`, whose keys are all
known. `flyte_keys.yaml` has the names.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from flytekitplugins.awsbatch.settings.blocks import block_without_empty_keys, blocks_of_pods
from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.reader import SECTIONS, Reader
from flytekitplugins.awsbatch.settings.yaml_nodes import ListNode, MapNode, Node, Scalar

CLOSE = 0.75
# Settings that act on AWS Batch tasks in Flyte and that the emulation does not follow, and values that ask for nothing.
# Sources: propeller `pkg/controller/config/config.go` (NodeConfig, LiteralOffloadingConfig) and
# `pkg/controller/nodes/catalog/config.go`, FlyteAdmin `pkg/runtime/interfaces/application_configuration.go`.
NOT_FOLLOWED = (
    "propeller.literal-offloading-config.supported-sdk-versions",
    "catalog-cache.max-cache-age",
    "flyteadmin.maxParallelism",
)
NEUTRAL = (0, "0", "0s", "")


@functools.cache
def known_flyte_keys() -> dict[str, list[str]]:
    """The keys that Flyte reads in a map, by the map's dotted path."""
    text = Path(__file__).with_name("flyte_keys.yaml").read_text(encoding="utf-8")
    keys: dict[str, list[str]] = yaml.safe_load(text)
    return keys


def misspelt_keys(reader: Reader) -> Iterator[Problem]:
    """A problem for each key that is almost one of Flyte's, with the name that it resembles."""
    for document in reader.documents:
        if document.root is not None:
            yield from _resembling_keys(document.root, "", SECTIONS, blocks_of_pods(document.root))
    for names, known in known_flyte_keys().items():
        for path, node in _maps_at_path(reader, names):
            yield from _resembling_keys(node, path, known)


def unread_queue_keys(reader: Reader) -> Iterator[Problem]:
    """Keys in and around `queues` that neither 1.16 nor the setup document knows: misspelt, or misplaced."""
    for names in ("queues", "queues.executionQueues", "queues.workflowConfigs"):
        for path, node in _maps_at_path(reader, names):
            yield from unread_keys(node, path, known_flyte_keys()[names])
    for path, server in _maps_at_path(reader, "flyteadmin"):
        if (misplaced := server.get("queues")) is not None:
            expected = "is not read there: queues is a section of its own, beside flyteadmin"
            yield Problem.at(misplaced.mark, f"{path}.queues", expected)


def keys_not_followed(reader: Reader) -> Iterator[Problem]:
    """A problem for each setting that a file has and that only a real Flyte follows."""
    for names in NOT_FOLLOWED:
        path, node = reader.node_at(*names.split("."))
        if (node := block_without_empty_keys(node)) is not None and not (
            isinstance(node, Scalar) and node.value in NEUTRAL
        ):
            expected = "acts on AWS Batch tasks in Flyte and has no effect here"
            yield Problem.at(node.mark, path, expected)


def _maps_at_path(reader: Reader, names: str) -> Iterator[tuple[str, MapNode]]:
    """The maps at a dotted path, those of a list one by one, each with its path in the files."""
    first, *others = names.split(".")
    path, node = reader.layer(first)
    for name in others:
        path = f"{path}.{name}"
        node = node.get(name) if isinstance(node, MapNode) else None
    if isinstance(node, MapNode):
        yield path, node
    for place, item in enumerate(node.items if isinstance(node, ListNode) else ()):
        if isinstance(item, MapNode):
            yield f"{path}[{place}]", item


def unread_keys(node: MapNode, path: str, known: Iterable[str]) -> Iterator[Problem]:
    """The keys of one map that are none of its section's, in any case; a key taken already counts as unknown."""
    used = [node.get(name) for name in known]
    for key, value in node.entries:
        if not any(value is one for one in used):
            yield Problem.at(key.mark, f"{path}.{key.text}", "is not read by FlyteAdmin 1.16")


def _resembling_keys(
    node: Node | None, path: str, known: Iterable[str], skipped: frozenset[str] = frozenset()
) -> Iterator[Problem]:
    """:param skipped: keys, in lower case, that are no misspelt settings."""
    for key, _ in node.entries if isinstance(node, MapNode) else ():
        name = _resembled_name(key.text, known) if key.text.lower() not in skipped else None
        if name is not None:
            here = f"{path}.{key.text}" if path else key.text
            expected = f"is no setting of Flyte's, which ignores it; did you mean {name}?"
            yield Problem.at(key.mark, here, expected)


def _resembled_name(key: str, known: Iterable[str]) -> str | None:
    """The name that a key resembles without being it."""
    folded = {_folded_key(name): name for name in known}
    if _folded_key(key) in folded:
        return None if key.lower() == folded[_folded_key(key)].lower() else folded[_folded_key(key)]
    close = difflib.get_close_matches(_folded_key(key), folded, 1, CLOSE)
    return folded[close[0]] if close else None


def _folded_key(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "")
