"""Job definitions, job queues and compute environments: read into memory, written through. Several services may share
the file.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.store.database import Database

Body = dict[str, Any]
# What a named resource's table is called.
QUEUES = "queues"
ENVIRONMENTS = "environments"
ACTIVE = "ACTIVE"
INACTIVE = "INACTIVE"
# Seconds for which what was read is taken as it is: a look costs as much as all the rest of a submission.
LOOK_EVERY = 0.1


class Catalog:
    """Bodies are in the shape of the Describe operations, and not to be changed by whoever gets them.

    What another service on the same home changes is seen a moment later; this one's own changes at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._version = -1
        self._looked = 0.0
        self._named: dict[str, dict[str, Body]] = {}
        self._definitions: dict[tuple[str, int | None], tuple[int, bool, Body]] = {}

    @property
    def queues(self) -> Mapping[str, Body]:
        return self._fresh()[QUEUES]

    @property
    def environments(self) -> Mapping[str, Body]:
        return self._fresh()[ENVIRONMENTS]

    def put(self, kind: str, name: str, body: Body) -> None:
        with self._database.write() as connection:
            connection.execute(
                f"INSERT OR REPLACE INTO {kind} VALUES (?, ?)",  # noqa: S608 - one of two constants
                (name, json.dumps(body)),
            )
            _touch(connection)
        self._look_again()

    def remove(self, kind: str, name: str) -> None:
        with self._database.write() as connection:
            connection.execute(f"DELETE FROM {kind} WHERE name = ?", (name,))  # noqa: S608 - one of two constants
            _touch(connection)
        self._look_again()

    def add_definition(self, name: str, body: Body) -> int:
        """Writes the next revision of a name and returns its number. Revisions are never used twice."""
        with self._database.write() as connection:
            row = connection.execute("SELECT max(revision) FROM definitions WHERE name = ?", (name,)).fetchone()
            revision = (row[0] or 0) + 1
            connection.execute("INSERT INTO definitions VALUES (?, ?, 1, ?)", (name, revision, json.dumps(body)))
            _touch(connection)
        self._look_again()
        return revision

    def definition(self, name: str, revision: int | None) -> tuple[int, bool, Body] | None:
        """(revision, whether active, body); without a revision the newest active one."""
        with self._lock:
            self._fresh()
            known = self._definitions.get((name, revision))
            if known is None:
                known = self._read_definition(name, revision)
                if known is not None:
                    self._definitions[name, revision] = known
        return known

    def _read_definition(self, name: str, revision: int | None) -> tuple[int, bool, Body] | None:
        which = "active = 1 ORDER BY revision DESC LIMIT 1" if revision is None else "revision = ?"
        with self._database.read() as connection:
            row = connection.execute(
                f"SELECT revision, active, body FROM definitions WHERE name = ? AND {which}",  # noqa: S608 - constants
                (name,) if revision is None else (name, revision),
            ).fetchone()
        return (row[0], bool(row[1]), json.loads(row[2])) if row else None

    def definitions(
        self, name: str | None, active: bool | None, after: Sequence[Any] | None, limit: int
    ) -> list[tuple[str, int, bool, Body]]:
        """(name, revision, whether active, body) by name and revision."""
        conditions: list[str] = ["1 = 1"]
        values: list[Any] = []
        if name is not None:
            conditions.append("name = ?")
            values.append(name)
        if active is not None:
            conditions.append("active = ?")
            values.append(int(active))
        if after is not None:
            conditions.append("(name > ? OR (name = ? AND revision > ?))")
            values.extend((after[0], *after))
        sql = f"SELECT * FROM definitions WHERE {' AND '.join(conditions)} ORDER BY name, revision LIMIT ?"  # noqa: S608
        with self._database.read() as connection:
            rows = connection.execute(sql, (*values, limit)).fetchall()
        return [(each, revision, bool(live), json.loads(body)) for each, revision, live, body in rows]

    def change_definition(self, name: str, revision: int, active: bool, body: Body) -> None:
        with self._database.write() as connection:
            connection.execute(
                "UPDATE definitions SET active = ?, body = ? WHERE name = ? AND revision = ?",
                (int(active), json.dumps(body), name, revision),
            )
            _touch(connection)
        self._look_again()

    def _look_again(self) -> None:
        with self._lock:
            self._looked = 0.0

    def _fresh(self) -> dict[str, dict[str, Body]]:
        with self._lock:
            now = time.monotonic()
            if now < self._looked + LOOK_EVERY:
                return self._named
            with self._database.read() as connection:
                version = connection.execute("SELECT version FROM catalog_version").fetchone()[0]
                if version != self._version:
                    self._named = {kind: _all(connection, kind) for kind in (QUEUES, ENVIRONMENTS)}
                    self._definitions.clear()
                    self._version = version
            self._looked = now
        return self._named


def _all(connection: sqlite3.Connection, kind: str) -> dict[str, Body]:
    rows = connection.execute(f"SELECT name, body FROM {kind} ORDER BY name")  # noqa: S608 - one of two constants
    return {name: json.loads(body) for name, body in rows}


def _touch(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE catalog_version SET version = version + 1")
