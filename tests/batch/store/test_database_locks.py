"""Several processes on one home: nobody may lose the locks that keep the others from tidying the log away."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from flytekitplugins.awsbatch.batch.emulator.store.database import Database

OTHER = """
import sys
from pathlib import Path
from flytekitplugins.awsbatch.batch.emulator.store.database import Database

database = Database(Path(sys.argv[1]))
with database.transaction() as connection:
    connection.execute("INSERT INTO queues VALUES (?, '{}')", (sys.argv[2],))
database.close_database()
"""


def test_a_process_that_leaves_does_not_take_itself_for_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "batch.sqlite3"
    database = Database(path)
    for number in range(20):
        with database.transaction() as connection:
            connection.execute("INSERT INTO queues VALUES (?, '{}')", (f"mine-{number}",))
        subprocess.run([sys.executable, "-c", OTHER, str(path), f"theirs-{number}"], check=True)
        # The one that leaves last moves the log into the file and removes it; we are still here.
        assert path.with_name("batch.sqlite3-wal").exists()
    with database.reader() as connection:
        assert connection.execute("SELECT count(*) FROM queues").fetchone() == (40,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close_database()


def test_opening_a_database_again_keeps_the_locks(tmp_path: Path) -> None:
    path = tmp_path / "batch.sqlite3"
    first = Database(path)
    second = Database(path)
    second.close_database()
    subprocess.run([sys.executable, "-c", OTHER, str(path), "theirs"], check=True)
    assert path.with_name("batch.sqlite3-wal").exists()
    first.close_database()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


FORKS = """
import os
import sys
from pathlib import Path
from flytekitplugins.awsbatch.batch.emulator.store.database import Database

def insert(database, name):
    with database.transaction() as connection:
        connection.execute("INSERT INTO queues VALUES (?, '{}')", (name,))

path = Path(sys.argv[1])
database = Database(path)
insert(database, "parent")
closed, close = os.pipe()
opened, open_ = os.pipe()
if os.fork() == 0:
    own = Database(path)
    insert(own, "before")
    os.write(open_, b"1")
    os.read(closed, 1)
    insert(own, "after")
    own.close_database()
    os._exit(0)
os.read(opened, 1)
insert(database, "between")
database.close_database()
os.write(close, b"1")
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_fork_has_locks_of_its_own(tmp_path: Path) -> None:
    """It inherits SQLite's memory of the other process's locks, and not the locks."""
    path = tmp_path / "batch.sqlite3"
    subprocess.run([sys.executable, "-c", FORKS, str(path)], check=True, timeout=60)
    with sqlite3.connect(path) as connection:
        found = [name for (name,) in connection.execute("SELECT name FROM queues ORDER BY name")]
    assert found == ["after", "before", "between", "parent"]
