"""Who owns the files that containers write into folders of this machine.

The root of a container is the root of the machine unless the engine runs rootless: what it writes a user could not
remove. So a file that belongs to somebody else when an attempt has ended is given to this process's user, by a
container of the same image, before the attempt's end is reported.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import DockerException
from requests import RequestException

from . import container_engine


class Ownership:
    """:param warn: called when an image has no `chown`."""

    def __init__(
        self, client: APIClient, warn: Callable[[str], None], uid: int | None = None, gid: int | None = None
    ) -> None:
        self._client = client
        self._warn = warn
        self._uid = os.geteuid() if uid is None else uid
        self._gid = os.getegid() if gid is None else gid
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: dict[str, set[Path]] = defaultdict(set)

    @property
    def needed(self) -> bool:
        """Whether owners have to be changed: root may remove anything."""
        return self._uid != 0

    def give_to_user(self, body: Mapping[str, Any], words: Iterable[str]) -> None:
        """Gives this process's user the files that an attempt wrote below the paths that its command names.

        :param body: the request that made its container.
        """
        mounts = [each for each in body["HostConfig"].get("Mounts", ()) if each["Type"] == "bind"]
        writable = [Path(each["Source"]) for each in mounts if not each["ReadOnly"]]
        found = {path for named in _named_paths(words, writable) for path in _foreign(*named, self._uid)}
        if not found:
            return
        image = body["Image"]
        with self._lock:
            self._waiting[image] |= found
        # Attempts that end meanwhile are settled together.
        with self._turn:
            with self._lock:
                paths = self._waiting.pop(image, set())
            if paths:
                self._give(body, sorted(map(str, paths)))

    def _give(self, body: Mapping[str, Any], paths: Sequence[str]) -> None:
        host = {name: body["HostConfig"].get(name) for name in ("Mounts", "SecurityOpt", "Runtime", "Ulimits")}
        container = ""
        try:
            container = self._client.create_container_from_config(
                {
                    "Image": body["Image"],
                    "Labels": body["Labels"],
                    "Entrypoint": ["chown"],
                    "Cmd": ["-R", "-h", f"{self._uid}:{self._gid}", *paths],
                    "User": "0:0",
                    "HostConfig": {**{name: value for name, value in host.items() if value}, "NetworkMode": "none"},
                }
            )["Id"]
            self._client.start(container)
            failed = self._client.wait(container)["StatusCode"]
        except (DockerException, RequestException) as error:
            failed = container_engine.engine_said(error)
        if failed:
            self._warn(
                f"files that {body['Image']} wrote belong to another user, and chown does not run there ({failed})"
            )
        if container:
            container_engine.remove_container(self._client, container)


def _named_paths(words: Iterable[str], folders: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """The paths below a folder that a command's words name, each after its folder."""
    for word in words:
        for folder in folders:
            place = word.find(f"{folder}/")
            if place >= 0:
                yield folder, Path(os.path.normpath(word[place:]))


def _foreign(folder: Path, path: Path, uid: int) -> Iterator[Path]:
    """Files of other users among a path's parents below a folder, and below the path itself: the topmost of each."""
    if not path.is_relative_to(folder):
        return
    here = folder
    for part in path.relative_to(folder).parts:
        here /= part
        try:
            if here.lstat().st_uid != uid:
                yield here
                return
        except OSError:
            return
    waiting = [path]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_uid != uid:
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
