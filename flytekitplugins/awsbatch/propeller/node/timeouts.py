"""When a node has waited long enough: its own timeouts, and states that real Flyte would never leave. Pure."""

from __future__ import annotations

from dataclasses import replace

from ...batch.api import BatchError
from ..aws_array import hangs
from ..aws_array.job_store import Job
from ..aws_array.phases import Phase
from ..aws_array.plugin_state import State, TaskError
from ..aws_array.retry_strategy import attempts
from ..golang.duration import format_duration
from ..propeller_settings import HandlerSettings
from .node_request import NodeRequest
from .node_state import FAILING, Ending, NodeState

# The code of the timeout that another attempt may follow.
EXPIRED = "TimeoutExpired"
# A little more than the time left, so that the moment has passed when the round comes.
_MARGIN = 0.001


def timed_out(node: NodeState, request: NodeRequest, now: float) -> TaskError | None:
    """A node's timeout ends an attempt; twice of it, queueing and retries included, ends the node
    (`nodes/executor.go`: execute; `transformers/k8s/node.go`)."""
    timeout = request.timeout
    if not timeout or node.ending is not None or node.queued_at is None or node.started_at is None:
        return None
    if now > node.queued_at + 2 * timeout:
        return TaskError("Timeout", "Timeout in node", "USER")
    if now > node.started_at + timeout:
        return TaskError(EXPIRED, f"task execution timeout [{format_duration(timeout)}] expired", "USER")
    return None


def watch_hangs(
    node: NodeState,
    settings: HandlerSettings,
    request: NodeRequest,
    before: State,
    job: Job | None,
    problem: BatchError | None,
    now: float,
) -> NodeState:
    """The state after a round, with an ending when the time for a hang is over.

    :param before: the handler's state before the round.
    :param problem: why AWS had no news of the job.
    """
    after = node.plugin_state
    if after.phase is not Phase.CHECKING_SUBTASKS:
        return node
    quiet = problem is not None or (job is not None and not job.known)
    node = replace(node, quiet_since=(node.quiet_since or now) if quiet else None)
    limit = settings.emulation.hang_limit
    if node.quiet_since is not None and now >= node.quiet_since + limit:
        unknown = hangs.unknown_job(str(after.external_job_id))
        return _ended(node, unknown if problem is None else hangs.refused_describe(str(problem)), limit)
    if not settings.strict:
        return node
    allowed = attempts(request.template, settings.batch.min_retries, settings.batch.max_retries)
    hang = hangs.diagnose(before, after, job, allowed)
    if hang is None:
        return node
    node = replace(node, hang=hang, hang_since=node.hang_since or now)
    assert node.hang_since is not None
    return _ended(node, hang, limit) if now >= node.hang_since + limit else node


def _ended(node: NodeState, hang: str, limit: float) -> NodeState:
    message = f"{hang}. Ended here after {format_duration(limit)} (emulator.hang_limit)"
    return replace(node, hang=hang, ending=Ending(FAILING, TaskError("Hang", message, "SYSTEM")))


def time_left(node: NodeState, settings: HandlerSettings, request: NodeRequest, now: float) -> float | None:
    """Seconds until time alone changes something; None: it never does."""
    limit = settings.emulation.hang_limit
    moments = [since + limit for since in (node.hang_since, node.quiet_since) if since is not None]
    if request.timeout and node.started_at is not None and node.queued_at is not None:
        moments += [node.started_at + request.timeout, node.queued_at + 2 * request.timeout]
    return max(min(moments) - now, 0) + _MARGIN if moments else None
