"""What a registered task needs of its image, and what is wrong with an image that was tried. Pure."""

from __future__ import annotations

import importlib.metadata
import shlex
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flytekitplugins.awsbatch.sdk.loaded_modules import import_root, loaded_module

from .findings import LintFinding, codes_ignored_for, findings_in
from .image_rules import DISTRIBUTION, NO_START, THEN

# What AWS Batch starts jobs on unless a compute environment names instance types of another kind.
ARCHITECTURES = ("amd64", "x86_64")
FAST_EXECUTE = "pyflyte-fast-execute"


@dataclass(frozen=True)
class ImageNeed:
    """
    :param task: the entity; `inner` is the task whose function runs.
    :param commands: that have to be on PATH.
    :param module: what its child imports; empty where another resolver than flytekit's own finds it.
    :param code_root: the folder that its module is imported from; None for installed code.
    """

    task: Any
    inner: Any
    image: str
    commands: tuple[str, ...]
    module: str
    code_root: Path | None


@dataclass(frozen=True)
class ImageReport:
    """
    :param failure: why it could not be asked; then the rest says nothing.
    :param commands: the path of each command, empty where there is none.
    :param versions: of flytekit and of this package, empty where it is not installed.
    :param problems: why a module cannot be imported, by its name; empty where it can.
    """

    failure: str = ""
    architecture: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def image_need_of(task: Any, inner: Any, container: Any, serialization: Any) -> ImageNeed:
    """:param container: what the task gives flytekit."""
    loader = inner.task_resolver.loader_args(serialization, inner)
    module = loader[1] if len(loader) > 1 and loader[0] == "task-module" else ""
    # A registration with its code puts flytekit's script before the task's own command.
    commands = (FAST_EXECUTE, *container.args[:1])
    return ImageNeed(task, inner, container.image, commands, module, _code_root_of_image(module))


def _code_root_of_image(module: str) -> Path | None:
    file = getattr(loaded_module(module), "__file__", None)
    if not file:
        return None
    path = Path(file).absolute()
    installed = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), sysconfig.get_path("stdlib"))
    if any(path.is_relative_to(place) for place in installed):
        return None
    return import_root(module, path)


def findings_of_image_needs(needs: Sequence[ImageNeed], report: ImageReport) -> list[LintFinding]:
    """:param needs: of tasks that run in the image that the report is about."""
    return [
        finding
        for need in needs
        for finding in _findings(need, report)
        if finding.code not in codes_ignored_for(need.task, need.inner)
    ]


def _findings(need: ImageNeed, report: ImageReport) -> Iterator[LintFinding]:
    if report.failure:
        yield _finding("AB013", need, f"cannot start in {need.image}: {report.failure}")
        return
    missing = [name for name in need.commands if not report.commands.get(name)]
    if missing:
        then = f"The job {NO_START}" if FAST_EXECUTE in missing else f"{THEN[0].upper()}{THEN[1:]}"
        has = report.versions.get(DISTRIBUTION)
        why = f"has {DISTRIBUTION} {has}, which does not bring it" if has else f"does not have {DISTRIBUTION}"
        yield _finding(
            "AB013",
            need,
            f"needs {shlex.join(missing)} on PATH, and {need.image} {why}. {then} Install this version of the package"
            " in the image.",
        )
    elif problem := report.problems.get(need.module):
        yield _finding(
            "AB013",
            need,
            f"is imported from {need.module}, and that fails in {need.image}: {problem}. Install what is missing in"
            " the image.",
        )
    mine, theirs = importlib.metadata.version(DISTRIBUTION), report.versions.get(DISTRIBUTION)
    if theirs and theirs != mine and not missing:
        yield _finding(
            "AB115", need, f"is registered with {DISTRIBUTION} {mine} and runs with {theirs} of {need.image}."
        )
    if report.architecture and report.architecture not in ARCHITECTURES:
        yield _finding(
            "AB115",
            need,
            f"runs in {need.image}, which is for {report.architecture}: on AWS Batch's usual instances (x86-64) it"
            ' ends with "exec format error". Build it with --platform linux/amd64, or give the compute environment'
            " instances of that architecture.",
        )


def _finding(code: str, need: ImageNeed, message: str) -> LintFinding:
    return findings_in(need.inner, code, message, need.task.name)
