"""Reads runs for people who look at them: the page, the report, `top` and `jobs` all see the same.

There are two sources: the records of a run, and the AWS Batch that has its jobs. That of the home is always read. A job
that ran somewhere else (an account, another home's service) is known from the records, unless somebody asks there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flytekitplugins.awsbatch.batch.emulator.execution.log_files import LogStream
from flytekitplugins.awsbatch.batch.emulator.job_model import JobLook
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

from ..home import Home, HomeError
from .children import children_of_look, children_of_record
from .past_runs import NodeInfo, RunInfo, UnknownRunError, past_run, past_runs_of
from .run_view import ATTEMPT_SIGN, DONE, INTERRUPTED, ChildView, ExecutionView, NodeView

# Tells of a job by its id; None for what it does not know.
Look = Callable[[str], JobLook | None]
# Nodes that are kept as they were last read.
KEPT = 200


class RunReader:
    """Reads the runs of a home while other processes write them. Close it when done; not for several threads at once.

    Raises UnknownRunError, RecordError, UnusableHomeError, as its parts do.
    """

    def __init__(self, home: Home, batch: LocalBatch | None = None, look: Look | None = None) -> None:
        """:param batch: the home's local AWS Batch where this process has it open; it is not closed.
        :param look: asks another AWS Batch than the home's.
        """
        self.home = home
        self._own = batch is None
        self._batch = batch
        self._look = look or self._look_here
        # The record and the service's version -> the node, which may be large.
        self._known: dict[tuple[str, str], tuple[tuple[object, ...], NodeView]] = {}

    def close_reader(self) -> None:
        if self._own and self._batch is not None:
            self._batch.close()
            self._batch = None

    def __enter__(self) -> RunReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_reader()

    @property
    def batch(self) -> LocalBatch | None:
        """The home's local AWS Batch, to be read; None before its first job."""
        if self._batch is None and self.home.database.exists():
            self._batch = LocalBatch(self.home.batch, reading=True)
        return self._batch

    def runs(self) -> list[RunInfo]:
        """All executions, newest first."""
        return past_runs_of(self.home)

    def execution(self, name: str) -> ExecutionView:
        """One execution by its whole name."""
        self._folder(name)
        info = past_run(self.home, name)
        return ExecutionView(info, tuple(self._node(info, node) for node in info.nodes))

    def run_stamp(self, name: str) -> tuple[object, ...]:
        """A value that changes whenever the execution may have changed; cheap enough to be read several times a
        second."""
        folder = self._folder(name)
        moments: list[object] = []
        for path in (folder / "execution.json", folder / "nodes"):
            with contextlib.suppress(OSError):
                moments.append(path.stat().st_mtime_ns)
        return (*moments, self._version())

    def streams(self, node: NodeView, child: ChildView) -> list[LogStream]:
        """The logs of a child's attempts on this machine, the oldest first."""
        if self.batch is None or not node.info.job_id or child.child is None:
            return []
        return self.batch.log_streams(node.info.job_id, child.child if node.array else None)

    def error(self, node: NodeView, child: ChildView) -> str:
        """The child's own exception with its traceback, as it left it; "" where there is none."""
        from flytekitplugins.awsbatch.propeller.aws_array.output_files import error_message_in_output_files
        from flytekitplugins.awsbatch.propeller.storage import LocalStore

        prefix = str(node.info.record.get("output_prefix") or "")
        # Looking at a page fetches nothing from a bucket.
        return (
            error_message_in_output_files(LocalStore(), prefix, child.index).strip() if prefix.startswith("/") else ""
        )

    def _version(self) -> object:
        batch = self.batch
        return batch.version() if batch is not None else None

    def _look_here(self, job_id: str) -> JobLook | None:
        return self.batch.look(job_id) if self.batch is not None else None

    def _folder(self, name: str) -> Path:
        """Raises UnknownRunError also for what cannot be an execution's name."""
        try:
            return self.home.run(name)
        except HomeError as error:
            raise UnknownRunError(str(error)) from None

    def _node(self, info: RunInfo, node: NodeInfo) -> NodeView:
        """The node as it was last read, where neither its record nor a job of the home has changed since."""
        path = self.home.run(info.name) / "nodes" / f"{node.node}.json"
        key = info.name, node.node
        known = self._known.get(key)
        mark: tuple[object, ...] = ()
        with contextlib.suppress(OSError):
            stat = path.stat()
            mark = (stat.st_mtime_ns, stat.st_size, node.status)
            if known is not None and known[0][:3] == mark and known[0][3] in (None, self._version()):
                return known[1]
        # Before it is read: what changes meanwhile is seen the next time.
        version = self._version()
        found = self._read(info, node)
        if mark:
            if len(self._known) >= KEPT:
                self._known.clear()
            over = node.status != "running" and all(child.state in (*DONE, INTERRUPTED) for child in found.children)
            # What has ended does not change with other jobs.
            self._known[key] = ((*mark, None if over else version), found)
        return found

    def _read(self, info: RunInfo, node: NodeInfo) -> NodeView:
        attempts = [*_earlier_attempts(node), node]
        *earlier, last = (self._attempt(info, one) for one in attempts)
        numbered = [replace(one, number=number, of=len(attempts)) for number, one in enumerate(earlier, start=1)]
        return replace(last, number=len(attempts), of=len(attempts), earlier=tuple(numbered))

    def _attempt(self, info: RunInfo, node: NodeInfo) -> NodeView:
        look = self._look(node.job_id) if node.job_id else None
        elsewhere = info.endpoint is not None
        if look is None:
            counts = node.record.get("counts") if node.status == "running" else None
            return NodeView(node, children_of_record(node), elsewhere=elsewhere, known_counts=counts)
        # Nobody runs a job of this machine once its run's process has gone.
        halted = node.status != "running" and (not elsewhere or node.status != "interrupted")
        children = children_of_look(node, look, halted)
        return NodeView(node, children, look=replace(look, units=()), elsewhere=elsewhere)


def _earlier_attempts(node: NodeInfo) -> list[NodeInfo]:
    """A node as it was in each attempt before its last one, under ids of their own."""
    known = node.record.get("attempts") or []
    folder = str(node.record.get("output_prefix") or "").rpartition("/")[0]
    found = []
    for attempt, entry in zip(node.attempts[:-1], known, strict=False):
        record = {
            "children": entry.get("children"),
            # As `propeller.node.paths` has it.
            "output_prefix": f"{folder}/{entry['attempt']}" if folder else "",
            "queue": node.record.get("queue"),
            "snapshot": {"ending": {"error": {"message": attempt.reason}}},
        }
        found.append(
            replace(
                node,
                node=f"{node.node}{ATTEMPT_SIGN}{attempt.number}",
                status="failed",
                job_name=attempt.job_name,
                job_id=attempt.job_id,
                attempts=(attempt,),
                record=record,
            )
        )
    return found
