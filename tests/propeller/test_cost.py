"""What a run costs in the number of children: linear, with one describe call a hundred ids. Counted, not timed."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from typing import Any

from in_memory import MemoryStore
from propeller_builders import (
    MemoryBatch,
    Outcome,
    failed,
    integer,
    integers,
    literal_map,
    no_wait,
    request,
    services,
    settings,
    succeeded,
    template,
)

from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution


class CountingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def exists(self, reference: str) -> bool:
        self.count["exists"] += 1
        return super().exists(reference)

    def read_file(self, reference: str) -> bytes:
        self.count["read"] += 1
        return super().read_file(reference)

    def write_file(self, reference: str, data: bytes) -> None:
        self.count["write"] += 1
        super().write_file(reference, data)


def outputs(job: int, child: int | None) -> Outcome:
    return succeeded(literal_map(o0=integer(child or 0)))


def every_tenth_fails(job: int, child: int | None) -> Outcome:
    return failed() if child is not None and child % 10 == 0 else outputs(job, child)


def cost(children: int, play: Any, **changes: Any) -> tuple[int, Counter[str], HandlerServices]:
    """(calls of functions, file accesses, services) of a run of one attempt."""
    store = CountingStore()
    given = services(play, store=store, configured=settings())
    made = request(template(retries=0, **changes), literal_map(x=integers(range(children))))
    execution = NodeExecution(made, given)
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += 1

    # What others left for the collector, and would be counted here.
    gc.collect()
    gc.disable()
    sys.setprofile(count)
    try:
        execution.run(no_wait)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls, store.count, given


def assert_linear(play: Any, **changes: Any) -> None:
    (small, _, _), (middle, few, _), (large, many, _) = (cost(size, play, **changes) for size in (100, 200, 400))
    growth, more = middle - small, large - middle
    assert growth > 0
    # Twice as many children more bring twice as many calls more.
    assert 1.9 < more / growth < 2.1
    assert all(many[name] <= 2 * few[name] for name in many)


def test_success_costs_the_same_for_each_child() -> None:
    assert_linear(outputs)


def test_failures_cost_the_same_for_each_child() -> None:
    assert_linear(every_tenth_fails)


def test_a_cached_array_costs_the_same_for_each_item() -> None:
    assert_linear(outputs, cached="1.0")


def test_there_is_one_describe_call_for_a_hundred_ids() -> None:
    _, _, given = cost(1050, outputs)
    assert isinstance(given.batch, MemoryBatch)
    # The parent and 1050 children, once: all of them had ended at the first look.
    assert [len(ids) for ids in given.batch.described] == [100] * 10 + [51]


class ReadingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.read_names: Counter[str] = Counter()

    def read_file(self, reference: str) -> bytes:
        self.read_names[reference.rpartition("/")[2]] += 1
        return super().read_file(reference)


def test_the_inputs_are_read_once_for_the_size_and_once_for_the_command() -> None:
    store = ReadingStore()
    made = request(template(retries=0), literal_map(x=integers(range(5))))
    NodeExecution(made, services(outputs, store=store, configured=settings())).run(no_wait)
    # And each child's outputs, and those of all of them.
    assert store.read_names == {"inputs.pb": 2, "outputs.pb": 6}
