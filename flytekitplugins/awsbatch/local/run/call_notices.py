"""What a person is told of a call's node while it runs: failed attempts, jobs that wait or can never start, links."""

from __future__ import annotations

import os

from flyteidl.core import tasks_pb2

from flytekitplugins.awsbatch.propeller.aws_array.output_files import error_message_in_output_files
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.aws_array.retry_strategy import retry_strategy_attempts
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_result import Progress

from ... import machine_time
from ..console.attempt_news import AttemptNews
from ..console.exit_reasons import exit_in_words, exit_says_exception
from ..console.misfits import misfit_advice
from ..console.redaction import redact
from ..console.tracebacks import traceback_exception_line
from ..deployment.opening import Deployment
from ..identity.node_identity import Place


class CallNotices:
    """
    :param label: names the node in each line.
    :ivar asked: what the task itself asks for, before FlyteAdmin's defaults and limits.
    :ivar queue: the queue in an account; it says why a job waits. Empty elsewhere.
    :ivar advice: what to do about a job that can never start; empty where it may.
    """

    def __init__(self, deployment: Deployment, label: str, place: Place, template: tasks_pb2.TaskTemplate) -> None:
        self._deployment = deployment
        self._label = label
        self._place = place
        self._template = template
        self._queued_since: float | None = None
        self._node: NodeExecution | None = None
        self._news = AttemptNews(self._exception_of, self._original_index)
        self.asked = tasks_pb2.Resources()
        self.queue = ""
        self.advice = ""

    def tell(self, node: NodeExecution, progress: Progress) -> None:
        """Tells what is new after a round of the node."""
        self._node = node
        deployment, label = self._deployment, self._label
        if progress.job_id is not None:
            # A job of one child is no array, however many items the cache had.
            children = sum(progress.counts.values()) - progress.cached
            if page := deployment.backend.console_link(progress.job_id, children):
                deployment.say_once(f"{label}: {page}")
            elif progress.link and children > 1:
                deployment.say_once(f"{label}: Flyte's console links the array to {progress.link}")
        max_attempts = retry_strategy_attempts(self._template, deployment.settings.handler.batch)
        job = deployment.services.jobs.get(progress.job_name)
        for line in self._news.lines(progress, job, max_attempts):
            deployment.reporter.say(redact(f"{label}: {line}", os.environ))
        refused = f"{progress.error} (it is tried again)" if progress.error and node.result is None else None
        misfit = self._misfit(progress)
        for notice in (misfit, refused) if misfit else (progress.hang, self._queued(progress), refused):
            if notice:
                deployment.say_once(f"{label}: {notice}")

    def _original_index(self, child: int) -> int:
        return self._node.original_index(child) if self._node is not None else child

    def _exception_of(self, child: int, words: str) -> str:
        """What ended the last attempt of a child, in one line."""
        assert self._node is not None
        if exit_says_exception(words):
            store, original = self._deployment.services.store, self._original_index(child)
            line = traceback_exception_line(error_message_in_output_files(store, self._node.output_prefix, original))
            if line:
                return line
        return exit_in_words(words)

    def _misfit(self, progress: Progress) -> str:
        """The reason that AWS Batch gives a job that can never start."""
        self.advice = misfit_advice(progress.misfit, self.asked, self._place.resources)
        return f"{progress.misfit}. It can never start. {self.advice}".rstrip() if progress.misfit else ""

    def _queued(self, progress: Progress) -> str:
        """Why no attempt of the job has started for a long time."""
        if progress.job_id is None or set(progress.counts) - {TaskPhase.QUEUED, TaskPhase.NOT_READY}:
            self._queued_since = None
            return ""
        self._queued_since = self._queued_since or machine_time.monotonic()
        queued = machine_time.monotonic() - self._queued_since
        return self._deployment.backend.why_queued(progress.job_id, self.queue, queued)
