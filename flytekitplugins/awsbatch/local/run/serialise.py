"""A task as `pyflyte register` would send it to FlyteAdmin: the task template, made by flytekit's own translator.

Where jobs do not start from images none is built, and none has to be in a configuration: the template names the one
that a registration would build.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyteidl.core import tasks_pb2
from flytekit.configuration import ImageConfig, SerializationSettings
from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.tracker import extract_task_module
from flytekit.image_spec.image_spec import ImageSpec
from flytekit.tools.translator import get_serializable

from flytekitplugins.awsbatch.lint.image_rules import (
    DISTRIBUTION,
    FLYTEKIT_IMAGE,
    images_and,
    images_missing,
    images_without_builds,
)
from flytekitplugins.awsbatch.lint.loadable import why_not_loadable
from flytekitplugins.awsbatch.sdk.loaded_modules import import_root

if TYPE_CHECKING:
    from flytekit.core.base_task import PythonTask
    from flytekit.core.resources import ResourceSpec

    from ..deployment.packaging import CallCode

# Emulated runs use the working tree as it is. A task still needs a version.
VERSION = "local"


class NotLoadableError(Exception):
    """A child process could not find this task again; the message says why and how to move it."""


class ImageError(Exception):
    """A job could not start from the image of its task; the message says what to do."""


@dataclass(frozen=True)
class Serialised:
    """A task template and where its code comes from."""

    template: tasks_pb2.TaskTemplate
    image_id: str  # flytekit's id of the task's ImageSpec; "" where it has none
    module: str  # what a child imports
    code_root: str | None  # the folder that has to be on the child's import path; None for installed code


def serialise(
    task: PythonTask[Any],
    project: str,
    domain: str,
    image_config: ImageConfig | None = None,
    *,
    default_resources: ResourceSpec | None = None,
    code: CallCode | None = None,
    build: bool = False,
    images_are_names: bool = False,
) -> Serialised:
    """The template of `task`, checked to lead a child process back to it.

    :param default_resources: what the task asks for if it asks for nothing itself.
    :param code: the code that travels with it; None where jobs see the working tree.
    :param build: whether flytekit builds and pushes the image where it is an ImageSpec.
    :param images_are_names: whether no job starts from an image, so that it may be one that no configuration has.

    Raises NotLoadableError, and whatever flytekit's builder and the task's own `get_*` methods raise.
    """
    # What a child runs: of a map task the mapped one.
    inner: PythonTask[Any] = getattr(task, "run_task", task)
    images = image_config or ImageConfig.auto_default_image()
    images = images if build else images_without_builds(inner, images)
    settings = SerializationSettings(
        image_config=images_and(images, images_missing(inner, images)) if images_are_names else images,
        project=project,
        domain=domain,
        version=VERSION,
    )
    settings.default_resources = default_resources
    module, code_root = _locate(inner, settings)
    if code is not None:
        settings.source_root = code.root(code_root)
        settings.fast_serialization_settings = code.package(code_root)
    context = FlyteContextManager.current_context()
    # flytekit's builder builds nothing within an execution, and a local run is one.
    state = context.new_execution_state() if build else context.execution_state
    with FlyteContextManager.with_context(context.new_builder().with_execution_state(state)):
        spec = get_serializable(OrderedDict(), settings, task)
    template: tasks_pb2.TaskTemplate = spec.template.to_flyte_idl()
    spec_of_image = getattr(inner, "container_image", None)
    image_id = spec_of_image.id if isinstance(spec_of_image, ImageSpec) else ""
    return Serialised(template, image_id, module, code_root)


def check_image_to_serialise(template: tasks_pb2.TaskTemplate) -> None:
    """flytekit's own image does not have this package, and its jobs would never start. Raises ImageError."""
    image = template.container.image
    if FLYTEKIT_IMAGE.fullmatch(image):
        raise ImageError(
            f"{template.id.name} would start from flytekit's own image, {image}, which does not have {DISTRIBUTION}: "
            "the job could not find its command. Nothing has been sent. Name an image of yours that has it -- "
            "`pyflyte run --image REGISTRY/NAME:TAG ...` -- or have flytekit build one: `flyte-awsbatch wheel` makes a "
            "wheel of this installation and prints the ImageSpec that installs it."
        )


def _locate(task: PythonTask[Any], settings: SerializationSettings) -> tuple[str, str | None]:
    """The module a child imports to find `task`, and the folder that must be on its path.

    flytekit's default resolver sends a module and a variable's name; the child imports the one and reads the other.
    """
    try:
        name, module_name, _, file = extract_task_module(task)
    except AssertionError:
        raise NotLoadableError(
            f"Task {task.name} is in a module that Python does not know by its name, as after `runpy.run_path` without "
            "a run_name. Write it into a module, and import it from there."
        ) from None
    root = import_root(module_name, Path(file)) if file else None
    problem = why_not_loadable(task, settings, root)
    if problem:
        raise NotLoadableError(f"Task {name} {problem}")
    return module_name, str(root) if root else None
