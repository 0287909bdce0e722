"""One call, run twice: by plain flytekit in this process, and through the emulated AWS Batch."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from flytekit import StructuredDataset
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.schema import FlyteSchema

from flytekitplugins.awsbatch.local.all_settings import DEFAULT
from flytekitplugins.awsbatch.sdk import switch
from flytekitplugins.awsbatch.testing import Emulation

T = TypeVar("T")


def with_emulator(**keys: Any) -> dict[str, Any]:
    """The settings that a run without a file has, and some keys of `emulator`."""
    given: dict[str, Any] = yaml.safe_load(DEFAULT)
    given["emulator"].update(keys)
    return given


def plainly(call: Callable[[], T]) -> T:
    """The call as flytekit alone runs it, whatever deployment is open."""
    with switch.emulation_overridden(False):
        return call()


def emulated(batch: Emulation, call: Callable[[], T]) -> tuple[T, list[dict[str, Any]]]:
    """(what the call gives, the SubmitJob requests that it made)."""
    before = len(batch.requests)
    value = call()
    return value, batch.requests[before:]


def compared(batch: Emulation, call: Callable[[], Any], *, jobs: list[int] | Counter[int]) -> Any:
    """What an emulated run of the call gives, once it is shown to be what plain flytekit gives.

    :param jobs: the sizes of the arrays that the call submits, in order; 1 for a single job. A Counter where nodes
        that run beside each other submit them in any order.
    """
    expected = seen(plainly(call))
    value, requests = emulated(batch, call)
    assert seen(value) == expected
    sizes = [request.get("arrayProperties", {"size": 1})["size"] for request in requests]
    assert (Counter(sizes) if isinstance(jobs, Counter) else sizes) == jobs
    return value


def seen(value: Any) -> Any:
    """A value as a user sees it: files and folders by what is in them, tables by their columns."""
    if isinstance(value, FlyteFile):
        return Path(value.download()).read_text()
    if isinstance(value, FlyteDirectory):
        folder = Path(value.download())
        return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    if isinstance(value, StructuredDataset):
        import pandas as pd

        return seen(value.open(pd.DataFrame).all())
    if isinstance(value, FlyteSchema):
        return seen(value.open().all())
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict("list")
    if isinstance(value, list):
        return [seen(one) for one in value]
    if isinstance(value, dict):
        return {key: seen(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return tuple(seen(one) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: seen(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def a_file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def scratch() -> Path:
    """A folder of this call's own: in plain flytekit the items of a map have one process, and one working directory."""
    return Path(tempfile.mkdtemp())
