"""Ends of jobs in words that help."""

import pytest

from flytekitplugins.awsbatch.local.console.exit_reasons import (
    advice_on_exit,
    exit_in_words,
    exit_reason_of_node,
    exit_says_exception,
)

ENDED = "Essential container in task exited -  "
OOM = "Essential container in task exited - OutOfMemoryError: Container killed due to memory usage exit(137)"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"{ENDED}exit(1)", "exit status 1"),
        (" exit(3)", "exit status 3"),
        (f"{ENDED}exit(139)", "killed by signal 11, segmentation fault"),
        (f"{ENDED}exit(137)", "killed by signal 9, killed"),
        (f"{ENDED}exit(255)", "exit status 255"),
        (OOM, "killed for holding more memory than its limit"),
        ("Host EC2 (instance i-0) terminated. - ", "Host EC2 (instance i-0) terminated."),
        (
            "Job attempt duration exceeded timeout -  exit(143)",
            "Job attempt duration exceeded timeout, killed by signal 15, terminated",
        ),
        ("", ""),
    ],
)
def test_an_end_is_told_in_one_phrase(words: str, said: str) -> None:
    assert exit_in_words(words) == said


def test_an_error_file_is_believed_where_the_job_ended_as_after_an_exception() -> None:
    assert exit_says_exception(f"{ENDED}exit(1)")
    assert not exit_says_exception(f"{ENDED}exit(139)")
    assert not exit_says_exception(OOM)


def test_a_signal_is_named_and_a_crash_says_where_to_look() -> None:
    assert "signal 11, segmentation fault" in advice_on_exit(f"{ENDED}exit(139)")
    assert "PYTHONFAULTHANDLER" in advice_on_exit(f"{ENDED}exit(139)")
    assert "Resources(mem=" in advice_on_exit(OOM)
    assert advice_on_exit(f"{ENDED}exit(1)") == ""


def test_missing_outputs_are_told_without_paths() -> None:
    message = "failed to read data from dataDir [/x/outputs.pb]. Error: /x/outputs.pb: file does not exist"
    assert exit_reason_of_node(message) == "its job ended well and left no outputs"
    assert exit_reason_of_node("one\ntwo") == "one"
