"""What AWS Batch's SubmitJob accepts, as far as a user's config can say it. Reads the service model only when asked to.

The model is a data file made from botocore's (tests/sdk/sdk_submit_job_model.py), so that nothing imports botocore.
"""

from __future__ import annotations

import difflib
import functools
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

# Set by the handler whatever the custom says (`FlyteTaskToBatchInput`, `UpdateBatchInputForArray` in Flyte's awsbatch).
OVERWRITTEN = {
    "jobName": "the handler names the job after the node",
    "jobQueue": "FlyteAdmin chooses the queue, by the deployment's queue rules",
    "jobDefinition": "the handler registers one for image and role",
    "containerOverrides": "command, environment and resources come from the task itself",
    "retryStrategy": "use @task(retries=...)",
    "timeout": "use @task(timeout=...)",
    "arrayProperties": "use flytekitplugins.awsbatch.map_task",
}
# What people look for in a config, as they may spell it.
SAID_ELSEWHERE = {
    **dict.fromkeys(("queue", "dynamicqueue", "childqueue"), OVERWRITTEN["jobQueue"]),
    **dict.fromkeys(("retries", "attempts"), OVERWRITTEN["retryStrategy"]),
    **dict.fromkeys(
        ("vcpu", "vcpus", "cpu", "memory", "mem", "gpu", "resources", "requests", "limits"),
        "use @task(limits=Resources(...))",
    ),
    "image": "use @task(container_image=...)",
    "containerimage": "use @task(container_image=...)",
    "environment": "use @task(environment=...)",
    "command": "flytekit writes it",
    "jobrolearn": "FlyteAdmin chooses the role, by the launch and the deployment",
    "role": "FlyteAdmin chooses the role, by the launch and the deployment",
    "arraysize": OVERWRITTEN["arrayProperties"],
}
OWN_FIELDS = ("parameters", "propagateTags", "tags")
# Newer than the AWS SDK for Go that Flyte 1.16 is built with (v1.55.5), which leaves out what it does not know.
UNKNOWN_TO_FLYTE = ("consumableResourcePropertiesOverride",)
# From the API reference; botocore's model has no constraint for these.
PATTERNS = {"shareIdentifier": (re.compile(r"[A-Za-z0-9]{1,255}\*?"), "up to 255 letters and digits")}
RANGES: dict[str, tuple[float, float]] = {"schedulingPriorityOverride": (0, 9999)}

Shape: TypeAlias = Mapping[str, Any]
# Names the place, says what stands there and what was expected.
Complaint: TypeAlias = str
Check: TypeAlias = Callable[[str, Any, Shape, str], list[Complaint]]
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "list": (list, tuple),
    "map": (Mapping,),
    "structure": (Mapping,),
}
WORDS = {
    "string": "a text",
    "boolean": "True or False",
    **dict.fromkeys(("integer", "long"), "a whole number"),
    **dict.fromkeys(("float", "double"), "a number"),
    "list": "a list",
    **dict.fromkeys(("map", "structure"), "a mapping"),
}


def bare(name: str) -> str:
    """A name without what spellings differ in."""
    return name.replace("_", "").lower()


def advice(name: str, fields: Sequence[str]) -> str:
    """What follows `has no field 'name'` of a config.

    :param fields: those that it has.
    """
    members = {bare(one): one for one in request_members()}
    known = members.get(bare(name))
    if known in OVERWRITTEN:
        return f": {OVERWRITTEN[known]}"
    if bare(name) in SAID_ELSEWHERE:
        return f": {SAID_ELSEWHERE[bare(name)]}"
    if known is None or known in fields:
        close = difflib.get_close_matches(bare(name), [one for one in members if members[one] not in fields], 1, 0.8)
        known = members[close[0]] if close else None
    if known is not None and known not in OVERWRITTEN:
        return f"; pass it as extra={{{known!r}: ...}}"
    return suggestion(name, fields)


@functools.cache
def request_members() -> dict[str, Any]:
    text = Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    members: dict[str, Any] = json.loads(text)["request"]["members"]
    return members


