"""A task as `pyflyte register` would send it to FlyteAdmin: the task template, made by flytekit's own translator.

No image is built: the template names the image that a registration would build.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from flyteidl.core import tasks_pb2
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.core.python_auto_container import DefaultTaskResolver
from flytekit.core.tracker import extract_task_module
from flytekit.image_spec.image_spec import ImageSpec
from flytekit.tools.translator import get_serializable

if TYPE_CHECKING:
    from flytekit.core.base_task import PythonTask

# Emulated code is the working tree as it is; FlyteAdmin wants a version all the same.
VERSION = "local"


class NotLoadableError(Exception):
    """A child process could not find this task again; the message says why and how to move it."""


@dataclass(frozen=True)
class Serialised:
    """A task template and where its code comes from."""

    template: tasks_pb2.TaskTemplate
    module: str  # what a child imports
    code_root: str | None  # the folder that has to be on the child's import path; None for installed code


def serialise(task: PythonTask[Any], project: str, domain: str, image_config: ImageConfig | None = None) -> Serialised:
    """The template of `task`, checked to lead a child process back to it.

    Raises NotLoadableError, and whatever the task's own `get_*` methods raise.
    """
    inner = _inner(task)
    module, code_root = _locate(inner)
    settings = SerializationSettings(
        image_config=_without_builds(inner, image_config or ImageConfig.auto_default_image()),
        project=project,
        domain=domain,
        version=VERSION,
    )
    spec = get_serializable(OrderedDict(), settings, task)
    template: tasks_pb2.TaskTemplate = spec.template.to_flyte_idl()
    return Serialised(template=template, module=module, code_root=code_root)


def _inner(task: PythonTask[Any]) -> PythonTask[Any]:
    """The task whose function a child runs: what a map task maps, else the task itself."""
    return getattr(task, "run_task", task)


def _without_builds(task: PythonTask[Any], images: ImageConfig) -> ImageConfig:
    """An image configuration that answers for the task's ImageSpec, so that flytekit has none to build."""
    spec = getattr(task, "container_image", None)
    if not isinstance(spec, ImageSpec) or images.find_image(spec.id) is not None:
        return images
    built = Image.look_up_image_info(spec.id, spec.image_name())
    return ImageConfig(default_image=images.default_image, images=[*(images.images or []), built])


def _locate(task: PythonTask[Any]) -> tuple[str, str | None]:
    """The module a child imports to find `task`, and the folder that must be on its path.

    flytekit's default resolver sends a module and a variable's name; the child imports the one and reads the other.
    """
    name, module_name, variable, file = extract_task_module(task)
    if not isinstance(task.task_resolver, DefaultTaskResolver):
        return module_name, _code_root(module_name, file)
    module = _module(module_name, file)
    if module is None or not file:
        raise NotLoadableError(
            f"Task {name!r} is defined where a child process cannot import it (an interactive session or a "
            f"notebook). Move it to a module, a .py file, and import it from there."
        )
    found = getattr(module, variable, None)
    if found is not task and not _same_function(found, task):
        raise NotLoadableError(
            f"Task {name!r} cannot be found again: a child process imports module {module_name!r} and reads "
            f"{variable!r} from it, which is {_describe(found)}. Define the task at the top level of its module, "
            f"under the name of its function."
        )
    return module_name, _code_root(module_name, file)


def _module(name: str, file: str) -> ModuleType | None:
    """The module as this process knows it: a script that runs as `__main__` stands for the module a child imports."""
    known = sys.modules.get(name)
    if known is not None:
        return known
    main = sys.modules.get("__main__")
    main_file = getattr(main, "__file__", None)
    if main is not None and main_file and file and Path(main_file).resolve() == Path(file).resolve():
        return main
    # flytekit names a module by its folders (a package root above the import root); the same file, another name.
    for module in list(sys.modules.values()):
        if file and getattr(module, "__file__", None) == file:
            return module
    return None


def _same_function(found: Any, task: PythonTask[Any]) -> bool:
    """Whether `found` is the task under another import of the same file."""
    code = getattr(getattr(found, "task_function", None), "__code__", None)
    return code is not None and code == getattr(getattr(task, "task_function", None), "__code__", None)


def _describe(found: Any) -> str:
    return "not there" if found is None else f"something else ({type(found).__name__})"


def _code_root(module_name: str, file: str) -> str | None:
    """The folder from which `module_name` is importable: as many levels above the file as the name has dots."""
    if not file:
        return None
    path = Path(file)
    levels = module_name.count(".") + (1 if path.name == "__init__.py" else 0)
    return str(path.parents[levels]) if levels < len(path.parents) else None
