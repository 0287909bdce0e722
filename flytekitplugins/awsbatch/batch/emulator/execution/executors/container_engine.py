"""The container engine that jobs run on: whatever answers Docker's API. How one is found, and what is asked of it
beyond one container.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, NotFound, TLSParameterError
from docker.utils import kwargs_from_env
from requests import RequestException, Timeout
from urllib3.exceptions import HTTPError

from ...settings import PULL_ALWAYS, PULL_NEVER
from .protocol import CANNOT_CREATE, CANNOT_PULL, CANNOT_START, TIMED_OUT, NoEngineError, RefusedError

# Seconds for the first answer, and for one later; an engine with hundreds of containers takes its time.
FIRST_ANSWER, ANSWER_TIMEOUT = 30, 120
CONNECTIONS = 64
MOST_OF_MESSAGE = 200
# Podman's message begins with what it was doing and with the path of the OCI runtime, and ends with its reading of the
# runtime's words.
OF_PODMAN = re.compile(
    r"^(preparing container [0-9a-f]{12,64} for attach|container create"
    r"|normalizing image: normalizing name for compat API): "
)
END_OF_PODMAN = re.compile(
    r": OCI (runtime attempted to invoke a command that was not found|permission denied|runtime error)$"
)
RUNTIME = re.compile(r"^(?:\S*/)?(runc|crun|kata-runtime|runsc|youki): (?=\1 )?")
# ECS's word for what the engine was asked to do.
STEPS = {CANNOT_PULL: "pulled", CANNOT_CREATE: "created", CANNOT_START: "started"}
WELL_KNOWN = (
    "/var/run/docker.sock",
    "{runtime}/docker.sock",
    "{home}/.docker/run/docker.sock",
    "{runtime}/podman/podman.sock",
    "/run/podman/podman.sock",
)


@dataclass(frozen=True)
class Address:
    """:param source: what names it, in words."""

    source: str
    url: str
    tls: Any = None


def connect_engine(url: str = "", environ: Mapping[str, str] = os.environ) -> APIClient:
    """The engine at a URL; without one, the engine that `DOCKER_HOST` or the current docker context names, else the
    first that answers at one of the usual sockets. Raises NoEngineError.
    """
    tried: list[str] = []
    for address in engine_addresses(url, environ):
        try:
            client = APIClient(
                base_url=address.url,
                version="auto",
                timeout=FIRST_ANSWER,
                tls=address.tls or False,
                max_pool_size=CONNECTIONS,
            )
        except (DockerException, TLSParameterError, RequestException, OSError) as error:
            tried.append(f"{address.url} ({address.source}): {engine_words(error)}")
            continue
        client.timeout = ANSWER_TIMEOUT
        return client
    raise NoEngineError(
        "No container engine answers. Tried "
        + "; ".join(tried)
        + ". Start Docker, or Podman's service (`podman system service --time 0`), or name an engine in DOCKER_HOST or"
        " `emulator.container.engine`."
    )


def engine_addresses(url: str, environ: Mapping[str, str]) -> Iterator[Address]:
    """The addresses where an engine may be. If one is named, it is the only one."""
    if url:
        yield Address("emulator.container.engine", url)
        return
    if environ.get("DOCKER_HOST"):
        given = kwargs_from_env(environment=dict(environ))
        yield Address("DOCKER_HOST", environ["DOCKER_HOST"], given.get("tls"))
        return
    with contextlib.suppress(DockerException, OSError, ValueError, KeyError):
        context = ContextAPI.get_context(environ.get("DOCKER_CONTEXT") or None)
        if context is not None and context.Name != "default" and context.Host:
            yield Address(f"the docker context {context.Name}", context.Host, context.TLSConfig)
            return
    places = {
        "runtime": environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}",
        "home": environ.get("HOME") or str(Path.home()),
    }
    for path in WELL_KNOWN:
        yield Address("a usual socket", f"unix://{path.format(**places)}")


def engine_words(error: BaseException) -> str:
    """What an engine said about a call that it refused, else the innermost words of an error that has been wrapped many
    times.
    """
    explanation = getattr(error, "explanation", None)
    if explanation:
        text = explanation.decode("utf-8", "replace") if isinstance(explanation, bytes) else str(explanation)
        return " ".join(text.split())
    # What was being handled when all this began is not the engine's.
    while isinstance(inner := error.__cause__ or error.__context__, (DockerException, HTTPError, OSError)):
        error = inner
    return ((isinstance(error, OSError) and error.strerror) or str(error))[:MOST_OF_MESSAGE]


def engine_said(error: BaseException) -> str:
    """An engine's own words about a call that it refused, as ECS passes them on."""
    text = END_OF_PODMAN.sub(": unknown", OF_PODMAN.sub("", engine_words(error)))
    return f"Error response from daemon: {RUNTIME.sub('OCI runtime create failed: ', text)}"


