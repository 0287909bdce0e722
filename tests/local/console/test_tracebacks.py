"""flytekit's errors and log lines as people read them."""

import json

from flytekitplugins.awsbatch.local.console.tracebacks import (
    last_log_lines,
    last_traceback_lines,
    log_with_readable_tracebacks,
    traceback_exception_line,
    traceback_lines,
)

MESSAGE = """Trace:

    Traceback (most recent call last):
      File "/venv/lib/python3.11/site-packages/flytekit/core/base_task.py", line 767, in dispatch_execute
        native_outputs = self.execute(**native_inputs)
                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      File "/home/me/wf.py", line 10, in bad
        helper(x)
      File "/home/me/helper.py", line 3, in helper
        raise ValueError(f"bad value {x}")
    ValueError: bad value 2

Message:

    ValueError: bad value 2"""
SHOWN = [
    "Traceback (most recent call last):",
    '  File "/home/me/wf.py", line 10, in bad',
    "    helper(x)",
    '  File "/home/me/helper.py", line 3, in helper',
    '    raise ValueError(f"bad value {x}")',
    "ValueError: bad value 2",
]


LEFT_OPEN = (
    "Taskrunner for MainThread : loop-runner caught exception in <_UnixSelectorEventLoop running=True closed=False "
    "debug=False>: {{'client_session': <aiohttp.client.ClientSession object at 0x7fd37e2b2610>, 'message': '{}'}}"
)


def log_line(message: str, level: str = "ERROR") -> str:
    return json.dumps(
        {"asctime": "2026-01-01 00:00:00,000", "name": "flytekit", "levelname": level, "message": message}
    )


def test_an_error_begins_with_the_users_frame_and_says_the_exception_once() -> None:
    assert traceback_lines(MESSAGE) == SHOWN


def test_frames_of_flytekit_stay_where_there_are_no_others() -> None:
    lines = MESSAGE.replace("/home/me/", "/venv/lib/python3.11/site-packages/flytekit/core/")
    assert len(traceback_lines(lines)) == 9


def test_frames_of_an_exception_that_caused_another_stay() -> None:
    frame = '      File "/venv/site-packages/flytekit/x.py", line 1, in a'
    first = f"    {SHOWN[0]}\n{frame}\n    KeyError: 1"
    assert traceback_lines(MESSAGE.replace("Trace:\n\n", f"Trace:\n\n{first}\n\n")).count("KeyError: 1") == 1


def test_what_is_no_traceback_is_passed_on() -> None:
    assert traceback_lines("some words\nmore") == ["some words", "more"]
    assert traceback_lines("") == []


def test_the_exception_is_found_in_one_line() -> None:
    assert traceback_exception_line(MESSAGE) == "ValueError: bad value 2"
    assert traceback_exception_line("Traceback (most recent call last):\n  File\nKeyError: 3") == "KeyError: 3"
    assert traceback_exception_line("") == ""


def test_json_lines_are_rendered_and_others_stay_as_they_are() -> None:
    lines = [
        "",
        "working on 2",
        log_line("Exception when executing task wf.bad, reason ..."),
        log_line("!! Begin User Error Captured by Flyte !!"),
        log_line(MESSAGE),
        log_line("!! End Error Captured by Flyte !!"),
        log_line("disk is nearly full", "WARNING"),
        log_line(LEFT_OPEN.format("Unclosed client session")),
        log_line(LEFT_OPEN.format("Task exception was never retrieved")),
        log_line("hello", "INFO"),
        '{"asctime": "broken',
        '{"mine": 1}',
    ]
    assert list(log_with_readable_tracebacks(lines)) == [
        *("", "working on 2", *SHOWN),
        *("WARNING: disk is nearly full", f"ERROR: {LEFT_OPEN.format('Task exception was never retrieved')}", "hello"),
        *('{"asctime": "broken', '{"mine": 1}'),
    ]


def test_the_end_of_a_log_begins_at_a_frame() -> None:
    lines = ["before", *SHOWN[:3], "    ^^^^^^^^", *SHOWN[3:]]
    assert last_traceback_lines(lines, 5)[0] == SHOWN[3]
    assert last_traceback_lines(lines, 4)[0] == SHOWN[3]
    assert last_traceback_lines(lines, 1) == ["ValueError: bad value 2"]
    assert last_traceback_lines(lines, 99) == lines
    assert last_traceback_lines(["  indented", "  output"], 1) == ["  output"]


def test_a_crash_is_shown_from_the_innermost_frame_of_the_thread_that_crashed() -> None:
    frames = [f'  File "/app/tasks.py", line {number} in step_{number}' for number in range(40)]
    thread = "Current thread 0x00007fb43c876b80 (most recent call first):"
    other = ["Thread 0x00007fb43c876b81 (most recent call first):", '  File "threading.py", line 331 in wait', ""]
    lines = [
        "loaded",
        "Fatal Python error: Segmentation fault",
        "",
        *other,
        thread,
        *frames,
        "",
        "Extension modules: numpy (total: 1)",
    ]
    assert last_log_lines(lines, 4) == [lines[1], thread, *frames[:2]]
    assert last_log_lines([*lines, "the parent goes on"], 1) == ["the parent goes on"]
    # The message of an exception may hold the crash of another process.
    assert last_traceback_lines(lines, 99) == lines
    aborted = ["Fatal Python error: _PyMem_DebugFree: bad ID", "Python runtime state: initialized"]
    assert last_log_lines(aborted, 4) == aborted
