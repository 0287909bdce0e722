"""Where a deployment's files keep the sections of Flyte's configuration, and how several places become one.

A server's own file has them at the top; a Helm values file has them below `configmap`, `configMaps.adminServer`,
`configuration.inline` or deeper in an umbrella chart. Each place is a layer, later ones over earlier ones, as
flytestdlib's `config/viper/collection.go` merges files: maps key by key whatever their case, lists as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator

from .yaml_nodes import MapNode, Node, is_null_yaml

# What a chart wraps around a server's configuration; a section found below one of these is meant, whatever its shape.
WRAPPERS = frozenset({"configmap", "configmaps", "configuration", "inline", "adminserver"})
# The flyte-core chart's own blocks beside those: images, replicas and labels of the pods, no configuration.
BLOCKS_OF_PODS = frozenset({"flyteadmin", "flytepropeller"})
MAX_DEPTH = 12


def find_section_blocks(root: MapNode, name: str, sections: frozenset[str], nested: bool) -> Iterator[tuple[str, Node]]:
    """The places of a section in a file, in the file's order, each with its dotted path.

    :param name: the section's name in lower case.
    :param sections: all names that are sections; what lies inside one is that section's own business.
    :param nested: also below a chart's keys; else at the top only, as a server reads its file.
    """
    stack: list[tuple[MapNode, str, bool, int]] = [(root, "", False, 0)]
    while stack:
        level, path, wrapped, depth = stack.pop()
        below: list[tuple[MapNode, str, bool, int]] = []
        pods = blocks_of_pods(level) if nested else frozenset()
        for key, value in level:
            folded = key.lower()
            here = f"{path}.{key}" if path else key
            if folded in pods:
                continue
            if folded == name:
                if depth == 0 or wrapped or isinstance(value, MapNode):
                    yield here, value
            elif nested and folded not in sections and isinstance(value, MapNode) and depth < MAX_DEPTH:
                below.append((value, here, wrapped or folded in WRAPPERS, depth + 1))
        stack.extend(reversed(below))


def blocks_of_pods(level: MapNode) -> frozenset[str]:
    """The names on this level that are the chart's own, since it has the servers' configuration below `configmap`."""
    return BLOCKS_OF_PODS if level.get("configmap") is not None else frozenset()


def merge_layers(under: Node | None, over: Node | None) -> Node | None:
    """Two layers as one; nothing (null) hides nothing."""
    if over is None or (under is not None and is_null_yaml(over)):
        return under
    if not (isinstance(under, MapNode) and isinstance(over, MapNode)):
        return over
    replaced = {key.text.lower() for key, value in over.entries if not is_null_yaml(value)}
    kept = [(key, value) for key, value in under.entries if key.text.lower() not in replaced]
    return MapNode(
        (*kept, *((key, merge_layers(under.get(key.text), value) or value) for key, value in over.entries)), over.mark
    )


def block_without_empty_keys(node: Node | None) -> Node | None:
    """A section without the keys that viper drops: outside lists, a null or a map that holds nothing is no key."""
    if not isinstance(node, MapNode):
        return None if is_null_yaml(node) else node
    entries = [(key, kept) for key, value in node.entries if (kept := block_without_empty_keys(value)) is not None]
    return MapNode(tuple(entries), node.mark) if entries else None
