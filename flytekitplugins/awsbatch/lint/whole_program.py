"""Loads a user's files or modules, compiles the workflows in them, and looks at every task that would run on AWS Batch.

Nothing is registered, run or built; the code is imported, as `pyflyte register` does.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.core.array_node_map_task import ArrayNodeMapTask
from flytekit.core.context_manager import FlyteContextManager, FlyteEntities
from flytekit.core.legacy_map_task import MapPythonTask
from flytekit.core.workflow import WorkflowBase
from flytekit.image_spec.image_spec import ImageSpec
from flytekit.tools import module_loader
from flytekit.tools.repo import find_common_root, list_packages_and_modules

from ..config import AWSBatchConfig
from ..refusals import AWSBatchTaskError
from ..wire import ARRAY_TASK_TYPE, SINGLE_TASK_TYPE
from .checks import findings
from .codes import Finding, located
from .program import is_ours
from .report import CheckedContainer
from .settings import LintSettings
from .subject import Subject
from .task_rules import legacy_map_finding


def look_at(targets: Sequence[str], images: ImageConfig, settings: LintSettings) -> list[Finding]:
    """What is found in the entities of some files, folders or modules.

    Raises what importing or compiling them raises, except for tasks that are refused where they are declared: such a
    refusal is a finding, and the only one, since the module ended there.
    """
    serialization = SerializationSettings(image_config=images, project="p", domain="d", version="v", env={})
    before = len(FlyteEntities.entities)
    context = FlyteContextManager.current_context().with_serialization_settings(serialization)
    with FlyteContextManager.with_context(context):
        try:
            for target in targets:
                load(target)
            for entity in FlyteEntities.entities[before:]:
                if isinstance(entity, WorkflowBase):
                    entity.compile()
        except AWSBatchTaskError as refusal:
            entity, _, message = refusal.message.partition(" ")
            return [Finding(refusal.code, entity, message)]
        found: list[Finding] = []
        for entity in FlyteEntities.entities[before:]:
            found += look_at_task(entity, serialization, settings)
    return found


class TargetError(Exception):
    """A target that is no file, no folder and no module."""


def load(target: str) -> None:
    """A file or a folder, by pyflyte's own rules for its root; else a module's name."""
    if not Path(target).exists():
        with module_loader.add_sys_path(os.curdir):
            if not is_module(target):
                raise TargetError(f"{target} is neither a file or folder nor a module that can be imported from here")
            importlib.import_module(target)
        return
    root = find_common_root([target])
    with module_loader.add_sys_path(root):
        module_loader.just_load_modules(list_packages_and_modules(root, [target]))


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def look_at_task(task: Any, serialization: SerializationSettings, settings: LintSettings) -> list[Finding]:
    inner: Any = getattr(task, "python_function_task", getattr(task, "run_task", None))
    on_batch = isinstance(getattr(inner, "task_config", None), AWSBatchConfig)
    if isinstance(task, ArrayNodeMapTask) and on_batch:
        said = "is mapped by flytekit's map_task; use flytekitplugins.awsbatch.map_task."
        return [located(Finding("AB002", inner.name, said), inner)]
    if isinstance(task, MapPythonTask) and not is_ours(task):
        fine = settings.ignore | set((inner.task_config.lint_ignore if on_batch else None) or ())
        wrong = on_batch and "AB109" not in fine
        return [located(legacy_map_finding(inner.name, task.name), inner)] if wrong else []
    if getattr(task, "task_type", None) not in (SINGLE_TASK_TYPE, ARRAY_TASK_TYPE):
        return []
    with no_builds(inner or task, serialization):
        container = task.get_container(serialization)
    if not isinstance(container, CheckedContainer):
        return []
    return findings(Subject.of(task, serialization, container.unchecked(), settings))


@contextmanager
def no_builds(task: Any, serialization: SerializationSettings) -> Iterator[None]:
    """Lets flytekit find a task's ImageSpec as an image that exists, so that it has none to build."""
    spec = getattr(task, "container_image", None)
    images = serialization.image_config
    if isinstance(spec, ImageSpec) and images.find_image(spec.id) is None:
        built = Image.look_up_image_info(spec.id, spec.image_name())
        serialization.image_config = ImageConfig(images.default_image, [*(images.images or []), built])
    try:
        yield
    finally:
        serialization.image_config = images
