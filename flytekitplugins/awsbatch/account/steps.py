"""The steps of the setup document, in its order, and the walk through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from . import batch_checks, image_and_logs, role_checks, settings_checks
from .aws_account import CallError
from .step_findings import StepFinding, unknown_finding
from .walk import AccountWalk


@dataclass(frozen=True)
class Step:
    """
    :param name: in reports and in docs/how-to/doctor.md.
    :param asks_account: whether it needs credentials of the right account.
    """

    name: str
    title: str
    check: Callable[[AccountWalk], Iterable[StepFinding]]
    asks_account: bool = True


STEPS = (
    Step("credentials", "Credentials", settings_checks.check_settings_credentials, asks_account=False),
    Step("account", "The account of the settings", settings_checks.check_settings_account, asks_account=False),
    Step("region", "The region of the settings", settings_checks.check_settings_regions, asks_account=False),
    Step("environments", "Compute environments", batch_checks.check_compute_environments),
    Step("queues", "Job queues", batch_checks.check_queues),
    Step("tasks", "Room for the tasks", batch_checks.check_compute_environment_room),
    Step("scheduling", "Scheduling policies and share identifiers", batch_checks.check_queue_scheduling),
    Step("roles", "The jobs' roles", role_checks.check_roles),
    Step("trust", "The roles trust ECS", role_checks.check_role_trust),
    Step("pass-role", "Propeller may pass the roles on", role_checks.check_pass_role),
    Step("batch-calls", "Propeller may call AWS Batch", role_checks.check_role_batch_calls),
    Step("storage", "The jobs reach the storage", role_checks.check_role_storage_access),
    Step(
        "queue-rules",
        "FlyteAdmin reads the queue rules",
        settings_checks.check_settings_queue_rules,
        asks_account=False,
    ),
    Step(
        "annotation",
        "FlyteAdmin and propeller agree on the role",
        settings_checks.check_settings_annotation_keys,
        asks_account=False,
    ),
    Step("plugins", "Propeller's plugins", settings_checks.check_settings_plugins, asks_account=False),
    Step("array-size", "The size of arrays", settings_checks.check_settings_array_size, asks_account=False),
    Step("image", "The image", image_and_logs.check_image),
    Step("logs", "The log group", image_and_logs.check_log_group),
)
THREADS = 16


def findings_of_steps(walk: AccountWalk) -> Iterator[tuple[Step, list[StepFinding]]]:
    """What each step says, in order; all of them look at the same time."""
    with ThreadPoolExecutor(THREADS) as pool:
        looking = [(step, pool.submit(run_account_step, step, walk)) for step in STEPS]
        for step, found in looking:
            yield step, found.result()


def run_account_step(step: Step, walk: AccountWalk) -> list[StepFinding]:
    """What one step says. A call without an answer, or with one that the step cannot read, ends the step, and not what
    it has found before."""
    if step.asks_account and walk.walk_blocked:
        return [unknown_finding(step.name, walk.walk_blocked)]
    found: list[StepFinding] = []
    try:
        for finding in step.check(walk):
            found.append(finding)
    except CallError as error:
        found.append(unknown_finding(step.name, str(error)))
    except Exception as error:
        found.append(unknown_finding(step.name, f"{type(error).__name__}: {error}"))
    return found or [unknown_finding(step.name, "there is nothing to look at")]
