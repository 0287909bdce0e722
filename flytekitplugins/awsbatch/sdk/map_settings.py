"""The settings of one map: checked where they are written, put as the handler reads them, told apart in the name."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

from flytekit.core.base_task import TaskMetadata

# What the constructor of a map hands on to flytekit's PythonTask and Task.
OPTIONS = ("metadata", "security_ctx", "docs", "enable_deck", "disable_deck", "deck_fields")


def checked_map_parallelism(concurrency: int | None) -> int:
    """0 for as many as there is room for, which is what None means. Raises ValueError for what is no such number."""
    if concurrency is None:
        return 0
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 0:
        raise ValueError(f"concurrency is {concurrency!r}; expected a whole number, 0 or more")
    return concurrency


def checked_min_success_ratio(ratio: float | None) -> float:
    """A 32-bit float, above 0 and at most 1, so that the handler counts as the user does. None means 1."""
    if ratio is None:
        return 1.0
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio <= 1:
        raise ValueError(
            f"min_success_ratio is {ratio!r}; expected a number above 0 and at most 1. For an array nearly all of "
            "whose items may fail, give a small one: 0.0001 asks for one success."
        )
    return max(map_ratio_as_float32(float(ratio)), SMALLEST_RATIO)


def map_array_job(parallelism: int, ratio: float) -> dict[str, Any]:
    """Flyte's `ArrayJob` as it stands in a template's custom.

    By hand, since flytekit's `ArrayJob.to_dict` leaves out a parallelism of 0. The ratio is always there: the handler
    takes a missing one as 0 and calls an array without a single success a success.
    """
    return {"parallelism": str(parallelism), "minSuccessRatio": ratio}


def map_settings_name_suffix(parallelism: int, ratio: float, others: Mapping[str, Any]) -> str:
    """What a map's name needs after flytekit's own, since Flyte refuses two structures under one name.

    Empty for default settings, so that launch plans and caches of flytekit's legacy map task stay valid; else eight
    digits that are the same as long as the settings are.

    :param others: further settings in which the map differs from the mapped task.
    """
    settings = dict(others)
    if parallelism:
        settings["parallelism"] = parallelism
    if ratio != 1.0:
        settings["minSuccessRatio"] = ratio
    if not settings:
        return ""
    text = json.dumps(settings, sort_keys=True, default=str)
    return f"_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def map_ratio_as_float32(value: float) -> float:
    """The largest 32-bit float that is not above a value between 0 and 1.

    The handler computes `ceil(float32(ratio) * size)`: 0.1 is 0.100000001 there and asks for 2 of 10.
    """
    (nearest,) = struct.unpack("<f", struct.pack("<f", value))
    if nearest <= value:
        return float(nearest)
    # The bits of a positive float, read as a number, count up with its value.
    (bits,) = struct.unpack("<I", struct.pack("<f", nearest))
    (below,) = struct.unpack("<f", struct.pack("<I", bits - 1))
    return float(below)


# The least positive 32-bit float that is not subnormal: one success, whatever the size.
SMALLEST_RATIO = 2.0**-126


def refuse_map_options(options: dict[str, Any]) -> None:
    """Raises for keyword arguments of map_task that flytekit would drop without a word."""
    if "min_successes" in options:
        raise ValueError(
            "min_successes is not supported: the aws_array handler ignores it in map tasks and would let every item "
            "fail. Use min_success_ratio."
        )
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise TypeError(
            f"map_task does not know {', '.join(unknown)}; expected {', '.join(OPTIONS)}. Image, environment and "
            "resources are those of the mapped task."
        )
    metadata = options.get("metadata")
    if metadata is not None and not isinstance(metadata, TaskMetadata):
        raise TypeError(f"map_task: metadata is {metadata!r}; expected a TaskMetadata, such as TaskMetadata(retries=2)")
