"""Fills the sections that owners declare from a deployment's files, and gathers everything found wrong on the way.

Flyte's own sections are read as the servers read them: any case, weak types, unknown keys ignored. Ours are read
strictly. The reader never raises for what a file says until `finish`, so that one run reports all problems.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .blocks import block_without_empty_keys, find_section_blocks, merge_layers
from .document import MAX_BYTES, Document, parse_yaml
from .fill import SectionFiller
from .pasted import parse_pasted_file
from .problems import Problem, SettingsError
from .yaml_nodes import MapNode, Node, is_null_yaml, shown_yaml_value

S = TypeVar("S")

# In a directory that is given as settings.
MAX_FILES = 1_000
# Whatever lies below these is the section's own, not a chart's nesting.
SECTIONS = frozenset(
    {
        "queues",
        "flyteadmin",
        "plugins",
        "tasks",
        "task_resources",
        "propeller",
        "catalog-cache",
        "storage",
        "domains",
        "emulator",
    }
)


@dataclasses.dataclass
class Reader:
    """Documents in order of precedence, lowest first.

    :param nested: whether sections may lie below a Helm chart's keys.
    :param others: documents of another kind that were given beside them; their owner reads them.
    """

    documents: Sequence[Document]
    nested: bool = True
    others: Sequence[Document] = ()
    problems: list[Problem] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        for document in (*self.documents, *self.others):
            self.problems.extend(document.problems)

    @classmethod
    def from_text(cls, *texts: tuple[str, str | bytes], nested: bool = True) -> Reader:
        """:param texts: (name, content) of each file."""
        return cls([parse_yaml(text, name) for name, text in texts], nested)

    @classmethod
    def from_files(cls, paths: Iterable[Path], aside: Callable[[Document], bool] = lambda _: False) -> Reader:
        """:param aside: says which files are of another kind."""
        documents = [document for path in paths for document in _load_documents(path)]
        return cls(
            [document for document in documents if not aside(document)],
            others=[document for document in documents if aside(document)],
        )

    def layer(self, name: str) -> tuple[str, Node | None]:
        """A top-level section, all its places merged, with the path of the last one."""
        merged: Node | None = None
        path = name
        for document in self.documents:
            if document.root is None:
                continue
            for here, node in find_section_blocks(document.root, name.lower(), SECTIONS, self.nested):
                merged, path = merge_layers(merged, node), here
        return path, merged

    def node_at(self, *names: str) -> tuple[str, Node | None]:
        """The merged node at a path of section names, and its dotted path."""
        path, node = self.layer(names[0])
        for name in names[1:]:
            path = f"{path}.{name}"
            if node is None or is_null_yaml(node):
                return path, None
            if not isinstance(node, MapNode):
                self.wrong(path.rpartition(".")[0], node, "expected a map")
                return path, None
            node = node.get(name)
        return path, node

    def flyte(self, cls: type[S], *names: str) -> S:
        """One of Flyte's own sections (`"plugins", "aws", "batch"`), defaults where the files are silent."""
        path, node = self.node_at(*names)
        return SectionFiller(self.problems, weakly=True).section(cls, block_without_empty_keys(node), path)

    def flyte_list(self, cls: type[S], name: str) -> tuple[S, ...]:
        """One of Flyte's top-level sections that is a list of maps (`domains`)."""
        path, node = self.layer(name)
        node = block_without_empty_keys(node)
        return SectionFiller(self.problems, weakly=True).sequence(cls, node, path) if node is not None else ()

    def own(self, name: str, *classes: type[Any]) -> tuple[Any, ...]:
        """Our section, shared by several owners; a key of none of them is a problem."""
        path, node = self.layer(name)
        filler = SectionFiller(self.problems, weakly=False, shared=path)
        if isinstance(node, MapNode):
            filler.check_keys(node, path, *classes)
        return tuple(filler.section(cls, node, path) for cls in classes)

    def wrong(self, path: str, node: Node, expected: str) -> None:
        self.problems.append(Problem.at(node.mark, path, expected, shown_yaml_value(node)))

    def finish(self) -> None:
        """Raises SettingsError with all problems found so far, in the order of files and lines."""
        if self.problems:
            raise SettingsError(self.ordered_problems())

    def ordered_problems(self) -> list[Problem]:
        order = {document.file: place for place, document in enumerate((*self.documents, *self.others))}
        unique = dict.fromkeys(self.problems)
        return sorted(unique, key=lambda problem: (order.get(problem.file, -1), problem.line))


def read_settings_directories(names: Iterable[str]) -> Iterator[Path]:
    """The files; a directory stands for the YAML files in it, by name.

    :raises SettingsError: a directory holds more than a deployment has.
    """
    for name in names:
        path = Path(name).expanduser()
        if not path.is_dir():
            yield path
            continue
        files = sorted(one for one in path.iterdir() if one.suffix in (".yaml", ".yml"))
        if len(files) > MAX_FILES:
            raise SettingsError([Problem(name, 0, "", "", f"expected at most {MAX_FILES} YAML files in a directory")])
        yield from files


def _load_documents(path: Path) -> list[Document]:
    """A file's documents; one that cannot be opened is a document with that problem."""
    try:
        with path.open("rb") as file:
            return parse_pasted_file(file.read(MAX_BYTES + 1), str(path), SECTIONS)
    except OSError as error:
        problem = Problem(str(path), 0, "", "", f"cannot be read: {error.strerror or error}")
        return [Document(str(path), None, (problem,))]
