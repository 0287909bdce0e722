"""Work on many items at once keeps their order, stays within its window, and stops at the first error."""

from __future__ import annotations

import threading

import pytest

from flytekitplugins.awsbatch.propeller.aws_array.concurrently import concurrently_in_order
from flytekitplugins.awsbatch.propeller.aws_array.workqueue import WorkQueue


@pytest.mark.parametrize("at_once", [1, 4])
def test_results_come_in_the_order_of_the_items(at_once: int) -> None:
    assert list(concurrently_in_order(str, range(50), at_once)) == [str(number) for number in range(50)]


def test_so_many_items_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(4)

    def work(number: int) -> int:
        together.wait(30)
        return number

    assert list(concurrently_in_order(work, range(8), 4)) == list(range(8))


def test_no_more_is_begun_than_two_windows_before_results_are_taken() -> None:
    begun: list[int] = []
    results = concurrently_in_order(begun.append, range(100), 4)
    next(results)
    assert len(begun) <= 8
    results.close()
    assert len(begun) <= 8


def test_an_error_comes_when_its_item_has_its_turn() -> None:
    def work(number: int) -> int:
        return 10 // (3 - number)

    results = concurrently_in_order(work, range(100), 4)
    assert [next(results) for _ in range(3)] == [3, 5, 10]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_queued_work_is_done_once_whichever_way_it_is_queued() -> None:
    done: list[str] = []
    queue = WorkQueue(max_items=10, max_retries=1)
    queue.queue("a", lambda: done.append("a"))
    items = [(name, lambda name=name: done.append(name)) for name in "abcb"]  # type: ignore[misc]
    assert list(queue.queue_each(items, 1)) == list("abcb")
    assert done == ["a", "b", "c"]
