"""The services that the contract is held against: ours in process, ours over HTTP through boto3, and moto's server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import in_process, moto, moto_server, over_http

from flytekitplugins.awsbatch.batch.api import BatchCalls


@pytest.fixture(scope="session")
def moto_service() -> Iterator[BatchCalls]:
    server = moto_server()
    if server is None:
        pytest.skip("moto's server is not installed: make test-all installs it")
    with moto(server) as service:
        yield service


@pytest.fixture(params=["in process", "http", "moto"])
def batch(
    request: pytest.FixtureRequest, tmp_path: Path, isolated: Callable[[Path], dict[str, Any]]
) -> Iterator[BatchCalls]:
    if request.param == "moto":
        disagrees = request.node.get_closest_marker("moto_disagrees")
        if disagrees is not None:
            request.applymarker(pytest.mark.xfail(reason=f"moto: {disagrees.args[0]}", strict=True))
        yield request.getfixturevalue("moto_service")
        return
    with (in_process if request.param == "in process" else over_http)(
        tmp_path / "home", **isolated(tmp_path)
    ) as service:
        yield service
