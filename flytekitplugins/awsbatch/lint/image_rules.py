"""What goes wrong with the image of a job: its name, and whether it has what the job's command needs.

No registry is asked. What the newest published version lacks is written down here, until one is published that has it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from flytekit.configuration import Image, ImageConfig
from flytekit.image_spec.image_spec import ImageSpec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from ..wire import MAP_EXECUTE_SCRIPT, TIMEOUT_SCRIPT
from .subject import LintSubject

# `containerImageRepository` in Flyte's awsbatch/job_definition.go takes the third group for the definition's name.
IMAGE = re.compile(r"^(?:([^/]+)/)?(?:([^/]+)/)*?([^@:/]+)(?:[@:][^/]+)?$")
FLYTEKIT_IMAGE = re.compile(r"(cr\.flyte\.org|ghcr\.io)/flyteorg/flytekit:.*")
DISTRIBUTION = "flytekitplugins-awsbatch"
SCRIPTS = (MAP_EXECUTE_SCRIPT, TIMEOUT_SCRIPT)
# The first version with these scripts, and the newest one on PyPI, which has none.
SCRIPTS_SINCE = Version("1.17.0")
NEWEST_PUBLISHED = Version("1.16.31")
NO_START = "cannot start, leaves no log, and the handler waits for ever."
# flytekit's script is in these images, finds the code, and not the command that it is to run with it.
THEN = f"a job that is sent with its code fails in pyflyte-fast-execute; with `--copy none` it {NO_START}"
REMEDY = "Install this version: `flyte-awsbatch wheel` makes a wheel of it and prints the lines for an image."

# As flytekit writes the images of a configuration: `{{.image.NAME.fqn}}:{{.image.NAME.version}}`, `{{.image.NAME}}`.
IMAGE_NAMES = re.compile(r"\{\{\s*\.images?\.([\w-]+)", re.IGNORECASE)
NOT_CONFIGURED = "not-configured"

_FILE = re.compile(r"flytekitplugins[-_.]awsbatch-(?P<version>[^-/]+?)(-[^/]*\.whl|\.tar\.gz|\.zip)$", re.IGNORECASE)
_CONDA_PIN = re.compile(r"^([\w.-]+)=(?!=)")


def images_without_builds(task: Any, images: ImageConfig) -> ImageConfig:
    """An image configuration that answers for the task's ImageSpec, so that flytekit has none to build."""
    spec = getattr(task, "container_image", None)
    if not isinstance(spec, ImageSpec) or images.find_image(spec.id) is not None:
        return images
    return images_and(images, [Image.look_up_image_info(spec.id, spec.image_name())])


def images_and(images: ImageConfig, more: Sequence[Image]) -> ImageConfig:
    return ImageConfig(default_image=images.default_image, images=[*(images.images or []), *more])


def images_missing(task: Any, images: ImageConfig) -> list[Image]:
    """Images by the names in a task's image that no configuration has, to stand in for them."""
    asked = getattr(task, "container_image", None)
    names = set(IMAGE_NAMES.findall(asked)) if isinstance(asked, str) else ()
    return [Image(name, name, NOT_CONFIGURED) for name in sorted(names) if images.find_image(name) is None]


def missing_images_message(missing: Sequence[Image]) -> str:
    options = " ".join(f"--image {one.name}=REGISTRY/NAME:TAG" for one in missing)
    return (
        f"has an image that nothing names here; a registration without it ends with an error. Give {options}, here and "
        "to `pyflyte register`, which also reads the `images` of the configuration file that it is given."
    )


def image_name_rule(subject: LintSubject) -> Iterator[str]:
    image = subject.container.image
    if not IMAGE.match(image):
        yield (
            f"has the image {image!r}, in which the handler finds no name for the job definition; AWS refuses an empty "
            "one. Write it as registry/repository/name:tag, without a scheme."
        )


