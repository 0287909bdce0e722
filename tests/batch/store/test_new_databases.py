"""A database that is made: whole from the moment that it is there, whoever else makes the same one."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from flytekitplugins.awsbatch.batch.emulator.store import database
from flytekitplugins.awsbatch.batch.emulator.store.database import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    Database,
    UnusableHomeError,
)

FILE = "batch.sqlite3"


def described(path: Path) -> tuple[list[str], list[int | str]]:
    """The tables of a file, and what SQLite keeps in its head."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql != '' ORDER BY name")
        ]
        head = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("user_version", "application_id", "journal_mode")
        ]
    return tables, head


def link_refused(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_the_file_is_the_same_where_the_file_system_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", link_refused)

    Database(tmp_path / FILE).close_database()

    tables, head = described(tmp_path / FILE)
    assert {"jobs", "children", "attempts", "queues"} < set(tables)
    assert head == [SCHEMA_VERSION, APPLICATION_ID, "wal"]
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("links", [True, False])
def test_those_who_make_one_file_at_the_same_moment_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", link_refused)

    def make(number: int) -> None:
        database = Database(tmp_path / FILE)
        with database.transaction() as connection:
            connection.execute("INSERT INTO queues VALUES (?, '{}')", (str(number),))
        database.close_database()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(32)))

    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as connection:
        assert connection.execute("SELECT count(*) FROM queues").fetchone() == (32,)


def test_temporary_files_that_cannot_be_written_are_not_told_as_the_homes_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    # What other tests have made is kept for the process.
    database._empty_database.cache_clear()

    with pytest.raises(UnusableHomeError) as caught:
        Database(tmp_path / FILE)

    text = str(caught.value)
    assert text.startswith(f"No temporary files can be written in {tmp_path / 'gone'} (")
    assert text.endswith("Make room there, or set TMPDIR to another folder.")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    # As where a file system has no links.
    (tmp_path / FILE).touch(0o600)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(Database, tmp_path / FILE)
            assert not wait([opening], 0.3).done
            other.execute("COMMIT")
            opening.result(60).close_database()
