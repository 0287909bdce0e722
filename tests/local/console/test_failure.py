"""What a failed task tells a person."""

from __future__ import annotations

import pytest
from flyteidl.core import errors_pb2
from in_memory import MemoryStore

from flytekitplugins.awsbatch.local.console.failure import task_failed_error
from flytekitplugins.awsbatch.propeller.aws_array.indexes import ChildIndex, OriginalIndex
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase
from flytekitplugins.awsbatch.propeller.node.node_result import ChildFact, NodeResult
from flytekitplugins.awsbatch.propeller.storage import write_stored_message

MESSAGE = "Where it was:\n  File flow.py, line 3, in work\n    sleep(90)\nThe attempt was ended early."
FLYTEKITS = '{"asctime": "2026-01-01 00:00:00,000", "message": "Trace: ..."}'


def failure(log: str, message: str = MESSAGE) -> str:
    """The failure of one job that left a message in its error.pb and this in its log."""
    store = MemoryStore()
    error = errors_pb2.ContainerError(code="USER", message=message)
    write_stored_message(store, "mem://out/0/error.pb", errors_pb2.ErrorDocument(error=error))
    child = ChildFact(OriginalIndex(0), ChildIndex(0), "job", TaskPhase.PERMANENT_FAILURE, 2, ("stream",), "exit(1)")
    result = NodeResult(TaskPhase.PERMANENT_FAILURE, None, None, 1, (child,), "name", "job", "mem://out")
    tail = "/logs/one.log", log
    return str(
        task_failed_error(result, task="flow.work", execution="abc", node="n0", store=store, tail_of=lambda _: tail)
    )


def explained(log: str) -> str:
    """What follows MESSAGE."""
    return failure(log).partition("The attempt was ended early.\n")[2]


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", ["  Its log is empty (/logs/one.log)."]),
        ("at work\n", ["  End of its log (/logs/one.log):", "    at work"]),
        (f"at work\n{FLYTEKITS}\n", ["  End of its log (/logs/one.log):", "    at work"]),
        (f"at work\n{MESSAGE}\n", ["  End of its log (/logs/one.log):", "    at work"]),
        (f"{MESSAGE}\n", ["  Its log has nothing beyond this (/logs/one.log)."]),
        # The beginning of the message lies before the end of the log that is read.
        (MESSAGE.partition("\n")[2], ["  Its log has nothing beyond this (/logs/one.log)."]),
        (
            f"{MESSAGE}\nlater",
            [
                "  End of its log (/logs/one.log):",
                "    Where it was:",
                "      File flow.py, line 3, in work",
                "        sleep(90)",
                "    The attempt was ended early.",
                "    later",
            ],
        ),
    ],
)
def test_the_log_of_a_child_is_shown_without_what_its_message_says(log: str, told: list[str]) -> None:
    assert explained(log).splitlines()[: len(told)] == told
    assert explained(log).splitlines()[len(told) :] == [
        "Run it again, here and in a debugger:",
        "flyte-awsbatch rerun abc n0 0",
    ]


def test_a_line_that_is_a_whole_table_is_shortened() -> None:
    said = failure("y" * 300_000, f"ValueError: {'x' * 300_000}")
    assert len(said) < 5_000
    assert "ValueError: xxx" in said
    assert said.count("… (298") == 2
