"""The one composer: from a task call in flytekit to its outputs, through admin, propeller and a Batch service."""

from __future__ import annotations

from typing import Any

__all__ = ["emulation", "run"]


def __getattr__(name: str) -> Any:
    # The composer pulls in the whole deployment; whoever only reads settings or records need not wait for it.
    if name == "run":
        from .composer import run

        return run
    if name == "emulation":
        from .block import emulation

        return emulation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
