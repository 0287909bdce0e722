"""Where the page of a home is served: the process that serves it leaves a note in the home."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from urllib.parse import quote

from ..home import Home
from .process_mark import process_lives, process_mark
from .record import RecordError, read_record_file, understanding_record, write_record_file

NOTE = "page.json"


@contextlib.contextmanager
def page_address_noted(home: Home, url: str) -> Iterator[None]:
    """Leaves the note while the block runs, in which the page is served at `url`. A home that cannot be written gets
    none."""
    with contextlib.suppress(OSError):
        write_record_file(home.path / NOTE, {"url": url, "process": process_mark()})
    try:
        yield
    finally:
        with contextlib.suppress(OSError, RecordError), understanding_record(home.path / NOTE):
            # Another process may serve it by now.
            if read_record_file(home.path / NOTE)["process"]["pid"] == os.getpid():
                (home.path / NOTE).unlink()


def page_address_of_run(home: Home, execution: str) -> str:
    """The address of an execution's page; "" where nobody serves one."""
    with contextlib.suppress(RecordError), understanding_record(home.path / NOTE):
        note = read_record_file(home.path / NOTE)
        if process_lives(note["process"]):
            return f"{note['url']}/ui/run/{quote(execution, safe='')}"
    return ""
