"""The storage of files, directories and dataframes on this machine: what S3 is to a real deployment.

`awsbatch://home/me/.flyte/...` stands for a file below `/home/me/.flyte/...`. flytekit and users' own code reach it
through fsspec, as they reach S3: they download copies of their own and upload what they made, and no name that they see
is a path on this machine. Unlike S3 it knows directories, so an empty one survives.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.implementations.local import LocalFileSystem

from ..wire import RAW_SCHEME

# How much one system call copies.
_CHUNK = 2**30


def _copy_file(source: str, target: str) -> None:
    """Copies a file's contents over `target` in one step: nobody sees half of it.

    The kernel copies: on file systems that can share blocks (XFS, Btrfs) this takes no space until one side changes.
    """
    beside = f"{os.path.dirname(target)}/.copying-{uuid.uuid4().hex}"  # noqa: PTH120
    try:
        with open(source, "rb") as reader, open(beside, "xb") as writer:  # noqa: PTH123
            _copy(reader, writer)
        os.replace(beside, target)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)  # noqa: PTH108
        raise


def _copy(reader: Any, writer: Any) -> None:
    if hasattr(os, "copy_file_range"):
        with contextlib.suppress(OSError):
            while os.copy_file_range(reader.fileno(), writer.fileno(), _CHUNK):
                pass
    # Whatever is left: nothing, or everything where the kernel cannot copy between these two.
    shutil.copyfileobj(reader, writer, 2**20)


class RawFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """fsspec's view of the storage. Names are keys: absolute paths without their first slash."""

    protocol = RAW_SCHEME
    root_marker = ""
    local_file = False

    @staticmethod
    def _path(key: str) -> str:
        return f"/{RawFileSystem._strip_protocol(key)}"

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return self._info(self._strip_protocol(path), os.stat(self._path(path)))  # noqa: PTH116

    @staticmethod
    def _info(key: str, status: os.stat_result) -> dict[str, Any]:
        kind = "directory" if stat.S_ISDIR(status.st_mode) else "file"
        return {"name": key, "size": status.st_size, "type": kind, "created": status.st_ctime, "mtime": status.st_mtime}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        found = list(self._list(path))
        return found if detail else [one["name"] for one in found]

    def _list(self, path: str) -> Iterator[dict[str, Any]]:
        key = self._strip_protocol(path)
        if not os.path.isdir(self._path(path)):  # noqa: PTH112
            yield self.info(path)
            return
        with os.scandir(self._path(path)) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                with contextlib.suppress(FileNotFoundError):
                    yield self._info(f"{key}/{entry.name}".lstrip("/"), entry.stat())

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> Any:
        if mode != "rb":
            self._parents_of(path)
        return open(self._path(path), mode)  # noqa: PTH123

    def _parents_of(self, path: str) -> None:
        os.makedirs(os.path.dirname(self._path(path)), 0o700, exist_ok=True)  # noqa: PTH103, PTH120

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        self.makedirs(path, exist_ok=True)

    def touch(self, path: str, truncate: bool = True, **_: Any) -> None:
        if truncate:
            self._open(path, "wb").close()
        else:
            os.utime(self._path(path))

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        os.makedirs(self._path(path), 0o700, exist_ok=exist_ok)  # noqa: PTH103

    def get_file(self, rpath: str, lpath: Any, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **_: Any) -> None:
        if self.isdir(rpath):
            os.makedirs(lpath, exist_ok=True)  # noqa: PTH103
            return
        if outfile is not None or not isinstance(lpath, (str, os.PathLike)):
            super().get_file(rpath, lpath, callback, outfile)
            return
        target = os.path.abspath(lpath)  # noqa: PTH100
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        _copy_file(self._path(rpath), target)

    def put_file(self, lpath: str, rpath: str, callback: Any = DEFAULT_CALLBACK, **_: Any) -> None:
        if os.path.isdir(lpath):  # noqa: PTH112
            self.makedirs(rpath, exist_ok=True)
            return
        self._parents_of(rpath)
        _copy_file(LocalFileSystem._strip_protocol(lpath), self._path(rpath))

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        self.put_file(self._path(path1), path2)

    def rm_file(self, path: str) -> None:
        # fsspec removes a tree by calling only this: for its files first, then for its directories.
        if self.isdir(path):
            self.rmdir(path)
        else:
            os.unlink(self._path(path))  # noqa: PTH108

    def rmdir(self, path: str) -> None:
        os.rmdir(self._path(path))  # noqa: PTH106

    def created(self, path: str) -> Any:
        return self.info(path)["created"]

    def modified(self, path: str) -> Any:
        return self.info(path)["mtime"]
