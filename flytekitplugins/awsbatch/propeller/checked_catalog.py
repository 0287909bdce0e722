"""For any catalog, the check that the files which an entry refers to are still there, and that a good entry stays."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
from flyteidl.core import literals_pb2
from google.protobuf.json_format import MessageToDict

from .catalog import Catalog, CatalogError, CatalogKey
from .storage import StorageError

# The keys under which flytekit's files, directories, dataframes and schemas keep their URL inside a dataclass.
_FIELDS = frozenset({"path", "uri", "remote_path"})


class CheckedCatalog:
    """Another catalog without those of its entries that refer to a file that is no longer there.

    :param exists: whether there is a file or a directory at a URL. Raises StorageError.
    :param tell: is told of an entry that cannot be read or written; Flyte's handler takes it for one that is not there.
    """

    def __init__(
        self, inner: Catalog, exists: Callable[[str], bool], tell: Callable[[CatalogError], None] = lambda _: None
    ) -> None:
        self._inner = inner
        self._exists = exists
        self._tell = tell
        self.at_once = inner.at_once

    def get(self, key: CatalogKey) -> literals_pb2.LiteralMap | None:
        with self._telling():
            return self._get(key)

    def _get(self, key: CatalogKey) -> literals_pb2.LiteralMap | None:
        outputs = self._inner.get(key)
        if outputs is None:
            return None
        try:
            gone = any(not self._exists(url) for url in dict.fromkeys(checked_catalog_references(outputs)))
        except StorageError as error:
            raise CatalogError(f"the files of a cached result cannot be looked for: {error}") from error
        return None if gone else outputs

    def put(self, key: CatalogKey, outputs: literals_pb2.LiteralMap) -> None:
        """Keeps an entry that is there already, as datacatalog does (`createArtifact` in `datacatalog.go`), and takes
        none without outputs (`ValidateEmptyArtifactData` in its `artifact_validator.go`)."""
        if not outputs.literals:
            raise CatalogError("missing artifactData")
        with contextlib.suppress(CatalogError):
            if self._get(key) is not None:
                return
        with self._telling():
            self._inner.put(key, outputs)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except CatalogError as error:
            self._tell(error)
            raise


def checked_catalog_references(outputs: literals_pb2.LiteralMap) -> Iterator[str]:
    """The URLs of files in a storage that some literals refer to."""
    for literal in outputs.literals.values():
        yield from (url for url in _references(literal) if "://" in url and not url.startswith(("http", "file:")))


def _references(literal: literals_pb2.Literal) -> Iterator[str]:
    kind = literal.WhichOneof("value")
    if kind == "collection":
        for item in literal.collection.literals:
            yield from _references(item)
    elif kind == "map":
        for item in literal.map.literals.values():
            yield from _references(item)
    elif kind == "offloaded_metadata":
        yield literal.offloaded_metadata.uri
    elif kind == "scalar":
        yield from _of_scalar(literal.scalar)


def _of_scalar(scalar: literals_pb2.Scalar) -> Iterator[str]:
    which = scalar.WhichOneof("value")
    if which in ("blob", "structured_dataset", "schema"):
        yield getattr(scalar, which).uri
    elif which == "union":
        yield from _references(scalar.union.value)
    elif which == "generic":
        yield from _of_value(MessageToDict(scalar.generic))
    elif which == "binary" and scalar.binary.tag == "msgpack":
        yield from _of_value(msgpack.loads(scalar.binary.value, strict_map_key=False))


def _of_value(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _of_value(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str) and name in _FIELDS:
                yield item
            else:
                yield from _of_value(item)
