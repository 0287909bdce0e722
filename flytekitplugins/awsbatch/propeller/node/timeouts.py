"""When a node's time is over: its timeouts, the wait of an array that must fail, and states that real Flyte would never
leave. Pure."""

from __future__ import annotations

import math
from dataclasses import replace

from ..aws_array import hangs
from ..aws_array.job_store import Job
from ..aws_array.phases import Phase, TaskPhase
from ..aws_array.plugin_state import State, TaskError
from ..aws_array.retry_strategy import retry_strategy_attempts
from ..golang.duration import format_duration
from ..propeller_settings import HandlerSettings
from .node_request import NodeRequest
from .node_state import FAILING, Ending, NodeState

# The code of the timeout that another attempt may follow.
EXPIRED = "TimeoutExpired"
# A little more than the time left, so that the moment has passed when the next round begins.
_MARGIN = 0.001


def timed_out(node: NodeState, request: NodeRequest, settings: HandlerSettings, now: float) -> TaskError | None:
    """The error of a node whose time is over (`nodes/executor.go`: execute)."""
    if node.ending is not None or node.queued_at is None or node.started_at is None:
        return None
    execution, active = _deadlines(request, settings)
    if active and now > node.queued_at + active:
        return TaskError("Timeout", "Timeout in node", "USER")
    if execution and now > node.started_at + execution:
        return TaskError(EXPIRED, f"task execution timeout [{format_duration(execution)}] expired", "USER")
    return None


def _deadlines(request: NodeRequest, settings: HandlerSettings) -> tuple[float, float]:
    """Seconds that an attempt may take, and the node with its queueing and retries; 0: no limit.

    A node's own timeout, and twice of it (`transformers/k8s/node.go`), else the deployment's defaults.
    """
    if request.timeout:
        return request.timeout, 2 * request.timeout
    return settings.propeller.node_config.default_deadlines.seconds


def timeout_of_failure_wait(node: NodeState, settings: HandlerSettings) -> float | None:
    """Until when an array that must fail waits for its children; None: it need not fail."""
    if node.failing_since is None or node.started_at is None:
        return None
    if not settings.strict:
        return node.failing_since + settings.emulation.failure_wait
    # Propeller's job store asks again at fixed times, and only then sees the failure.
    period = settings.batch.resync_seconds
    if period <= 0:
        return None
    refreshes = math.floor((node.failing_since - node.started_at) / period) + 1
    return node.started_at + refreshes * period


def node_may_end_before_timeout(state: State, settings: HandlerSettings) -> bool:
    """Whether a child may still end while an array that must fail waits."""
    running = state.summary.get(TaskPhase.RUNNING, 0) > 0
    return running or (settings.strict and any(not phase.terminal for phase, count in state.summary.items() if count))


def end_node_at_hang_timeout(
    node: NodeState,
    settings: HandlerSettings,
    request: NodeRequest,
    before: State,
    job: Job | None,
    quiet: str | None,
    now: float,
) -> NodeState:
    """The state after a round, with an ending when the time for a hang is over.

    :param before: the handler's state before the round.
    :param quiet: why AWS has no news of the job (`hangs.hang_without_news`).
    """
    after = node.plugin_state
    if after.phase is not Phase.CHECKING_SUBTASKS:
        return node
    node = replace(node, quiet_since=(node.quiet_since or now) if quiet else None)
    limit = settings.emulation.hang_limit
    if quiet and node.quiet_since is not None and now >= node.quiet_since + limit:
        return _ended(node, quiet, limit)
    if not settings.strict:
        return node
    allowed = retry_strategy_attempts(request.template, settings.batch)
    hang = hangs.diagnose_hang(before, after, job, allowed)
    if hang is None:
        return node
    node = replace(node, hang=hang, hang_since=node.hang_since or now)
    assert node.hang_since is not None
    return _ended(node, hang, limit) if now >= node.hang_since + limit else node


def _ended(node: NodeState, hang: str, limit: float) -> NodeState:
    message = f"{hang}. Ended here after {format_duration(limit)} (emulator.hang_limit)"
    return replace(node, hang=hang, ending=Ending(FAILING, TaskError("Hang", message, "SYSTEM")))


def time_left_to_timeout(node: NodeState, settings: HandlerSettings, request: NodeRequest, now: float) -> float | None:
    """Seconds until time alone changes something; None: it never does."""
    limit = settings.emulation.hang_limit
    moments = [since + limit for since in (node.hang_since, node.quiet_since) if since is not None]
    if node.started_at is not None and node.queued_at is not None:
        execution, active = _deadlines(request, settings)
        moments += [node.started_at + execution] if execution else []
        moments += [node.queued_at + active] if active else []
    failure = timeout_of_failure_wait(node, settings)
    moments += [] if failure is None else [failure]
    return max(min(moments) - now, 0) + _MARGIN if moments else None
