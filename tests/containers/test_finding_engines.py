"""Which engine is asked, and what is said where none answers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import docker
import pytest
from container_engines import TestEngine

from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_engine import (
    NoEngineError,
    connect_engine,
    engine_addresses,
    engine_said,
)


def test_what_settings_name_wins_over_docker_host(container_engine: TestEngine) -> None:
    assert connect_engine(container_engine.url, {"DOCKER_HOST": "unix:///nothing"}).version()["ApiVersion"]


def test_docker_host_is_podmans_socket_as_well(container_engine: TestEngine) -> None:
    assert connect_engine("", {"DOCKER_HOST": container_engine.url}).version()["ApiVersion"]


def test_the_current_docker_context_is_used(
    container_engine: TestEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meta = tmp_path / ".docker" / "contexts" / "meta" / hashlib.sha256(b"mine").hexdigest()
    meta.mkdir(parents=True)
    endpoint = {"docker": {"Host": container_engine.url, "SkipTLSVerify": False}}
    (meta / "meta.json").write_text(json.dumps({"Name": "mine", "Metadata": {}, "Endpoints": endpoint}))
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"currentContext": "mine"}))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    monkeypatch.setenv("HOME", str(tmp_path))

    assert [(one.source, one.url) for one in engine_addresses("", {"HOME": str(tmp_path)})] == [
        ("the docker context mine", container_engine.url)
    ]


# Short: the address of a socket has at most 107 characters.
NOWHERE = "/no-such-folder"


def test_one_error_says_everything_that_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", NOWHERE)
    monkeypatch.setattr(
        "flytekitplugins.awsbatch.batch.emulator.execution.executors.container_engine.WELL_KNOWN",
        ("{home}/first.sock", "{runtime}/second.sock"),
    )

    with pytest.raises(NoEngineError) as caught:
        connect_engine("", {"HOME": NOWHERE, "XDG_RUNTIME_DIR": f"{NOWHERE}/run"})

    missing = "(a usual socket): No such file or directory"
    assert str(caught.value).startswith(
        f"No container engine answers. Tried unix://{NOWHERE}/first.sock {missing}; "
        f"unix://{NOWHERE}/run/second.sock {missing}. Start Docker"
    )


def test_a_host_that_is_named_is_the_only_one_tried() -> None:
    with pytest.raises(NoEngineError) as caught:
        connect_engine("", {"DOCKER_HOST": f"unix://{NOWHERE}/nothing"})

    assert "DOCKER_HOST): No such file" in str(caught.value)
    assert "usual" not in str(caught.value)


@pytest.mark.parametrize(
    ("podman", "shown"),
    [
        (
            "preparing container 0123456789abcdef for attach: /usr/sbin/runc: runc create failed: exec: "
            '"x": executable file not found in $PATH: OCI runtime attempted to invoke a command that was not found',
            'OCI runtime create failed: runc create failed: exec: "x": executable file not found in $PATH: unknown',
        ),
        (
            "crun: cgroups in hybrid mode not supported: OCI runtime error",
            "OCI runtime create failed: cgroups in hybrid mode not supported: unknown",
        ),
        (
            "normalizing image: normalizing name for compat API: repository name must be lowercase",
            "repository name must be lowercase",
        ),
    ],
)
def test_what_podman_says_is_shown_in_dockers_words(podman: str, shown: str) -> None:
    refused = docker.errors.APIError("500 Server Error", explanation=podman)

    assert engine_said(refused) == f"Error response from daemon: {shown}"


def test_only_what_the_engine_is_the_cause_of_is_said() -> None:
    try:
        raise ValueError("what was handled when all this began")
    except ValueError:
        with pytest.raises(NoEngineError) as caught:
            connect_engine("unix:///nothing")

    assert "Tried unix:///nothing (emulator.container.engine): No such file or directory. Start" in str(caught.value)
