"""Where inputs, outputs and errors lie: what propeller's DataStore is to Flyte, for whole small files.

A reference is a URL or a path as text. Nothing here knows what is in a file; nothing streams.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from google.protobuf.message import DecodeError, Message

from ..wire import RAW_SCHEME, raw_path
from .golang import url

_LOCAL = ("file://", f"{RAW_SCHEME}://")
CHECKPOINT_FOLDER = "_flytecheckpoints"


class StorageError(Exception):
    """A file cannot be read or written; `reference` names it."""

    def __init__(self, reference: str, problem: str) -> None:
        super().__init__(f"{reference}: {problem}")
        self.reference = reference
        self.problem = problem


class NotFoundError(StorageError):
    """There is no such file."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference, "file does not exist")


class UnreadableError(StorageError):
    """A task's output or error file cannot be read, in Flyte's words."""

    def __init__(self, reference: str, message: str, cause: StorageError) -> None:
        super().__init__(reference, cause.problem)
        self.args = (message,)


class DataStore(Protocol):
    """Reads and writes whole files. Raises StorageError, NotFoundError where the file is missing."""

    def join(self, base: str, *keys: str) -> str:
        """The reference of something below `base`."""
        ...

    def exists(self, reference: str) -> bool: ...

    def read(self, reference: str) -> bytes: ...

    def write(self, reference: str, data: bytes) -> None:
        """Replaces the whole file, atomically where the storage can."""
        ...


def read_message(store: DataStore, reference: str, message: Message) -> None:
    """Reads a protobuf file into `message`; StorageError when its bytes are no such message."""
    data = store.read(reference)
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise StorageError(reference, f"not a {message.DESCRIPTOR.full_name}: {error}") from None


def write_message(store: DataStore, reference: str, message: Message) -> None:
    store.write(reference, message.SerializeToString(deterministic=True))


# The common references are joined as they are, since an array has thousands of them.
_PLAIN_BASE = re.compile(r"[a-z][a-z0-9+-]*://[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?\Z")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")


def join_url(base: str, *keys: str) -> str:
    """As Flyte joins (`storage/url_path.go`): percent-encoded, `..` resolved, a query of the base dropped.

    :raises StorageError: the base or a key is no URL.
    """
    if _PLAIN_BASE.match(base) and all(_PLAIN_KEY.match(key) for key in keys):
        return "/".join([base.removesuffix("/"), *keys])
    try:
        parent = url.parse(base if base.endswith("/") else f"{base}/")
        return str(parent.resolve(url.parse("/".join(key.strip("/") for key in keys))))
    except url.UrlError as error:
        raise StorageError(base, f"Reference is of an invalid format: {error}") from None


def join_path(base: str, *keys: str) -> str:
    """Below a folder of this machine, whose name stays as it is: a child process opens it literally."""
    return "/".join([base.rstrip("/"), *(key.strip("/") for key in keys)])


class LocalStore:
    """Files on this machine: plain paths, `file://` and `awsbatch://` URLs. Writes beside the file and renames; what it
    writes is for its user only.
    """

    def join(self, base: str, *keys: str) -> str:
        return join_path(base, *keys)

    def exists(self, reference: str) -> bool:
        return os.path.isfile(local_path(reference))  # noqa: PTH113 - a large array's files are looked for one by one

    def read(self, reference: str) -> bytes:
        try:
            with open(local_path(reference), "rb", buffering=0) as file:  # noqa: PTH123
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(reference) from None
        except OSError as error:
            raise StorageError(reference, str(error)) from error

    def write(self, reference: str, data: bytes) -> None:
        path = Path(local_path(reference))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(beside).replace(path)
            except BaseException:
                Path(beside).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StorageError(reference, str(error)) from error


def local_path(reference: str) -> str:
    if reference.startswith("file:"):
        return url2pathname(urlsplit(reference).path)
    return raw_path(reference) or reference


class LimitedStore:
    """Another store, whose files are refused when they are longer than propeller downloads (`storage.limits`)."""

    def __init__(self, inner: DataStore, megabytes: int) -> None:
        self._inner = inner
        self._megabytes = megabytes

    def join(self, base: str, *keys: str) -> str:
        return self._inner.join(base, *keys)

    def exists(self, reference: str) -> bool:
        return self._inner.exists(reference)

    def read(self, reference: str) -> bytes:
        data = self._inner.read(reference)
        if len(data) > self._megabytes * 2**20:
            found = f"{len(data) / 2**20:.2f} MB are more than storage.limits.maxDownloadMBs allows ({self._megabytes})"
            raise StorageError(reference, found)
        return data

    def write(self, reference: str, data: bytes) -> None:
        self._inner.write(reference, data)


class FsspecStore:
    """Files at any URL that fsspec knows (`s3://`, `gs://`, ...); the storage decides whether writes are atomic."""

    def __init__(self, **options: object) -> None:
        self._options = options

    def join(self, base: str, *keys: str) -> str:
        return join_url(base, *keys)

    def exists(self, reference: str) -> bool:
        filesystem, path = self._open(reference)
        try:
            return bool(filesystem.isfile(path))
        except OSError as error:
            raise StorageError(reference, str(error)) from error

    def read(self, reference: str) -> bytes:
        filesystem, path = self._open(reference)
        try:
            return bytes(filesystem.cat_file(path))
        except FileNotFoundError:
            raise NotFoundError(reference) from None
        except OSError as error:
            raise StorageError(reference, str(error)) from error

    def write(self, reference: str, data: bytes) -> None:
        filesystem, path = self._open(reference)
        try:
            filesystem.pipe_file(path, data)
        except OSError as error:
            raise StorageError(reference, str(error)) from error

    def _open(self, reference: str) -> tuple[Any, str]:
        import fsspec

        try:
            filesystem, path = fsspec.core.url_to_fs(reference, **self._options)
            return filesystem, path
        except (ValueError, ImportError) as error:
            raise StorageError(reference, str(error)) from error


class SchemeStore:
    """The store for a run: local files where the reference has no other scheme, fsspec otherwise."""

    def __init__(self, remote: DataStore | None = None) -> None:
        self._local = LocalStore()
        self._remote: DataStore = remote if remote is not None else FsspecStore()

    def join(self, base: str, *keys: str) -> str:
        return self._of(base).join(base, *keys)

    def exists(self, reference: str) -> bool:
        return self._of(reference).exists(reference)

    def read(self, reference: str) -> bytes:
        return self._of(reference).read(reference)

    def write(self, reference: str, data: bytes) -> None:
        self._of(reference).write(reference, data)

    def _of(self, reference: str) -> DataStore:
        return self._remote if "://" in reference and not reference.startswith(_LOCAL) else self._local


def checkpoint_prefix(join: Callable[..., str], raw_output_prefix: str) -> str:
    """Where an attempt's checkpoint lies; "" without a prefix (`ioutils/raw_output_path.go`)."""
    return join(raw_output_prefix, CHECKPOINT_FOLDER) if raw_output_prefix else ""
