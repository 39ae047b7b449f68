"""Suppressed addresses in ``outgoing.db`` (interfaces/suppressions.py). Readers open it read-only; a look-up is one step in the
primary key.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.sqlite.database import DatabaseThread, mail_errors, open_reader
from posthouse.backends.sqlite.outgoing_schema import MIGRATIONS
from posthouse.interfaces.suppressions import Suppression

MAX_WHY = 500


class SqliteSuppressions:
    """``interfaces.suppressions.Suppressions``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: apsw.Connection | None = None

    async def suppressed(self, address: str) -> Suppression | None:
        sql = "SELECT address, why, since FROM suppression WHERE address = ?"
        with mail_errors():
            row = self._db().execute(sql, (address.lower(),)).fetchone()
        return Suppression(*cast("tuple[str, str, float]", row)) if row is not None else None

    async def listing(self, *, after: str = "", limit: int = 1000) -> Sequence[Suppression]:
        sql = "SELECT address, why, since FROM suppression WHERE address > ? ORDER BY address LIMIT ?"
        with mail_errors():
            rows = self._db().execute(sql, (after, limit)).fetchall()
        return [Suppression(*cast("tuple[str, str, float]", row)) for row in rows]

    def close(self) -> None:
        """Closes the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _db(self) -> apsw.Connection:
        if self._opened is None:
            self._opened = open_reader(self._path, MIGRATIONS)
        return self._opened


class SqliteSuppressionsWriter:
    """``interfaces.suppressions.SuppressionsWriter``."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def failed(self, address: str, reply: str, at: float, *, times: int, within_s: float) -> bool:
        key = address.lower()

        def work(db: apsw.Connection) -> bool:
            db.execute("INSERT INTO dead_letter VALUES (?, ?)", (key, at))
            db.execute("DELETE FROM dead_letter WHERE at <= ?", (at - within_s,))
            if cast(int, db.execute("SELECT count(*) FROM dead_letter WHERE address = ?", (key,)).get) < times:
                return False
            sql = "INSERT OR IGNORE INTO suppression VALUES (?, ?, ?) RETURNING 1"
            return bool(db.execute(sql, (key, reply[:MAX_WHY], at)).fetchall())

        return await self._database.write(work)

    async def succeeded(self, address: str) -> None:
        sql = "DELETE FROM dead_letter WHERE address = ?"
        key = address.lower()
        if await self._database.run(lambda db: db.execute("SELECT 1 FROM dead_letter WHERE address = ?", (key,)).fetchone()):
            await self._database.write(lambda db: db.execute(sql, (key,)))

    async def suppress(self, address: str, why: str, at: float) -> None:
        row = (address.lower(), why[:MAX_WHY], at)
        await self._database.write(lambda db: db.execute("INSERT OR REPLACE INTO suppression VALUES (?, ?, ?)", row))

    async def allow(self, address: str) -> bool:
        key = address.lower()

        def work(db: apsw.Connection) -> bool:
            db.execute("DELETE FROM dead_letter WHERE address = ?", (key,))
            return bool(db.execute("DELETE FROM suppression WHERE address = ? RETURNING 1", (key,)).fetchall())

        return await self._database.write(work)