@contextlib.contextmanager
def engine_refusals(error: str) -> Iterator[None]:
    """Raises RefusedError, by ECS's name, where the engine refuses or does not answer."""
    try:
        yield
    except APIError as refused:
        raise RefusedError(error, engine_said(refused)) from refused
    except Timeout as silent:
        words = f"Could not transition to {STEPS[error]}; the container engine does not answer"
        raise RefusedError(TIMED_OUT, words) from silent


class Images:
    """Brings images that are missing, each once however many attempts wait for it.

    :param pull: `missing`, `always` or `never`.
    """

    def __init__(self, client: APIClient, pull: str) -> None:
        self._client = client
        self._pull = pull
        self._lock = threading.Lock()
        self._pulling: dict[str, Future[None]] = {}

    def ensure_image(self, image: str) -> None:
        """Raises RefusedError for an image that is not there and cannot be brought."""
        if self._pull != PULL_ALWAYS and self._is_here(image):
            return
        if self._pull == PULL_NEVER:
            words = f"no such image: {image} (emulator.container.pull: never)"
            raise RefusedError(CANNOT_PULL, f"Error response from daemon: {words}")
        with self._lock:
            others = self._pulling.get(image)
            mine: Future[None] = Future()
            if others is None:
                self._pulling[image] = mine
        if others is not None:
            others.result()
            return
        try:
            self._bring(image)
            mine.set_result(None)
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._pulling[image]

    def _is_here(self, image: str) -> bool:
        try:
            self._client.inspect_image(image)
        except NotFound:
            return False
        except APIError as error:
            # The name is none of an image.
            raise RefusedError(CANNOT_PULL, engine_said(error)) from error
        return True

    def _bring(self, image: str) -> None:
        try:
            for line in self._client.pull(image, stream=True, decode=True):
                if line.get("error"):
                    words = " ".join(str(line["error"]).split())
                    raise RefusedError(CANNOT_PULL, f"Error response from daemon: {words}")
        except (DockerException, RequestException) as error:
            # ECS_IMAGE_PULL_BEHAVIOR's default: a local image is used where the registry cannot be reached.
            if self._pull == PULL_ALWAYS and self._is_here(image):
                return
            raise RefusedError(CANNOT_PULL, engine_said(error)) from error


def labelled_containers(client: APIClient, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """All containers with these labels, running or not: Docker's summaries."""
    filters: Sequence[str] = [f"{name}={value}" for name, value in labels.items()]
    found: list[dict[str, Any]] = client.containers(all=True, filters={"label": filters})
    return found


def remove_container(client: APIClient, container: str) -> None:
    """Kills a container, if it still exists, and removes it with the volumes that were made for it.

    Raises docker's and requests' errors.
    """
    try:
        client.remove_container(container, v=True, force=True)
    except NotFound:
        pass
    except APIError as error:
        # Another process is removing it at this moment.
        if "already in progress" not in str(error) and "no such container" not in str(error).lower():
            raise
