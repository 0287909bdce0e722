"""What AWS Batch's SubmitJob accepts, as far as a user's config can say it. The service model is read when it is first
needed.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from flytekitplugins.awsbatch.shape_walker import Shape, fits_shape, submit_job_shape, walk_shape

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
# Fields that people look for in a config, by `_bare_field_name` spelling, and where to set them instead.
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

# A sentence that names the place, the value and what was expected.
Complaint: TypeAlias = str
WORDS = {
    "string": "a text",
    "boolean": "True or False",
    **dict.fromkeys(("integer", "long"), "a whole number"),
    **dict.fromkeys(("float", "double"), "a number"),
    "list": "a list",
    **dict.fromkeys(("map", "structure"), "a mapping"),
}


def _bare_field_name(name: str) -> str:
    """A name in lower case and without underscores, to compare spellings by."""
    return name.replace("_", "").lower()


def advice_on_field(name: str, fields: Sequence[str]) -> str:
    """What follows `has no field 'name'` of a config.

    :param fields: those that it has.
    """
    members = {_bare_field_name(one): one for one in submit_job_members()}
    known = members.get(_bare_field_name(name))
    if known in OVERWRITTEN:
        return f": {OVERWRITTEN[known]}"
    if _bare_field_name(name) in SAID_ELSEWHERE:
        return f": {SAID_ELSEWHERE[_bare_field_name(name)]}"
    if known is None or known in fields:
        close = difflib.get_close_matches(
            _bare_field_name(name), [one for one in members if members[one] not in fields], 1, 0.8
        )
        known = members[close[0]] if close else None
    if known is not None and known not in OVERWRITTEN:
        return f"; pass it as extra={{{known!r}: ...}}"
    return _suggestion(name, fields)


def submit_job_members() -> Mapping[str, Shape]:
    members: Mapping[str, Shape] = submit_job_shape()["members"]
    return members


def submit_job_extra_complaints(extra: Any) -> list[Complaint]:
    """What is wrong with fields that a user passes through to SubmitJob, each with what to do."""
    if not isinstance(extra, Mapping):
        return [f"extra is {extra!r}; expected a mapping of SubmitJob fields"]
    found: list[Complaint] = []
    members = submit_job_members()
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
            overwritten = next(
                (why for one, why in OVERWRITTEN.items() if _bare_field_name(one) == _bare_field_name(name)), ""
            )
            said = f" that would reach AWS Batch: {overwritten}" if overwritten else _suggestion(name, allowed)
            found.append(f"extra[{name!r}] is no field of SubmitJob{said}")
        else:
            found.extend(_submit_job_complaints(name, value, members[name]))
    return found


def _submit_job_complaints(field: str, value: Any, shape: Shape) -> list[Complaint]:
    """What is wrong with the value of a field of `extra`, by the service model's description of it."""
    found: list[Complaint] = []
    places = walk_shape(shape, value, f"extra[{field!r}]", lambda outer, step: f"{outer}[{step!r}]", nulls=True)
    for inner_shape, inner, place in places:
        found += _own_complaints(inner_shape, inner, place, field if inner is value else "")
    return found


def _own_complaints(shape: Shape, value: Any, where: str, field: str) -> list[Complaint]:
    """What is wrong with one value, but for what is inside it.

    :param field: of SubmitJob, when this is its value: there the API reference says more than the model.
    """
    kind = shape["type"]
    if not fits_shape(shape, value):
        return [f"{where} is {value!r}; expected {WORDS[kind]}"]
    if kind == "structure":
        missing = [f"{where} lacks {name!r}" for name in shape.get("required", ()) if name not in value]
        unknown = [name for name in value if name not in shape["members"]]
        return missing + [
            f"{where} has no field {name!r}{_suggestion(str(name), shape['members'])}" for name in unknown
        ]
    if kind == "string":
        return _string_complaints(where, value, shape, field)
    if kind in ("list", "map"):
        found = _submit_job_limits(where, len(value), "entries", shape)
        for key in value if kind == "map" else ():
            found += _own_complaints(shape["key"], key, f"the key {key!r} of {where}", "")
        return found
    low, high = RANGES.get(field, (shape.get("min", -math.inf), shape.get("max", math.inf)))
    return [] if low <= value <= high else [f"{where} is {value}; expected {low} to {high}"]


def _string_complaints(where: str, value: str, shape: Shape, name: str) -> list[Complaint]:
    if "enum" in shape and value not in shape["enum"]:
        return [f"{where} is {value!r}; expected {', '.join(shape['enum'])}"]
    if name in PATTERNS and not PATTERNS[name][0].fullmatch(value):
        return [f"{where} is {value!r}; expected {PATTERNS[name][1]}"]
    if "pattern" in shape and not re.fullmatch(shape["pattern"], value):
        return [f"{where} is {value!r}; expected a match of {shape['pattern']}"]
    return _submit_job_limits(where, len(value), "characters", shape)


def _submit_job_limits(where: str, size: int, unit: str, shape: Shape) -> list[Complaint]:
    low, high = shape.get("min", 0), shape.get("max")
    if size < low or (high is not None and size > high):
        return [f"{where} has {size} {unit}; expected {low} to {high}"]
    return []


def _suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?`, or the list of known names."""
    names = list(known)
    by_case = {one.lower(): one for one in names}
    close = [by_case[one] for one in difflib.get_close_matches(name.lower(), by_case, n=1, cutoff=0.6)]
    return f"; did you mean {close[0]!r}?" if close else f"; expected one of {', '.join(names)}"