def complaints_about_extra(extra: Any) -> list[Complaint]:
    """What is wrong with fields that a user passes through to SubmitJob, each with what to do."""
    if not isinstance(extra, Mapping):
        return [f"extra is {extra!r}; expected a mapping of SubmitJob fields"]
    found: list[Complaint] = []
    members = request_members()
    allowed = [name for name in members if name not in (*OVERWRITTEN, *OWN_FIELDS, *UNKNOWN_TO_FLYTE)]
    for name, value in extra.items():
        if not isinstance(name, str):
            found.append(f"extra has the key {name!r}; expected the name of a SubmitJob field")
        elif name in OVERWRITTEN:
            found.append(f"extra[{name!r}] would not reach AWS Batch: {OVERWRITTEN[name]}")
        elif name in OWN_FIELDS:
            found.append(f"extra[{name!r}] has a field of its own: AWSBatchConfig({name}=...)")
        elif name in UNKNOWN_TO_FLYTE:
            found.append(f"extra[{name!r}] would not reach AWS Batch: the AWS SDK in Flyte 1.16 does not know it")
        elif name not in allowed:
            overwritten = next((why for one, why in OVERWRITTEN.items() if bare(one) == bare(name)), "")
            said = f" that would reach AWS Batch: {overwritten}" if overwritten else suggestion(name, allowed)
            found.append(f"extra[{name!r}] is no field of SubmitJob{said}")
        else:
            found.extend(complaints(f"extra[{name!r}]", value, members[name], name))
    return found


def complaints(where: str, value: Any, shape: Shape, name: str = "") -> list[Complaint]:
    """What is wrong with one value, by the service model's description of it.

    :param name: of the field that holds the value, for what only the API reference says.
    """
    kind = shape["type"]
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [f"{where} is {value!r}; expected {WORDS[kind]}"]
    checks: dict[str, Check] = {
        "structure": structure_complaints,
        "list": list_complaints,
        "map": map_complaints,
        "string": string_complaints,
    }
    return checks.get(kind, number_complaints)(where, value, shape, name)


def list_complaints(where: str, value: Sequence[Any], shape: Shape, _: str) -> list[Complaint]:
    found = limits(where, len(value), "entries", shape)
    for place, one in enumerate(value):
        found += complaints(f"{where}[{place}]", one, shape["member"])
    return found


def map_complaints(where: str, value: Mapping[Any, Any], shape: Shape, _: str) -> list[Complaint]:
    found = limits(where, len(value), "entries", shape)
    for key, one in value.items():
        found += complaints(f"the key {key!r} of {where}", key, shape["key"])
        found += complaints(f"{where}[{key!r}]", one, shape["value"])
    return found


def number_complaints(where: str, value: float, shape: Shape, name: str) -> list[Complaint]:
    low, high = RANGES.get(name, (shape.get("min", -math.inf), shape.get("max", math.inf)))
    return [] if low <= value <= high else [f"{where} is {value}; expected {low} to {high}"]


def structure_complaints(where: str, value: Mapping[str, Any], shape: Shape, _: str) -> list[Complaint]:
    members = shape["members"]
    found = [f"{where} lacks {name!r}" for name in shape.get("required", ()) if name not in value]
    for name, one in value.items():
        if name not in members:
            found.append(f"{where} has no field {name!r}{suggestion(str(name), members)}")
        else:
            found += complaints(f"{where}[{name!r}]", one, members[name], name)
    return found


def string_complaints(where: str, value: str, shape: Shape, name: str) -> list[Complaint]:
    if "enum" in shape and value not in shape["enum"]:
        return [f"{where} is {value!r}; expected {', '.join(shape['enum'])}"]
    if name in PATTERNS and not PATTERNS[name][0].fullmatch(value):
        return [f"{where} is {value!r}; expected {PATTERNS[name][1]}"]
    if "pattern" in shape and not re.fullmatch(shape["pattern"], value):
        return [f"{where} is {value!r}; expected a match of {shape['pattern']}"]
    return limits(where, len(value), "characters", shape)


def limits(where: str, size: int, unit: str, shape: Shape) -> list[Complaint]:
    low, high = shape.get("min", 0), shape.get("max")
    if size < low or (high is not None and size > high):
        return [f"{where} has {size} {unit}; expected {low} to {high}"]
    return []


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?`, or what there is."""
    names = list(known)
    by_case = {one.lower(): one for one in names}
    close = [by_case[one] for one in difflib.get_close_matches(name.lower(), by_case, n=1, cutoff=0.6)]
    return f"; did you mean {close[0]!r}?" if close else f"; expected one of {', '.join(names)}"
