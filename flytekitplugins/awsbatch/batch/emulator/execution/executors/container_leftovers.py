"""Ends the containers of a service that is gone. The supervisor runs this as a command when its service has died; the
next service on the home does the same where the supervisor died too.

Containers that had ended by themselves are written into the instance's journal, as the service would have done.

Arguments: the engine's URL, the home's label, the instance's name, the instance's directory.
"""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dateutil.parser import isoparse
from docker import APIClient
from docker.errors import DockerException
from requests import RequestException

from ..... import machine_time
from ..instance import JOURNAL
from ..reaper import KILLED, reaper_journal_line
from . import container_engine
from .protocol import NoEngineError

HOME, SERVICE, JOB, ATTEMPT = (f"flyte-awsbatch.{name}" for name in ("home", "service", "job", "attempt"))
# Seconds to wait for an engine.
WAIT_SECONDS = 120.0
# Removed at the same time.
SIDE_BY_SIDE = 8

log = logging.getLogger(__name__)


def leftovers_label(home: Path) -> str:
    """The label of a home's containers, on an engine that other machines may use as well."""
    return f"{platform.node()}:{home}"


def end_leftovers(client: APIClient, home: str, service: str, directory: Path) -> None:
    """Ends and removes the containers of one instance."""
    found = container_engine.labelled_containers(client, {HOME: home, SERVICE: service})
    if not found:
        return
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        lines = list(pool.map(lambda each: _end_one(client, each), found))
    # A full disk must not stop the rest.
    with contextlib.suppress(OSError), (directory / JOURNAL).open("ab") as journal:
        journal.write(b"".join(lines))


def _end_one(client: APIClient, container: dict[str, Any]) -> bytes:
    """The journal's line of a container that ended by itself."""
    name, line = container["Id"], b""
    try:
        with contextlib.suppress(DockerException):
            client.kill(name)
        state = client.inspect_container(name)["State"]
        # Podman's zero time has no year either.
        if state["ExitCode"] != KILLED and state["Status"] == "exited":
            line = reaper_journal_line(
                container["Labels"][ATTEMPT], state["ExitCode"], False, leftover_ended_at(state), 0, 0.0
            )
        container_engine.remove_container(client, name)
    except (DockerException, RequestException) as error:
        log.warning("container %s of a dead service: %s", name[:12], container_engine.engine_words(error))
    return line


def leftover_ended_at(state: dict[str, Any]) -> float:
    """When a container ended, in seconds since the epoch; now where the engine does not say so in ISO form."""
    with contextlib.suppress(ValueError):
        ended = isoparse(state.get("FinishedAt") or "")
        # Of what has not happened it is the year 1.
        if ended.year > 1:
            return float(ended.timestamp())
    return machine_time.wall()


def main(url: str, home: str, service: str, directory: str) -> None:
    until = machine_time.monotonic() + WAIT_SECONDS
    while True:
        try:
            client = container_engine.connect_engine(url, os.environ)
        except NoEngineError:
            # It may have been stopped with the service, and its containers go on.
            if machine_time.monotonic() > until:
                raise
            time.sleep(1)
        else:
            end_leftovers(client, home, service, Path(directory))
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
