"""The environment that propeller gives a task (`flytek8s/k8s_resource_adds.go`, `awsbatch/transformer.go`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flyteidl.core import identifier_pb2

from ...wire import ARRAY_INDEX_VAR_NAME, AWS_JOB_ARRAY_INDEX, FAIL_ON_ERROR, FAKE_ARRAY_INDEX
from ..propeller_settings import OffloadingSettings

Pair = tuple[str, str]


@dataclass(frozen=True)
class TaskIdentity:
    """Who runs: an attempt of a node of an execution. `workflow` is `project:domain:name`, "" when not known."""

    project: str
    domain: str
    execution: str
    attempt: int
    task: identifier_pb2.Identifier | None
    workflow: str = ""


def pod_environment(
    container: Iterable[Pair],
    identity: TaskIdentity,
    *,
    offloading: OffloadingSettings | None = None,
    default_env: Mapping[str, str] | None = None,
) -> list[Pair]:
    """The variables of a pod in propeller's order; a name may come twice (`DecorateEnvVars`)."""
    pairs = list(container)
    if identity.workflow:
        pairs.append(("FLYTE_INTERNAL_EXECUTION_WORKFLOW", identity.workflow))
    pairs += [
        ("FLYTE_INTERNAL_EXECUTION_ID", identity.execution),
        ("FLYTE_INTERNAL_EXECUTION_PROJECT", identity.project),
        ("FLYTE_INTERNAL_EXECUTION_DOMAIN", identity.domain),
        ("FLYTE_ATTEMPT_NUMBER", str(identity.attempt)),
    ]
    if identity.task is not None:
        pairs += [
            ("FLYTE_INTERNAL_TASK_PROJECT", identity.task.project),
            ("FLYTE_INTERNAL_TASK_DOMAIN", identity.task.domain),
            ("FLYTE_INTERNAL_TASK_NAME", identity.task.name),
            ("FLYTE_INTERNAL_TASK_VERSION", identity.task.version),
        ]
    pairs += _sizes(offloading or OffloadingSettings())
    return [*pairs, *(default_env or {}).items()]


def array_batch_environment(
    container: Iterable[Pair],
    identity: TaskIdentity,
    *,
    offloading: OffloadingSettings | None = None,
    plugin_env: Mapping[str, str] | None = None,
    k8s_env: Mapping[str, str] | None = None,
) -> list[Pair]:
    """A job's list: one per name, the last wins, sorted by byte. Neither the execution's own variables nor the console
    URL are passed on (`getEnvVarsForTask`)."""
    merged = dict(pod_environment(container, identity, offloading=offloading, default_env=k8s_env))
    merged.update(plugin_env or {})
    merged[FAIL_ON_ERROR] = "true"
    return sorted(merged.items(), key=lambda pair: pair[0].encode("utf-8"))


def array_environment(environment: Iterable[Pair], size: int) -> tuple[list[Pair], int | None]:
    """(environment with the index variables after it, size of the array properties or None for a fake array)."""
    if size > 1:
        return [*environment, (ARRAY_INDEX_VAR_NAME, AWS_JOB_ARRAY_INDEX)], size
    return [*environment, (ARRAY_INDEX_VAR_NAME, FAKE_ARRAY_INDEX), (FAKE_ARRAY_INDEX, "0")], None


def _sizes(offloading: OffloadingSettings) -> list[Pair]:
    """What tells flytekit which literals to put into files of their own (`GetLiteralOffloadingEnvVars`)."""
    sizes = (("_F_L_MIN_SIZE_MB", offloading.min_size), ("_F_L_MAX_SIZE_MB", offloading.max_size))
    return [(name, str(size)) for name, size in sizes if offloading.enabled and size > 0]
