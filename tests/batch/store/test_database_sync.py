"""What outlives a machine that loses power; a process that is killed loses nothing either way."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from flytekitplugins.awsbatch.batch.emulator.store.database import Database

OFF, NORMAL = 0, 1


@pytest.mark.parametrize(("temporary", "level"), [(".", OFF), ("elsewhere", NORMAL)])
def test_only_a_home_in_the_folder_for_temporary_files_is_never_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: str, level: int
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / temporary))
    database = Database(tmp_path / "home" / "batch.sqlite3")
    try:
        with database.transaction() as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
    finally:
        database.close_database()
