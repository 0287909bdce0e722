"""Job definitions, job queues and compute environments: read into memory, written through. Several services may share
the file.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .... import machine_time
from ..arns import ENVIRONMENT, QUEUE
from .database import Database

Body = dict[str, Any]
TABLES = {QUEUE: "queues", ENVIRONMENT: "environments"}
ACTIVE = "ACTIVE"
INACTIVE = "INACTIVE"
# Seconds for which what was read is taken as it is: a look costs as much as all the rest of a submission.
LOOK_EVERY = 0.1


class Resources:
    """Bodies are in the shape of the Describe operations; callers must not change them.

    A change by another service on the same home is seen a moment later, a change by this one at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._version = -1
        self._looked = 0.0
        self._named: dict[str, dict[str, Body]] = {}
        self._definitions: dict[tuple[str, int | None], tuple[int, bool, Body]] = {}

    def named(self, kind: str) -> Mapping[str, Body]:
        """Job queues or compute environments by name.

        :param kind: as in their ARNs.
        """
        with self._lock:
            self._refresh()
            return self._named[kind]

    def put(self, kind: str, name: str, body: Body) -> None:
        """Writes a job queue or compute environment, new or changed."""
        with self._write() as connection:
            sql = f"INSERT OR REPLACE INTO {TABLES[kind]} VALUES (?, ?)"  # noqa: S608 - a constant
            connection.execute(sql, (name, json.dumps(body)))

    def remove(self, kind: str, name: str) -> None:
        with self._write() as connection:
            connection.execute(f"DELETE FROM {TABLES[kind]} WHERE name = ?", (name,))  # noqa: S608 - a constant

    def add_definition(self, name: str, body: Body) -> int:
        """Writes the next revision of a name and returns its number. Revisions are never used twice."""
        with self._write() as connection:
            row = connection.execute("SELECT max(revision) FROM definitions WHERE name = ?", (name,)).fetchone()
            revision: int = (row[0] or 0) + 1
            connection.execute("INSERT INTO definitions VALUES (?, ?, 1, ?)", (name, revision, json.dumps(body)))
        return revision

    def change_definition(self, name: str, revision: int, active: bool, body: Body) -> None:
        with self._write() as connection:
            connection.execute(
                "UPDATE definitions SET active = ?, body = ? WHERE name = ? AND revision = ?",
                (int(active), json.dumps(body), name, revision),
            )

    def definition(self, name: str, revision: int | None) -> tuple[int, bool, Body] | None:
        """(revision, whether active, body); without a revision the newest active one."""
        with self._lock:
            self._refresh()
            known = self._definitions.get((name, revision))
            if known is None:
                which = "active = 1 ORDER BY revision DESC LIMIT 1" if revision is None else "revision = ?"
                sql = f"SELECT revision, active, body FROM definitions WHERE name = ? AND {which}"  # noqa: S608
                with self._database.reader() as connection:
                    row = connection.execute(sql, (name,) if revision is None else (name, revision)).fetchone()
                if row is None:
                    return None
                known = self._definitions[name, revision] = row[0], bool(row[1]), json.loads(row[2])
        return known

    def definitions(
        self, name: str | None, active: bool | None, below: Sequence[Any], limit: int
    ) -> list[tuple[str, int, bool, Body]]:
        """(name, revision, whether active, body) from the last name and its newest revision down, below a name and
        revision.
        """
        conditions: list[str] = ["(name, revision) < (?, ?)"]
        values: list[Any] = [*below]
        if name is not None:
            conditions.append("name = ?")
            values.append(name)
        if active is not None:
            conditions.append("active = ?")
            values.append(int(active))
        order = "ORDER BY name DESC, revision DESC LIMIT ?"
        sql = f"SELECT * FROM definitions WHERE {' AND '.join(conditions)} {order}"  # noqa: S608
        with self._database.reader() as connection:
            rows = connection.execute(sql, (*values, limit)).fetchall()
        return [(each, revision, bool(live), json.loads(body)) for each, revision, live, body in rows]

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A transaction after which every service on the home reads its resources anew."""
        with self._database.transaction() as connection:
            yield connection
            connection.execute("UPDATE catalog_version SET version = version + 1")
        with self._lock:
            self._looked = 0.0

    def _refresh(self) -> None:
        now = machine_time.monotonic()
        if now < self._looked + LOOK_EVERY:
            return
        with self._database.reader() as connection:
            version = connection.execute("SELECT version FROM catalog_version").fetchone()[0]
            if version != self._version:
                self._named = {
                    kind: {
                        name: json.loads(body)
                        for name, body in connection.execute(f"SELECT name, body FROM {table} ORDER BY name")  # noqa: S608
                    }
                    for kind, table in TABLES.items()
                }
                self._definitions.clear()
                self._version = version
        self._looked = now
