"""Where inputs, outputs and errors lie: what propeller's DataStore is to Flyte, for whole small files.

A reference is a URL or a path as text. Nothing here knows what is in a file; nothing streams.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from google.protobuf.message import DecodeError, Message

from ..wire import RAW_SCHEME, path_of_awsbatch_url
from .golang import url
from .replace_file import replace_file

T = TypeVar("T")

_LOCAL = ("file://", f"{RAW_SCHEME}://")
CHECKPOINT_FOLDER = "_flytecheckpoints"
# How many requests to a storage are under way at once.
AT_ONCE = 64
# Up to this many files are looked for one by one. For more than that, a listing of thousands is quicker.
MOST_LOOKS = 250


class StorageError(Exception):
    """A file cannot be read or written; `reference` names it."""

    def __init__(self, reference: str, problem: str) -> None:
        super().__init__(f"{reference}: {problem}")
        self.reference = reference
        self.problem = problem

    def __reduce__(self) -> tuple[Any, ...]:
        return StorageError, (self.reference, self.problem)


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

    def existing_files(self, references: Collection[str]) -> Collection[str]:
        """Those of the files that are there, found in as few calls as the storage allows."""
        ...

    def at_once(self, base: str) -> int:
        """How many files below `base` are worth reading or writing at the same time; 1 where no network is."""
        ...

    def read_file(self, reference: str) -> bytes: ...

    def write_file(self, reference: str, data: bytes) -> None:
        """Replaces the whole file, atomically where the storage can."""
        ...


def read_stored_message(store: DataStore, reference: str, message: Message) -> None:
    """Reads a protobuf file into `message`; StorageError when its bytes are no such message."""
    data = store.read_file(reference)
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise StorageError(reference, f"not a {message.DESCRIPTOR.full_name}: {error}") from None


def write_stored_message(store: DataStore, reference: str, message: Message) -> None:
    store.write_file(reference, message.SerializeToString(deterministic=True))


# The common references are joined as they are, since an array has thousands of them.
_PLAIN_BASE = re.compile(r"[a-z][a-z0-9+-]*://[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?\Z")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")


def join_storage_url(base: str, *keys: str) -> str:
    """As Flyte joins (`storage/url_path.go`): percent-encoded, `..` resolved, a query of the base dropped.

    :raises StorageError: the base or a key is no URL.
    """
    if _PLAIN_BASE.match(base) and all(_PLAIN_KEY.match(key) for key in keys):
        return "/".join([base.removesuffix("/"), *keys])
    try:
        parent = url.parse_url(base if base.endswith("/") else f"{base}/")
        return str(parent.resolve(url.parse_url("/".join(key.strip("/") for key in keys))))
    except url.UrlError as error:
        raise StorageError(base, f"Reference is of an invalid format: {error}") from None


def join_storage_path(base: str, *keys: str) -> str:
    """Below a folder of this machine, whose name stays as it is: a child process opens it literally."""
    return "/".join([base.rstrip("/"), *(key.strip("/") for key in keys)])


class LocalStore:
    """Files on this machine: plain paths, `file://` and `awsbatch://` URLs. Writes beside the file and renames; what it
    writes is for its user only.
    """

    def join(self, base: str, *keys: str) -> str:
        return join_storage_path(base, *keys)

    def exists(self, reference: str) -> bool:
        return os.path.isfile(local_path(reference))  # noqa: PTH113 - a large array's files are looked for one by one

    def existing_files(self, references: Collection[str]) -> Collection[str]:
        return {reference for reference in references if self.exists(reference)}

    def at_once(self, base: str) -> int:
        return 1

    def read_file(self, reference: str) -> bytes:
        try:
            # Not by `open`, which a test may mock around a call of a task.
            with io.FileIO(local_path(reference)) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(reference) from None
        except OSError as error:
            raise StorageError(reference, str(error)) from error

    def write_file(self, reference: str, data: bytes) -> None:
        try:
            replace_file(local_path(reference), data)
        except OSError as error:
            raise StorageError(reference, str(error)) from error


def local_path(reference: str) -> str:
    if reference.startswith("file:"):
        return url2pathname(urlsplit(reference).path)
    return path_of_awsbatch_url(reference) or reference


class LimitedStore:
    """Another store, whose files are refused when they are longer than propeller downloads (`storage.limits`)."""

    def __init__(self, inner: DataStore, megabytes: int) -> None:
        self._inner = inner
        self._megabytes = megabytes
        self.join, self.exists, self.existing_files = inner.join, inner.exists, inner.existing_files
        self.at_once, self.write_file = inner.at_once, inner.write_file

    def read_file(self, reference: str) -> bytes:
        data = self._inner.read_file(reference)
        if len(data) > self._megabytes * 2**20:
            found = f"{len(data) / 2**20:.2f} MB are more than storage.limits.maxDownloadMBs allows ({self._megabytes})"
            raise StorageError(reference, found)
        return data


class FsspecStore:
    """Files at any URL that fsspec knows (`s3://`, `gs://`, ...); the storage decides whether writes are atomic.

    May be used from several threads at once.

    :param filesystem: gives the file system of a URL. It must not remember listings: jobs write meanwhile.
    """

    def __init__(self, filesystem: Callable[[str], Any] | None = None) -> None:
        self._filesystem = filesystem or _of_fsspec

    def join(self, base: str, *keys: str) -> str:
        return join_storage_url(base, *keys)

    def exists(self, reference: str) -> bool:
        return bool(self._do(reference, lambda filesystem, path: filesystem.isfile(path)))

    def existing_files(self, references: Collection[str]) -> Collection[str]:
        """Many are looked for by listing the folder that they have in common."""
        if len(references) <= MOST_LOOKS:
            with ThreadPoolExecutor(self.at_once("")) as pool:
                found = pool.map(lambda reference: reference if self.exists(reference) else None, references)
                return {reference for reference in found if reference is not None}
        folder = os.path.commonpath([reference.rpartition("/")[0].partition("://")[2] for reference in references])
        scheme = next(iter(references)).partition("://")[0]

        def listed(filesystem: Any, path: str) -> Collection[str]:
            found = set(filesystem.find(path))
            return {reference for reference in references if filesystem._strip_protocol(reference) in found}

        return self._do(f"{scheme}://{folder}", listed)

    def at_once(self, base: str) -> int:
        return AT_ONCE

    def read_file(self, reference: str) -> bytes:
        return bytes(self._do(reference, lambda storage, path: storage.cat_file(path, **_in_one_piece(storage))))

    def write_file(self, reference: str, data: bytes) -> None:
        self._do(reference, lambda filesystem, path: filesystem.pipe_file(path, data))

    def _do(self, reference: str, work: Callable[[Any, str], T]) -> T:
        """What `work` makes of the file system of a reference and the path in it, with its errors as ours."""
        try:
            filesystem = self._filesystem(reference)
            return work(filesystem, filesystem._strip_protocol(reference))
        except FileNotFoundError as error:
            raise _not_found(reference, error) from None
        except Exception as error:
            # Each implementation has errors of its own: of credentials, of the network, of a package that is missing.
            raise StorageError(reference, str(error) or type(error).__name__) from error


def _of_fsspec(reference: str) -> Any:
    import fsspec

    scheme = reference.partition("://")[0]
    return fsspec.filesystem(scheme, use_listings_cache=False)


def _in_one_piece(filesystem: Any) -> Mapping[str, Any]:
    """Options that read a file in one request: s3fs first asks for its size, unless it may not divide it."""
    code = getattr(getattr(filesystem, "_cat_file", None), "__code__", None)
    return {"max_concurrency": 1} if code is not None and "max_concurrency" in code.co_varnames else {}


def _not_found(reference: str, error: FileNotFoundError) -> StorageError:
    """Tells a bucket that does not exist from a file that does not."""
    text = str(error)
    return StorageError(reference, text) if "bucket" in text.lower() else NotFoundError(reference)


class SchemeStore:
    """The store for a run: local files where the reference has no other scheme, fsspec otherwise."""

    def __init__(self, remote: DataStore | None = None) -> None:
        self._local = LocalStore()
        self._remote: DataStore = remote if remote is not None else FsspecStore()

    def join(self, base: str, *keys: str) -> str:
        return self._of(base).join(base, *keys)

    def exists(self, reference: str) -> bool:
        return self._of(reference).exists(reference)

    def existing_files(self, references: Collection[str]) -> Collection[str]:
        remote = [reference for reference in references if self._of(reference) is self._remote]
        here = [reference for reference in references if self._of(reference) is self._local]
        return {*self._local.existing_files(here), *(self._remote.existing_files(remote) if remote else ())}

    def at_once(self, base: str) -> int:
        return self._of(base).at_once(base)

    def read_file(self, reference: str) -> bytes:
        return self._of(reference).read_file(reference)

    def write_file(self, reference: str, data: bytes) -> None:
        self._of(reference).write_file(reference, data)

    def _of(self, reference: str) -> DataStore:
        return self._remote if "://" in reference and not reference.startswith(_LOCAL) else self._local


def storage_checkpoint_prefix(join: Callable[..., str], raw_output_prefix: str) -> str:
    """Where an attempt's checkpoint lies; "" without a prefix (`ioutils/raw_output_path.go`)."""
    return join(raw_output_prefix, CHECKPOINT_FOLDER) if raw_output_prefix else ""
