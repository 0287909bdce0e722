"""Uploads what a call's inputs refer to on this machine, as `pyflyte run --remote` does: files, directories,
dataframes, schemas and pickles, wherever they are nested.

The same content under the same name is uploaded once, to the same URL, so that a cached result is found again as long
as a file has not changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyteidl.core import literals_pb2
from flytekit.exceptions.user import FlyteAssertion
from flytekit.models.literals import LiteralMap

from flytekitplugins.awsbatch.propeller.aws_array.concurrently import concurrently_in_order
from flytekitplugins.awsbatch.propeller.storage import DataStore, StorageError, local_path
from flytekitplugins.awsbatch.wire import RAW_SCHEME, SWITCH_HOME

from .file_references import FileReferences
from .filesystems import filesystem_of
from .transfer import TransferProgress, transfer_files

_CHUNK = 2**20
# How often a file is read again that has changed while it was read.
_TRIES = 3
# Characters that fsspec would take for a pattern when a job downloads the file.
_PATTERN = str.maketrans("*?[]", "____")


@dataclass(frozen=True)
class PlacedUpload:
    """A file or a directory of this machine, as it was when it was looked at, and where it goes.

    :param files: itself, or those below it. :param stats: the same, the same contents.
    :param mark: the file that exists once everything has been uploaded.
    """

    path: Path
    files: tuple[Path, ...]
    stats: tuple[Any, ...]
    url: str
    mark: str

    @property
    def changed(self) -> bool:
        try:
            return self.stats != _stats(self.path, _files(self.path))
        except OSError:
            return True


class Uploads:
    """Everything that this process uploads to one place.

    :ivar here: whether that is the storage on this machine, where propeller's own files can be read as they are.

    :param destination: a URL; uploads go to `<destination>/<digest>/<name>`.
    :param store: looks for files there.
    :param progress: reports the bytes.
    """

    def __init__(self, destination: str, store: DataStore, progress: Callable[[str], TransferProgress]) -> None:
        self._destination = destination.rstrip("/")
        self._store = store
        self._progress = progress
        self.here = destination.startswith(f"{RAW_SCHEME}://")
        self._known: dict[tuple[Any, ...], PlacedUpload] = {}

    def upload(self, inputs: LiteralMap, kinds: Mapping[str, Any]) -> literals_pb2.LiteralMap:
        """The inputs, with a URL in place of each path on this machine. As a message: what flytekit makes of one that
        holds a `FlyteError` cannot be made into a message again.

        :param kinds: the Python type of each input.
        :raises FlyteAssertion: a path does not exist. :raises StorageError: it cannot be uploaded.
        """
        changed: Path | None = None
        for _ in range(_TRIES):
            message = inputs.to_flyte_idl()
            with _Found(self) as found:
                references = FileReferences(found.url, found.offloaded)
                for name in message.literals:
                    references.replace(message.literals[name], kinds.get(name))
                changed = self.put(list(found.placed.values()))
            if changed is None:
                return message
        raise FlyteAssertion(f"{changed} changes while it is being uploaded")

    def place(self, path: Path) -> PlacedUpload:
        """Where a path goes. Raises FlyteAssertion."""
        if not path.exists():
            raise FlyteAssertion(f"File {path} does not exist")
        if not path.is_file() and not path.is_dir():
            raise FlyteAssertion(f"{path} is no file and no directory: a job cannot have a copy of it")
        files = _files(path)
        stats = _stats(path, files)
        if stats not in self._known:
            folder, name = f"{self._destination}/{_digest(path, files)}", path.name.translate(_PATTERN)
            # A directory's files do not come all at once.
            mark = f"{folder}/.{name}.complete" if path.is_dir() else f"{folder}/{name}"
            return PlacedUpload(path, tuple(files), stats, f"{folder}/{name}", mark)
        return self._known[stats]

    def put(self, all_: list[PlacedUpload]) -> Path | None:
        """Uploads what is not there yet; returns what has changed meanwhile, so that what lies there is not what its
        name says. Raises StorageError."""
        if self.here:
            # In this order: what is touched is not tidied up.
            for one in all_:
                self._touch(one)
        unknown = {one.mark: one for one in all_ if self.here or one.stats not in self._known}
        there = set(self._store.existing_files(unknown.keys())) if unknown else set()
        missing = [one for mark, one in unknown.items() if mark not in there]
        self._transfer(missing)
        changed = [one for one in missing if one.changed]
        for one in changed:
            self._remove(one)
        marks = [one for one in missing if one not in changed and one.mark != one.url]
        for _ in concurrently_in_order(self._write_mark, marks, self._store.at_once(self._destination)):
            pass
        self._known |= {one.stats: one for one in all_ if one not in changed}
        return changed[0].path if changed else None

    def _transfer(self, missing: list[PlacedUpload]) -> None:
        files = [
            (file, f"{one.url}/{file.relative_to(one.path)}" if one.path.is_dir() else one.url)
            for one in missing
            for file in one.files
        ]
        transfer_files(filesystem_of(self._destination), files, self._progress(self._destination))

    def _write_mark(self, one: PlacedUpload) -> None:
        if self.here:
            filesystem_of(one.url).makedirs(one.url, exist_ok=True)
        self._store.write_file(one.mark, b"")

    def _touch(self, one: PlacedUpload) -> None:
        folder = one.url.rpartition("/")[0]
        try:
            filesystem_of(one.url).touch(folder, truncate=False)
        except FileNotFoundError:
            pass
        except PermissionError as error:
            problem = f"belongs to another user. Remove it, or set {SWITCH_HOME} to a home of your own."
            raise StorageError(local_path(folder), problem) from error

    def _remove(self, one: PlacedUpload) -> None:
        """Removes an upload that is a file. A directory is left: without its mark it does not count."""
        if one.mark == one.url:
            storage = filesystem_of(one.url)
            with contextlib.suppress(FileNotFoundError):
                storage.rm_file(one.url)
            if self.here:
                with contextlib.suppress(OSError):
                    storage.rmdir(one.url.rpartition("/")[0])


class _Found(contextlib.ExitStack):
    """The files that one call's literals refer to.

    :ivar placed: by path.
    """

    def __init__(self, uploads: Uploads) -> None:
        super().__init__()
        self._uploads = uploads
        self._scratch: Path | None = None
        self.placed: dict[Path, PlacedUpload] = {}

    def url(self, uri: str) -> str:
        if not uri or ("://" in uri and not uri.startswith("file://")):
            return uri
        path = Path(uri.removeprefix("file://")).absolute()
        if path not in self.placed:
            self.placed[path] = self._uploads.place(path)
        return self.placed[path].url

    def offloaded(self, uri: str, kind: Any) -> str:
        """The URL for a literal in a file on this machine: that of a copy in which nothing refers to this machine."""
        if not uri or self._uploads.here or ("://" in uri and not uri.startswith("file://")):
            return uri
        path = Path(uri.removeprefix("file://"))
        literal = literals_pb2.Literal()
        try:
            literal.ParseFromString(path.read_bytes())
        except FileNotFoundError:
            raise FlyteAssertion(f"File {path} does not exist") from None
        FileReferences(self.url, self.offloaded).replace(literal, kind)
        data = literal.SerializeToString(deterministic=True)
        if self._scratch is None:
            self._scratch = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="flyte-awsbatch-")))
        copy = self._scratch / hashlib.sha256(data).hexdigest() / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(data)
        return self.url(str(copy))


def _files(path: Path) -> list[Path]:
    """The file itself, or the files below a directory, in the order of their names. Links are followed, but not to a
    directory that is being walked already."""
    if not path.is_dir():
        return [path]
    found: list[Path] = []
    around: dict[str, set[tuple[int, int]]] = {}
    for folder, inner, names in os.walk(path, followlinks=True):
        above = around.pop(folder, set()) | {_directory(folder)}
        inner[:] = [name for name in inner if _directory(f"{folder}/{name}") not in above]
        around.update((f"{folder}/{name}", above) for name in inner)
        found += [one for one in (Path(folder, name) for name in names) if one.is_file()]
    return sorted(found)


def _directory(path: str) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116 - of many
    return status.st_dev, status.st_ino


def _stats(path: Path, files: list[Path]) -> tuple[Any, ...]:
    return (str(path), *(_stat(one) for one in files))


def _stat(path: Path) -> tuple[str, int, int, int, int]:
    """(path, times of modification and change, size, inode): the same five, the same contents. The first time can be
    set, as a copy does that keeps it."""
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _digest(path: Path, files: list[Path]) -> str:
    """Of the contents; of a directory also of the names in it."""
    found = hashlib.sha256()
    for file in files:
        if path.is_dir():
            found.update(f"{file.relative_to(path)}\0".encode("utf-8", "surrogateescape"))
        with file.open("rb") as reader:
            of_file = hashlib.sha256()
            while chunk := reader.read(_CHUNK):
                of_file.update(chunk)
        found.update(of_file.digest())
    return found.hexdigest()[:32]
