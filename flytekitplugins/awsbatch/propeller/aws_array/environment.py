"""The environment that propeller gives a task (`flytek8s/k8s_resource_adds.go`, `awsbatch/transformer.go`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...wire import ARRAY_INDEX_VAR_NAME, AWS_JOB_ARRAY_INDEX, FAIL_ON_ERROR, FAKE_ARRAY_INDEX
from ..propeller_settings import HandlerSettings, OffloadingSettings
from .task_context import TaskContext

Pair = tuple[str, str]


def pod_environment(context: TaskContext, settings: HandlerSettings, own: Mapping[str, str]) -> list[Pair]:
    """The variables of a pod in propeller's order; a name may come twice (`DecorateEnvVars`).

    :param own: propeller's own environment.
    """
    pairs = [(pair.key, pair.value) for pair in context.template.container.env]
    if context.workflow:
        pairs.append(("FLYTE_INTERNAL_EXECUTION_WORKFLOW", context.workflow))
    pairs += [
        ("FLYTE_INTERNAL_EXECUTION_ID", context.execution),
        ("FLYTE_INTERNAL_EXECUTION_PROJECT", context.project),
        ("FLYTE_INTERNAL_EXECUTION_DOMAIN", context.domain),
        ("FLYTE_ATTEMPT_NUMBER", str(context.attempt)),
    ]
    if context.task_id is not None:
        pairs += [
            ("FLYTE_INTERNAL_TASK_PROJECT", context.task_id.project),
            ("FLYTE_INTERNAL_TASK_DOMAIN", context.task_id.domain),
            ("FLYTE_INTERNAL_TASK_NAME", context.task_id.name),
            ("FLYTE_INTERNAL_TASK_VERSION", context.task_id.version),
        ]
    pairs += _sizes(settings.propeller.offloading)
    k8s = settings.k8s
    copied = {name: own.get(source, "") for name, source in k8s.default_env_vars_from_env.items()}
    return [*pairs, *{**k8s.default_env_vars, **copied}.items()]


def array_batch_environment(context: TaskContext, settings: HandlerSettings, own: Mapping[str, str]) -> list[Pair]:
    """A job's list: one per name, the last wins, sorted by byte. Neither the execution's own variables nor the console
    URL are passed on (`getEnvVarsForTask`)."""
    merged = dict(pod_environment(context, settings, own))
    merged.update(settings.batch.default_env_vars)
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
