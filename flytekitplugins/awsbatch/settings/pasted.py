"""Files that hold several configurations: blocks of a document pasted one below another, and Kubernetes ConfigMaps.

No YAML reader takes blocks that each keep the indentation they had in a document, and Go's stops at the first change
without a word. Where every block begins with the name of one of Flyte's sections it is clear what is meant, so each is
read for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .document import MAX_BYTES, Document, parse_yaml
from .problems import Problem
from .yaml_nodes import MapNode, Scalar

DEEPEST = 4


def parse_pasted_file(content: bytes, file: str, sections: frozenset[str]) -> list[Document]:
    """A file as one document, or as one for each block that was pasted into it.

    What stands unread behind the first document is a problem of the document.
    """
    whole = parse_yaml(content, file)
    if len(content) > MAX_BYTES:
        return [whole]
    if not whole.problems and (carried := list(_config_map_files(whole))):
        return carried
    if whole.problems or whole.unread:
        blocks = [parse_yaml(text, file, before) for before, text in _split_blocks(content, sections)]
        if len(blocks) > 1 and not any(block.problems or block.unread for block in blocks):
            return blocks
    if whole.unread:
        return [Document(file, whole.root, (*whole.problems, whole.unread))]
    return [whole]


def _config_map_files(document: Document) -> Iterator[Document]:
    """The files in a Kubernetes ConfigMap, which is what `kubectl get configmap -o yaml` shows of a server."""
    kind = document.root.get("kind") if document.root is not None else None
    data = document.root.get("data") if document.root is not None else None
    if not isinstance(kind, Scalar) or kind.value != "ConfigMap" or not isinstance(data, MapNode):
        return
    files = [text for name, text in data if isinstance(text, Scalar) and name.endswith((".yaml", ".yml"))]
    if sum(len(text.text) for text in files) > MAX_BYTES:
        expected = f"expected at most {MAX_BYTES // 2**20} MiB of settings once aliases are written out"
        yield Document(document.file, None, (Problem(document.file, data.mark.line, "data", "", expected),))
        return
    # The content of a block begins in the line after its `|`.
    yield from (parse_yaml(text.text, document.file, text.mark.line) for text in files)


def _split_blocks(content: bytes, sections: frozenset[str]) -> list[tuple[int, str]]:
    """The blocks, each with the number of lines before it; none when the file does not begin with a section."""
    starts: list[tuple[int, int]] = []
    lines = content.decode("utf-8", "replace").split("\n")
    for place, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = re.match(r"( *)([\w-]+):\s*(#.*)?$", line)
        opens = match is not None and match[2].lower() in sections and len(match[1]) <= DEEPEST
        if not starts and not opens:
            return []
        if match is not None and opens and (not starts or len(match[1]) != starts[-1][1]):
            starts.append((place, len(match[1])))
    ends = [*(place for place, _ in starts[1:]), len(lines)]
    return [(begin, "\n".join(lines[begin:end])) for (begin, _), end in zip(starts, ends, strict=False)]