def image_content_rule(subject: LintSubject) -> Iterator[str]:
    spec = getattr(subject.inner, "container_image", None)
    if isinstance(spec, ImageSpec):
        lines = image_installed_lines(spec)
        if lines is None:
            return
        found = [line for line in lines if image_names_this_package(line)]
        if not found:
            yield f"runs in an ImageSpec that does not install {DISTRIBUTION}. Without it {THEN} {REMEDY}"
            return
        script = next((word for word in (*subject.container.command, *subject.container.args) if word in SCRIPTS), None)
        problems = [image_version_problem(line) for line in found]
        if script is not None and all(problems):
            yield f"runs in an ImageSpec that {problems[0]}, which has no {script}: {THEN} {REMEDY}"
    elif FLYTEKIT_IMAGE.fullmatch(subject.container.image):
        yield (
            f"runs in flytekit's own image, {subject.container.image}, which does not have {DISTRIBUTION}. Without it "
            f"{THEN} Name an image of yours with --image. `flyte-awsbatch wheel` makes what to install in it, "
            "`flyte-awsbatch lint FILE --image IMAGE --run` tries it."
        )


def image_installed_lines(spec: ImageSpec) -> list[str] | None:
    """What an ImageSpec installs, a requirement or a command each; None where one cannot see it: a base image of one's
    own, a lock file."""
    lines: list[str] = []
    base = spec.base_image
    if isinstance(base, ImageSpec):
        of_base = image_installed_lines(base)
        if of_base is None:
            return None
        lines += of_base
    elif base and not FLYTEKIT_IMAGE.fullmatch(base):
        return None
    lines += [*(spec.packages or []), *(spec.conda_packages or []), *(spec.commands or [])]
    if spec.requirements:
        path = Path(spec.requirements)
        if path.suffix != ".txt" or not path.is_file():
            # A lock file or a project, whose contents are another tool's.
            return None
        read = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if any(line.lstrip().startswith(("-r", "-e", "--requirement", "--editable")) for line in read):
            return None
        lines += [line.partition(" #")[0] for line in read if not line.lstrip().startswith("#")]
    return lines


def image_names_this_package(text: str) -> bool:
    return DISTRIBUTION in re.sub(r"[-_.]+", "-", text).lower()


def image_version_problem(line: str) -> str:
    """What is wrong with the version that a requirement or a command installs; "" where nothing is, as far as one can
    see."""
    requirement = _parsed_version(line)
    if requirement is not None:
        return _problem_of(requirement)
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    return next((_problem_of_word(word) for word in words if image_names_this_package(word)), "")


def _problem_of_word(word: str) -> str:
    file = _FILE.search(word)
    if file is not None:
        try:
            version = Version(file["version"])
        except InvalidVersion:
            return ""
        return f"installs {DISTRIBUTION} {version}" if version < SCRIPTS_SINCE else ""
    requirement = _parsed_version(word)
    return _problem_of(requirement) if requirement is not None else ""


def _parsed_version(text: str) -> Requirement | None:
    """A requirement, also one in conda's words."""
    try:
        return Requirement(_CONDA_PIN.sub(r"\1==", text.strip()))
    except InvalidRequirement:
        return None


def _problem_of(requirement: Requirement) -> str:
    if requirement.url is not None:
        return _problem_of_word(requirement.url) if _FILE.search(requirement.url) else ""
    allowed = requirement.specifier
    new_enough: Sequence[Version] = (SCRIPTS_SINCE, _own_version(), Version("999"))
    if not any(allowed.contains(version, prereleases=True) for version in new_enough):
        return f"installs {DISTRIBUTION}{allowed}"
    if allowed.contains(NEWEST_PUBLISHED):
        return f"installs the {DISTRIBUTION} of PyPI, {NEWEST_PUBLISHED}"
    return ""


def _own_version() -> Version:
    try:
        return Version(metadata.version(DISTRIBUTION))
    except (metadata.PackageNotFoundError, InvalidVersion):
        return SCRIPTS_SINCE
