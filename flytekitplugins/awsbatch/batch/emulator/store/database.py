"""The SQLite file: schema, connections, transactions. It does not know what the rows mean.

The write-ahead log is not synced at every commit: a killed process loses nothing that was committed; a machine that
loses power may lose the last moments. In a folder for temporary files nothing is synced at all.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shlex
import shutil
import sqlite3
import tempfile
import threading
import time
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path

from .... import machine_time
from .. import private_folders

APPLICATION_ID = 0x46574142
SCHEMA = """
CREATE TABLE definitions (
    name TEXT NOT NULL, revision INTEGER NOT NULL, active INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (name, revision)
) WITHOUT ROWID;
CREATE TABLE environments (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE queues (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE catalog_version (version INTEGER NOT NULL);
INSERT INTO catalog_version VALUES (0);

CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, queue TEXT NOT NULL,
    definition TEXT NOT NULL, size INTEGER, created INTEGER NOT NULL, owner TEXT NOT NULL, remote INTEGER NOT NULL,
    detail TEXT NOT NULL,
    status TEXT NOT NULL, reason TEXT, stop TEXT, started INTEGER, stopped INTEGER,
    exit_code INTEGER, container_reason TEXT
);
-- One index for all questions: each more makes a submission a tenth dearer.
CREATE INDEX jobs_by_status ON jobs (status, queue, seq);

-- A single job is its own only unit and lives in its row of `jobs`.
CREATE TABLE children (
    job INTEGER NOT NULL, idx INTEGER NOT NULL,
    status TEXT NOT NULL, reason TEXT, stop TEXT, started INTEGER, stopped INTEGER,
    PRIMARY KEY (job, idx)
) WITHOUT ROWID;
CREATE TABLE attempts (
    job INTEGER NOT NULL, idx INTEGER NOT NULL, number INTEGER NOT NULL,
    stream TEXT, environment TEXT, started INTEGER, stopped INTEGER, exit_code INTEGER, reason TEXT,
    status_reason TEXT, peak_memory INTEGER, cpu_seconds REAL, PRIMARY KEY (job, idx, number)
) WITHOUT ROWID;
"""
# A digest of the schema's text, so that any change of it counts.
SCHEMA_VERSION = zlib.crc32(SCHEMA.encode()) % 2**31

# Transactions between two checkpoints: a few megabytes.
CHECKPOINT_EVERY = 500
# Bytes that SQLite needs beside a file that it opens: the index of the log.
SIDE_FILES = 1 << 15
# Seconds for which a connection waits for another one.
BUSY_SECONDS = 30


class UnusableHomeError(Exception):
    """The home's database cannot be used; the message says why and what to do."""


class DamagedRecordError(UnusableHomeError, sqlite3.DataError):
    """A stored record is not what this service writes; the message names the job and what is wrong."""


def _create_database(path: Path, *, synced: bool) -> None:
    """Makes a file with the schema for its user only; SQLite gives its side files the same mode. It appears at once
    and whole, since other processes may make the same one.

    An existing file is not even opened: closing any descriptor of a database drops all the locks that this process
    has on it, behind SQLite's back, and another process that takes itself for the last one then deletes the log
    (sqlite.org, "How To Corrupt An SQLite Database File", 2.2).
    """
    if path.exists():
        return
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(file, "wb") as out:  # noqa: PTH123
            out.write(_empty_database())
            if synced:
                out.flush()
                os.fsync(file)
        with contextlib.suppress(FileExistsError):
            try:
                os.link(beside, path)
            except OSError:
                # A file system without links. SQLite makes the tables in an empty file, too.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    finally:
        beside.unlink()


@functools.cache
def _empty_database() -> bytes:
    """The bytes of a file with the schema and no rows. SQLite takes ten times as long to make one as to read one.

    Raises UnusableHomeError: the file is made among the temporary ones.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="awsbatch-") as folder:
            path = Path(folder, "empty")
            connection = sqlite3.connect(path, isolation_level=None)
            with contextlib.closing(connection):
                connection.execute("PRAGMA synchronous = OFF")
                _write_schema(connection)
            return path.read_bytes()
    except (OSError, sqlite3.Error) as error:
        raise UnusableHomeError(
            f"No temporary files can be written in {tempfile.tempdir or 'any folder'} ({error}). Make room there, "
            f"or set TMPDIR to another folder."
        ) from None


def _write_schema(connection: sqlite3.Connection) -> None:
    """Other processes may do the same at this moment."""
    until = machine_time.monotonic() + BUSY_SECONDS
    # SQLite waits for no other connection here, whatever the timeout.
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or machine_time.monotonic() > until:
                raise
            time.sleep(0.01)
    # Committed, or rolled back where a statement fails.
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if _schema_version(connection) == 0:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _schema_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _is_temporary(path: Path) -> bool:
    """Whether the file lies where programs keep what need not outlive the machine's next start: a test's home mostly
    does, and waiting for the disk as it opens and closes would take longer than its jobs.
    """
    return path.resolve().is_relative_to(Path(tempfile.gettempdir()).resolve())


def _is_disk_full(path: Path | None, error: Exception) -> bool:
    """Whether that is the reason of an error. SQLite itself may say only that its files could not be written; of a
    damaged file it says another kind of error.
    """
    if path is None or not isinstance(error, OSError | sqlite3.OperationalError):
        return False
    try:
        return shutil.disk_usage(path.parent).free < SIDE_FILES
    except OSError:
        return False


def _is_writable(path: Path) -> bool:
    """SQLite keeps files of its own beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


class Database:
    """One writer and one reader of a file; both are the same connection when the state lives in memory.

    :param path: None keeps everything in memory.
    :param reading: whether nothing will be written. A file that cannot be will do then.
    """

    def __init__(self, path: Path | None, *, reading: bool = False) -> None:
        self._write_lock = threading.RLock()
        self._writes = 0
        self._path = path
        self._synced = path is not None and not _is_temporary(path)
        self._read_only = reading and path is not None and path.exists() and not _is_writable(path)
        self._opened_as: tuple[int, int, bool] | None = None
        self._reopened = 0
        self._checkpointer: sqlite3.Connection | None = None
        self._checkpoint_lock = threading.Lock()
        try:
            if path is not None:
                private_folders.make_private_folder(path.parent)
                _create_database(path, synced=self._synced)
            self._writer = self._connect()
            self._set_up()
        except (OSError, sqlite3.Error) as error:
            why = f"its disk is full ({error})" if _is_disk_full(path, error) else error
            raise UnusableHomeError(
                f"{path} cannot be used as the Batch service's database: {why}. Mend that, or use another home "
                f"(FLYTE_AWSBATCH_HOME)."
            ) from None
        if path is None:
            self._reader, self._read_lock = self._writer, self._write_lock
        else:
            self._reader, self._read_lock = self._connect(), threading.RLock()
            self._reader.execute("PRAGMA query_only = ON")
            # Moving the log into the file takes milliseconds, with a sync of the disk: no caller should wait for that.
            self._writer.execute("PRAGMA wal_autocheckpoint = 0")
            _in_files.add(self)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed when the block ends, rolled back when it raises. Not to be nested."""
        with self._write_lock:
            self._writes += 1
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        with self._read_lock:
            if self._read_only and self._file_state() != self._opened_as:
                self._reader.close()
                self._reader = self._connect()
                self._reopened += 1
            yield self._reader

    def version(self) -> int:
        """Changes when another connection has written."""
        with self.reader() as connection:
            version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        # Each connection counts from one.
        return (self._reopened << 32) + version

    def checkpoint(self) -> None:
        """Moves the write-ahead log into the file when it has grown. Readers and writers go on meanwhile."""
        if self._path is not None and self._writes >= CHECKPOINT_EVERY:
            self._writes = 0
            with self._checkpoint_lock:
                if self._checkpointer is None:
                    self._checkpointer = self._connect()
                self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close_database(self) -> None:
        with self._write_lock, self._read_lock, self._checkpoint_lock:
            self._close()

    def _close(self) -> None:
        if self._checkpointer is not None:
            self._checkpointer.close()
        if self._reader is not self._writer:
            self._reader.close()
        self._writer.close()

    def hold(self) -> None:
        """Lets no thread use a connection until `let_go`."""
        for lock in (self._write_lock, self._read_lock, self._checkpoint_lock):
            lock.acquire()

    def let_go(self, *, forked: bool) -> None:
        """:param forked: in a fork of the process, which may not use these connections."""
        if forked:
            with contextlib.suppress(sqlite3.Error):
                self._close()
        for lock in (self._checkpoint_lock, self._read_lock, self._write_lock):
            lock.release()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._read_only_address() if self._read_only else self._path or ":memory:",
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=self._read_only,
        )
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if self._synced else 'OFF'}")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -16000")
        return connection

    def _read_only_address(self) -> str:
        """Where there is no log, nobody has the file open, and it is read without one: SQLite could not make it. When
        somebody opens it, it is read anew.
        """
        assert self._path is not None
        self._opened_as = self._file_state()
        return f"{self._path.absolute().as_uri()}?mode=ro{'' if self._opened_as[-1] else '&immutable=1'}"

    def _file_state(self) -> tuple[int, int, bool]:
        """When the file was written, its size, and whether it has a log."""
        assert self._path is not None
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_size, self._path.with_name(f"{self._path.name}-wal").exists()

    def _set_up(self) -> None:
        mode = self._writer.execute("PRAGMA journal_mode").fetchone()[0]
        if not self._read_only and (_schema_version(self._writer) == 0 or mode not in ("wal", "memory")):
            _write_schema(self._writer)
        version = _schema_version(self._writer)
        if version != SCHEMA_VERSION:
            # With the logs, and with what SQLite keeps beside its file.
            assert self._path is not None
            folder = self._path.parent
            raise UnusableHomeError(
                f"{self._path} was written by another version of this package (schema {version}, this one knows "
                f"{SCHEMA_VERSION}). Use that version, another home (FLYTE_AWSBATCH_HOME), or begin anew without "
                f"the jobs and logs that it holds:\nmv {shlex.quote(str(folder))} {shlex.quote(f'{folder}.old')}"
            )


_in_files: weakref.WeakSet[Database] = weakref.WeakSet()
_forking = threading.Lock()
_held: list[Database] = []


def _before_fork() -> None:
    """SQLite remembers for the whole process what it has locked. A fork has that memory and not the locks: as long as
    it has the connections, a transaction that another thread was in blocks its own ones for ever, and what it commits
    is lost when the other process closes the file (sqlite.org, "How To Corrupt An SQLite Database File", 2.6).
    """
    _forking.acquire()
    _held[:] = _in_files
    for one in _held:
        one.hold()


def _after_fork(*, forked: bool) -> None:
    for one in _held:
        one.let_go(forked=forked)
    _held.clear()
    _forking.release()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=lambda: _after_fork(forked=False),
    after_in_child=lambda: _after_fork(forked=True),
)
