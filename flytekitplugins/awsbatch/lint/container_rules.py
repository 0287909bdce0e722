"""What goes wrong with the container of a job: its image, environment, size, and whether it finds its task."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flytekit.core.tracker import istestfunction
from flytekit.image_spec.image_spec import ImageSpec

from ..wire import ARRAY_INDEX_OFFSET, ARRAY_INDEX_VAR_NAME, FAIL_ON_ERROR, FAKE_ARRAY_INDEX
from .loadable import why_not_loadable
from .subject import Subject

RESERVED = "AWS_BATCH"
OVERWRITTEN = (ARRAY_INDEX_VAR_NAME, ARRAY_INDEX_OFFSET, FAKE_ARRAY_INDEX, FAIL_ON_ERROR)
OVERWRITTEN_PREFIX = "FLYTE_INTERNAL_"
# `containerImageRepository` in Flyte's awsbatch/job_definition.go takes the third group for the definition's name.
IMAGE = re.compile(r"^(?:([^/]+)/)?(?:([^/]+)/)*?([^@:/]+)(?:[@:][^/]+)?$")
# AWS's page "Service quotas": what SubmitJob may hold in all, and its container overrides.
MAX_SUBMIT_BYTES = 30 * 1024
# Characters.
MAX_OVERRIDES = 8192
OVERRIDES_FAIL = 'fails the job without an attempt ("Container Overrides length must be at most 8192")'
# The least that Flyte adds to a job's environment: the execution's and the task's names.
FLYTE_ENVIRONMENT_BYTES = 700
DISTRIBUTION = "flytekitplugins-awsbatch"
FLYTEKIT_IMAGE = re.compile(r"(cr\.flyte\.org|ghcr\.io)/flyteorg/flytekit:.*")


def loadable(subject: Subject) -> Iterator[str]:
    """A child imports a module and reads a name; both have to lead back to the task."""
    problem = why_not_loadable(subject.inner, subject.serialization)
    if problem and not inside_a_test(subject.inner):
        yield problem


def inside_a_test(task: Any) -> bool:
    """flytekit lets tests define tasks inside test functions, which are never sent to a cluster."""
    function = getattr(task, "task_function", None)
    return function is not None and istestfunction(function)


def reserved_environment(subject: Subject) -> Iterator[str]:
    reserved = sorted(pair.key for pair in subject.container.env if pair.key.startswith(RESERVED))
    if reserved:
        yield (
            f"sets {', '.join(reserved)}. AWS Batch keeps names that begin with {RESERVED} for itself and refuses the "
            "job. Choose other names."
        )


def overwritten_environment(subject: Subject) -> Iterator[str]:
    names = (pair.key for pair in subject.container.env)
    overwritten = sorted(name for name in names if name in OVERWRITTEN or name.startswith(OVERWRITTEN_PREFIX))
    if overwritten:
        yield (
            f"sets {', '.join(overwritten)}, which Flyte sets itself in every job: the values are lost or, for the "
            "array's index, make children take the wrong items. Choose other names."
        )


def image_name(subject: Subject) -> Iterator[str]:
    image = subject.container.image
    if not IMAGE.match(image):
        yield (
            f"has the image {image!r}, in which the handler finds no name for the job definition; AWS refuses an empty "
            "one. Write it as registry/repository/name:tag, without a scheme."
        )


def image_content(subject: Subject) -> Iterator[str]:
    spec = getattr(subject.inner, "container_image", None)
    if isinstance(spec, ImageSpec):
        if not brings_this_package(spec):
            yield (
                f"runs in an ImageSpec that does not install {DISTRIBUTION}. Without it the job cannot start, leaves "
                "no log, "
                f'and the handler waits for ever. Add it: ImageSpec(packages=["{DISTRIBUTION}", ...]). '
                "flyte-awsbatch lint FILE --image IMAGE --run tries an image that is built."
            )
    elif FLYTEKIT_IMAGE.fullmatch(subject.container.image):
        yield (
            f"runs in flytekit's own image, {subject.container.image}, which does not have {DISTRIBUTION}. Without it "
            "the job cannot start, leaves no log, and the handler waits for ever. Name an image of yours with --image, "
            "and try it: flyte-awsbatch lint FILE --image IMAGE --run."
        )


def brings_this_package(spec: ImageSpec) -> bool:
    """Whether an ImageSpec installs this distribution, as far as one can see; a base image of one's own may have it."""
    base = spec.base_image
    if isinstance(base, ImageSpec):
        if brings_this_package(base):
            return True
    elif base and not FLYTEKIT_IMAGE.fullmatch(base):
        return True
    lines = [*(spec.packages or []), *(spec.conda_packages or []), *(spec.commands or [])]
    if spec.requirements:
        path = Path(spec.requirements)
        if path.suffix != ".txt" or not path.is_file():
            # A lock file or a project, whose contents are another tool's.
            return True
        lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
        if any(line.lstrip().startswith(("-r", "-e", "--requirement", "--editable")) for line in lines):
            return True
    return any(DISTRIBUTION in re.sub(r"[-_.]+", "-", line).lower() for line in lines)


def size(subject: Subject) -> Iterator[str]:
    """What is certain to be too large: the least that is sent, before paths are filled in."""
    container = subject.container
    command = [*container.command, *container.args]
    # The most that is certain of a command into which AWS Batch puts the parameters.
    for name, value in subject.custom.get("parameters", {}).items():
        command = [word.replace(f"Ref::{name}", str(value)) for word in command]
    environment = [{"name": pair.key, "value": pair.value} for pair in container.env]
    overrides = json.dumps({"command": command, "environment": environment}, ensure_ascii=False, separators=(",", ":"))
    least = len(overrides) + FLYTE_ENVIRONMENT_BYTES
    whole = least + len(json.dumps(subject.custom).encode())
    for found, limit, what, then in (
        (
            least,
            MAX_OVERRIDES,
            "Command, with its parameters, and environment have at least {} characters",
            OVERRIDES_FAIL,
        ),
        (whole, MAX_SUBMIT_BYTES, "The whole request has at least {} bytes", "refuses the request"),
    ):
        if found > limit:
            yield (
                f"asks for too much in one request. {what.format(found)}, AWS Batch takes {limit} and {then}. Put long"
                " values into a file or the image instead of the environment or the config."
            )
