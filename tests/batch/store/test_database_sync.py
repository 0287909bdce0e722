"""What outlives a machine that loses power; a process that is killed loses nothing either way."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from flytekitplugins.awsbatch.batch.emulator.store.database import Database

OFF, NORMAL = 0, 1


@pytest.mark.parametrize(("temporary", "level"), [(".", OFF), ("elsewhere", NORMAL)])
def test_only_a_home_in_the_folder_for_temporary_files_is_never_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: str, level: int
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    (tmp_path / temporary).mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / temporary))
    database = Database(tmp_path / "home" / "batch.sqlite3")
    # Before the new file appears; SQLite syncs by itself what is written later.
    assert len(synced) == (level == NORMAL)
    try:
        with database.transaction() as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
    finally:
        database.close_database()
