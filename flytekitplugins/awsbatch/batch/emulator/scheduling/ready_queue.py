"""The runnable units of each queue in order, and those that no compute environment will ever hold.

Under the service's lock. `placement` decides which of them start; this keeps the order and acts on the decision.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator

from ..faults import STAY_RUNNABLE, FaultPlan
from ..job_model import RUNNABLE, STARTING, Attempt, Job, Unit
from .capacity import Capacity
from .job_table import JobTable
from .placement import Hold, Occupancy, Size, why_not_placeable


class ReadyQueue:
    def __init__(self, table: JobTable, faults: FaultPlan) -> None:
        self._table = table
        self._faults = faults
        self._occupancy = Occupancy({})
        # By submission, each a heap: what had to wait for others, or is tried again, goes before what came later.
        self._ready: defaultdict[str, list[tuple[int, int, int, Unit]]] = defaultdict(list)
        self._never_fitting: defaultdict[str, list[Unit]] = defaultdict(list)
        self._try_misfits = False
        # Queues whose first unit waits for room.
        self._blocked: set[str] = set()

    def append(self, units: Iterable[Unit]) -> None:
        for unit in units:
            # A job that is gone may have had the same number.
            entry = unit.job.sequence, unit.index or 0, id(unit), unit
            heapq.heappush(self._ready[unit.job.spec.queue], entry)

    def is_queue_blocked_for(self, job: Job) -> bool:
        """Whether a job that has been appended cannot start until another one ends."""
        queue = job.spec.queue
        return queue in self._blocked and self._ready[queue][0][0] < job.sequence

    def try_misfits_again(self) -> None:
        """Puts units that could never start back into their queue, when units are placed next."""
        self._try_misfits = True

    def give_back(self, unit: Unit) -> None:
        """The unit's current attempt does not use its room in the compute environment any more."""
        self._occupancy.give_back(unit.current.environment or "", _ready_unit_need(unit))

    def place(self, capacity: Capacity) -> list[Unit]:
        """Moves the units that fit to STARTING, with an attempt that knows its compute environment."""
        starting: list[Unit] = []
        self._blocked.clear()
        if self._try_misfits:
            self._try_misfits = False
            self._put_misfits_back()
        self._occupancy.new_placement_round(capacity.sizes)
        for name in capacity.by_priority:
            waiting, order = self._ready[name], capacity.orders[name]
            while waiting:
                unit = waiting[0][-1]
                if unit.status != RUNNABLE:
                    heapq.heappop(waiting)
                    continue
                if self._faults.fault_of_attempt(STAY_RUNNABLE, unit) is not None:
                    heapq.heappop(waiting)
                    self._never_fitting[name].append(unit)
                    continue
                where = self._occupancy.place(_ready_unit_need(unit), order)
                if where is Hold.WAIT:
                    self._blocked.add(name)
                    break
                heapq.heappop(waiting)
                if isinstance(where, Hold):
                    need, every = _ready_unit_need(unit), {**capacity.disabled, **capacity.sizes}
                    sizes = [every[each] for each in order if each in every]
                    # One that is disabled may be enabled again.
                    if not any(size.holds(need) for size in sizes):
                        self._note_misfit(unit, why_not_placeable(need, sizes))
                    self._never_fitting[name].append(unit)
                    continue
                unit.attempts.append(Attempt(len(unit.attempts) + 1, None, where))
                self._table.set_status(unit, STARTING)
                starting.append(unit)
        return starting

    def any(self) -> bool:
        return any(self._ready.values()) or any(self._never_fitting.values())

    def queue_heads(self) -> Iterator[tuple[str, Unit]]:
        """Each unit that nothing but room keeps from starting, with its queue."""
        for name in self._blocked:
            yield name, self._ready[name][0][-1]
        for name, units in self._never_fitting.items():
            for unit in units:
                if unit.status == RUNNABLE:
                    yield name, unit

    def _put_misfits_back(self) -> None:
        for units in self._never_fitting.values():
            for unit in units:
                if unit.status == RUNNABLE:
                    self._note_misfit(unit, None)
            self.append(units)
        self._never_fitting.clear()

    def _note_misfit(self, unit: Unit, reason: str | None) -> None:
        if unit.reason == reason:
            return
        unit.reason = reason
        if unit.job.size is None:
            unit.job.reason = reason
            self._table.note_job_change(unit.job)
        self._table.note_unit_change(unit)


def _ready_unit_need(unit: Unit) -> Size:
    spec = unit.job.spec
    return Size(spec.vcpus, spec.memory, spec.gpus)
