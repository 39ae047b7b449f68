"""Held accounts and places in ``outgoing.db`` (interfaces/account_holds.py).

Readers open it read-only; a look-up is one step in an index. The steward writes; workers reach it over the gate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import apsw

from posthouse.backends.sqlite.database import DatabaseThread, mail_errors, open_reader
from posthouse.backends.sqlite.outgoing_schema import MIGRATIONS
from posthouse.interfaces.account_holds import MOST_HOLDS, MOST_PLACES
from posthouse.model.account_hold import AccountHold

PLACES_CALL = "account-places"
FORGOTTEN_S = 180 * 86_400.0
"""Places not used for so long are new again."""
MAX_WHY = 500
_COLUMNS = "account_id, account, since, sign, why, client, who, released_at, released_by"
_PLACES = "SELECT place, first_at, last_at FROM account_place WHERE account_id = ?"
Places = Mapping[str, tuple[float, float]]


class SqliteAccountHolds:
    """``interfaces.account_holds.AccountHolds``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: apsw.Connection | None = None

    async def hold_of(self, account_id: int) -> AccountHold | None:
        found = self._holds("WHERE account_id = ? AND released_at = 0", (account_id,))
        return found[0] if found else None

    async def is_held(self, account: str) -> bool:
        return bool(self._holds("WHERE account = ? AND released_at = 0", (account.lower(),)))

    async def holds(self, *, past: bool = False, limit: int = 1000) -> Sequence[AccountHold]:
        where = "" if past else "WHERE released_at = 0"
        return self._holds(f"{where} ORDER BY hold_id DESC LIMIT ?", (limit,))

    async def places(self, account_id: int) -> Places:
        with mail_errors():
            return _places(self._db(), account_id)

    def close(self) -> None:
        """Closes the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _holds(self, condition: str, values: tuple[int | str, ...]) -> list[AccountHold]:
        with mail_errors():
            rows = self._db().execute(f"SELECT {_COLUMNS} FROM account_hold {condition}", values).fetchall()
        return [AccountHold(*cast("tuple[Any, ...]", row)) for row in rows]

    def _db(self) -> apsw.Connection:
        if self._opened is None:
            self._opened = open_reader(self._path, MIGRATIONS)
        return self._opened


class SqliteAccountHoldsWriter:
    """``interfaces.account_holds.AccountHoldsWriter``, in the steward."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def hold(self, hold: AccountHold) -> bool:
        held = (hold.account_id, hold.account.lower(), hold.since, hold.sign, hold.why[:MAX_WHY], hold.client, hold.who)
        row = (*held, hold.released_at, hold.released_by)
        ended = (
            "DELETE FROM account_hold WHERE released_at > 0 AND hold_id <= (SELECT hold_id FROM account_hold"
            " WHERE released_at > 0 ORDER BY hold_id DESC LIMIT 1 OFFSET ?)"
        )

        def work(db: apsw.Connection) -> bool:
            db.execute(ended, (MOST_HOLDS,))
            sql = f"INSERT OR IGNORE INTO account_hold ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING 1"
            return bool(db.execute(sql, row).fetchall())

        return await self._database.write(work)

    async def release(self, account: str, who: str, at: float) -> bool:
        sql = "UPDATE account_hold SET released_at = ?, released_by = ? WHERE account = ? AND released_at = 0 RETURNING 1"
        row = (at, who, account.lower())
        return bool(await self._database.write(lambda db: db.execute(sql, row).fetchall()))

    async def came_from(self, account_id: int, places: Sequence[str], at: float) -> Places:
        note = "INSERT INTO account_place VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE SET last_at = max(last_at, ?3)"
        spare = (
            "DELETE FROM account_place WHERE account_id = ?1 AND place IN"
            " (SELECT place FROM account_place WHERE account_id = ?1 ORDER BY last_at DESC, place DESC LIMIT -1 OFFSET ?2)"
        )

        def work(db: apsw.Connection) -> dict[str, tuple[float, float]]:
            db.execute("DELETE FROM account_place WHERE last_at < ?", (at - FORGOTTEN_S,))
            db.executemany(note, [(account_id, place, at) for place in places])
            db.execute(spare, (account_id, MOST_PLACES))
            return _places(db, account_id)

        return await self._database.write(work)


class RemotePlaces:
    """A worker's way to ``AccountHoldsWriter.came_from``. ``call`` is the gate client's."""

    def __init__(self, call: Callable[[str, Any], Awaitable[Any]]) -> None:
        self._call = call

    async def __call__(self, account_id: int, places: Sequence[str], at: float) -> Places:
        found = cast("Mapping[str, list[float]]", await self._call(PLACES_CALL, [account_id, list(places), at]))
        return {place: (first_at, last_at) for place, (first_at, last_at) in found.items()}


def places_handler(writer: SqliteAccountHoldsWriter) -> Callable[[Any], Awaitable[Any]]:
    """The steward's end of ``RemotePlaces``."""

    async def handle(payload: Any) -> Any:
        account_id, places, at = payload
        return dict(await writer.came_from(account_id, places, at))

    return handle


def _places(db: apsw.Connection, account_id: int) -> dict[str, tuple[float, float]]:
    rows = cast("list[tuple[str, float, float]]", db.execute(_PLACES, (account_id,)).fetchall())
    return {place: (first_at, last_at) for place, first_at, last_at in rows}
