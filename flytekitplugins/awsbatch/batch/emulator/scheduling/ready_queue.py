"""Who waits for room: the runnable units of each queue in order, and those that no compute environment will ever hold.

Under the service's lock. Which of them start is the scheduler's decision; this keeps the lines and acts on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from flytekitplugins.awsbatch.batch.emulator.faults import STAY_RUNNABLE, FaultPlan
from flytekitplugins.awsbatch.batch.emulator.job_model import RUNNABLE, STARTING, Attempt, Unit
from flytekitplugins.awsbatch.batch.emulator.scheduling.capacity import Pool
from flytekitplugins.awsbatch.batch.emulator.scheduling.job_table import Board
from flytekitplugins.awsbatch.batch.emulator.scheduling.placement import Hold, Ledger, Size, misfit


class Line:
    def __init__(self, board: Board, faults: FaultPlan) -> None:
        self._board = board
        self._faults = faults
        self._ledger = Ledger({})
        self._ready: dict[str, deque[Unit]] = {}
        self._stuck: dict[str, list[Unit]] = {}
        # Queues whose first unit waits for room.
        self._held: set[str] = set()

    def join(self, queue: str, units: Iterable[Unit]) -> None:
        self._ready.setdefault(queue, deque()).extend(units)

    def join_first(self, unit: Unit) -> None:
        self._ready.setdefault(unit.job.spec.queue, deque()).appendleft(unit)

    def held(self, queue: str) -> bool:
        """Whether what joins this queue has nothing to hope for until something ends."""
        return queue in self._held

    def release_stuck(self) -> None:
        """Those that could never start stand in line again, where they were."""
        for name, units in self._stuck.items():
            self._ready.setdefault(name, deque()).extendleft(reversed(units))
        self._stuck.clear()

    def leave_room(self, unit: Unit, environment: str) -> None:
        self._ledger.give_back(environment, need_of(unit))

    def place(self, pool: Pool) -> list[Unit]:
        """Moves what fits to STARTING, with an attempt that knows its compute environment."""
        starting: list[Unit] = []
        self._held.clear()
        self._ledger.new_round(pool.sizes)
        for name in pool.by_priority:
            waiting, order = self._ready.get(name), pool.orders[name]
            while waiting:
                unit = waiting[0]
                if unit.status != RUNNABLE:
                    waiting.popleft()
                    continue
                if self._faults.of_attempt(STAY_RUNNABLE, unit) is not None:
                    self._stuck.setdefault(name, []).append(waiting.popleft())
                    continue
                where = self._ledger.place(need_of(unit), order)
                if where is Hold.WAIT:
                    self._held.add(name)
                    break
                waiting.popleft()
                if isinstance(where, Hold):
                    self._strand(name, unit, [pool.sizes[each] for each in order if each in pool.sizes])
                    continue
                unit.attempts.append(Attempt(len(unit.attempts) + 1, None, where))
                self._board.move(unit, STARTING)
                starting.append(unit)
        return starting

    def any(self) -> bool:
        return any(self._ready.values())

    def _strand(self, name: str, unit: Unit, sizes: Sequence[Size]) -> None:
        unit.reason = misfit(need_of(unit), sizes)
        if unit.job.size is None:
            unit.job.reason = unit.reason
            self._board.job_changed(unit.job)
        self._board.changed(unit)
        self._stuck.setdefault(name, []).append(unit)


def need_of(unit: Unit) -> Size:
    spec = unit.job.spec
    return Size(spec.vcpus, spec.memory, spec.gpus)
