"""Loads a user's files or modules, compiles the workflows in them, and looks at every task that would run on AWS Batch.

Nothing is registered, run or built; the code is imported, as `pyflyte register` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flytekit.configuration import ImageConfig, SerializationSettings
from flytekit.core.array_node_map_task import ArrayNodeMapTask
from flytekit.core.context_manager import FlyteContextManager, FlyteEntities
from flytekit.core.legacy_map_task import MapPythonTask
from flytekit.core.workflow import WorkflowBase

from ..sdk.task_config import AWSBatchConfig
from .findings import LintFinding, findings_in
from .image_needs import ImageNeed, image_need_of
from .image_rules import images_and, images_missing, images_without_builds
from .lint_settings import LintSettings
from .lint_warnings import lint_legacy_map, lint_missing_images, report_lint_findings_to
from .program import compile_program_workflow, is_only_mapped, is_our_map_in_program, runs_on_batch
from .refused import finding_of_refused_task
from .targets import target_of


@dataclass(frozen=True)
class NotLoaded:
    """A module or a workflow that could not be looked at.

    :param name: its name, as it was imported.
    """

    name: str
    error: BaseException


@dataclass(frozen=True)
class Looked:
    """:param tasks: how many tasks for AWS Batch there are; a map and its task are one."""

    findings: tuple[LintFinding, ...]
    not_loaded: tuple[NotLoaded, ...] = ()
    needs: tuple[ImageNeed, ...] = ()
    tasks: int = 0


def lint_whole_program(targets: Sequence[str], images: ImageConfig, settings: LintSettings) -> Looked:
    """The findings in some files, folders or modules.

    What flytekit or this package refuses at its declaration is a finding, and the only one of its module, whose import
    ended there. Raises TargetError for a target that does not exist.
    """
    serialization = SerializationSettings(image_config=images, project="p", domain="d", version="v", env={})
    before = len(FlyteEntities.entities)
    context = FlyteContextManager.current_context().with_serialization_settings(serialization)
    found: list[LintFinding] = []
    not_loaded: list[NotLoaded] = []
    needs: list[ImageNeed] = []

    def attempt(name: str, action: Callable[[], Any]) -> bool:
        try:
            action()
            return True
        except (Exception, SystemExit) as error:
            refusal = finding_of_refused_task(name, error)
            if refusal is None:
                not_loaded.append(NotLoaded(name, error))
            else:
                found.append(refusal)
            return False

    def look(entity: Any) -> None:
        of_task, need = _look_at_task(entity, serialization, settings)
        found.extend(of_task)
        needs.extend([need] if need is not None else [])

    with FlyteContextManager.with_context(context):
        for target in map(target_of, targets):
            with target.importable():
                for module in target.modules:
                    start = len(FlyteEntities.entities)
                    if not attempt(module, partial(target.load, module)):
                        # Nobody can import what the module had made until then.
                        del FlyteEntities.entities[start:]
        for entity in FlyteEntities.entities[before:]:
            if isinstance(entity, WorkflowBase):
                attempt(entity.name, partial(compile_program_workflow, entity))
        tasks = sum(runs_on_batch(each) and not is_only_mapped(each) for each in FlyteEntities.entities[before:])
        for entity in FlyteEntities.entities[before:]:
            # A task that cannot be serialised does not keep the others from being looked at.
            attempt(_entity_name(entity), partial(look, entity))
    return Looked(tuple(dict.fromkeys(found)), tuple(not_loaded), tuple(needs), tasks)


def _entity_name(entity: Any) -> str:
    """An entity's name; the type's where flytekit cannot tell the name."""
    try:
        return str(entity.name)
    except Exception:
        return type(entity).__name__


def _look_at_task(
    task: Any, serialization: SerializationSettings, settings: LintSettings
) -> tuple[list[LintFinding], ImageNeed | None]:
    """What is found in a task, and what it needs of its image if it runs on AWS Batch."""
    found: list[LintFinding] = []
    inner: Any = getattr(task, "python_function_task", getattr(task, "run_task", None))
    on_batch = isinstance(getattr(inner, "task_config", None), AWSBatchConfig)
    if isinstance(task, ArrayNodeMapTask) and on_batch:
        said = "is mapped by flytekit's map_task; use flytekitplugins.awsbatch.map_task."
        return [findings_in(inner, "AB002", said)], None
    if isinstance(task, MapPythonTask) and not is_our_map_in_program(task):
        if on_batch:
            with report_lint_findings_to(found.extend, settings):
                lint_legacy_map(inner, task)
        return found, None
    if not runs_on_batch(task):
        return [], None
    runs = inner or task
    images = images_without_builds(runs, serialization.image_config)
    missing = images_missing(runs, images)
    serialization = replace(serialization, image_config=images_and(images, missing))
    with report_lint_findings_to(found.extend, settings):
        container = task.get_container(serialization)
        lint_missing_images(task, missing)
    looks_at_image = not missing and not is_only_mapped(task)
    return found, image_need_of(task, runs, container, serialization) if looks_at_image else None
