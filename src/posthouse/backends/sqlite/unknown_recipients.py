"""Unknown recipients in ``greylist.db`` (interfaces/unknown_recipients.py): read in every process, written by the steward."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import apsw

from posthouse.backends.sqlite.database import mail_errors, open_reader
from posthouse.backends.sqlite.triplet_rows import MIGRATIONS
from posthouse.backends.sqlite.triplet_writer import CALL
from posthouse.backends.storable import storable
from posthouse.base.errors import Permanent
from posthouse.interfaces.unknown_recipients import UnknownRecipient


class UnknownWriting(Protocol):
    """What writes: ``TripletWriter``, or the way to it."""

    async def learn_unknown(self, address: str, reply: str, until: float) -> None: ...

    async def forget_unknown(self, address: str) -> bool: ...


class RemoteUnknownWriter:
    """A worker's way to the writer. ``call`` is the gate client's."""

    def __init__(self, call: Callable[[str, Any], Awaitable[Any]]) -> None:
        self._call = call

    async def learn_unknown(self, address: str, reply: str, until: float) -> None:
        await self._call(CALL, ["learn_unknown", [address, reply, until]])

    async def forget_unknown(self, address: str) -> bool:
        raise Permanent("Recipients are forgotten by the process that writes them", cause=f"forget({address}) in a worker")


class SqliteUnknownRecipients:
    """``interfaces.unknown_recipients.UnknownRecipients``."""

    def __init__(self, path: Path, writer: UnknownWriting) -> None:
        self._path = path
        self._writer = writer
        self._opened: apsw.Connection | None = None

    async def reply(self, address: str, at: float) -> str:
        with mail_errors():
            sql = "SELECT reply FROM unknown_recipient WHERE address = ? AND until > ?"
            row = self._db().execute(sql, (storable(address), at)).fetchone()
        return cast(str, row[0]) if row else ""

    async def learn(self, address: str, reply: str, until: float) -> None:
        await self._writer.learn_unknown(storable(address), storable(reply)[:500], until)

    async def forget(self, address: str) -> bool:
        return await self._writer.forget_unknown(storable(address))

    async def listing(self, at: float, limit: int) -> Sequence[UnknownRecipient]:
        with mail_errors():
            sql = "SELECT address, reply, until FROM unknown_recipient WHERE until > ? ORDER BY address LIMIT ?"
            rows = cast("list[tuple[Any, ...]]", self._db().execute(sql, (at, max(limit, 0))).fetchall())
        return [UnknownRecipient(*row) for row in rows]

    def close(self) -> None:
        """Closes the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _db(self) -> apsw.Connection:
        if self._opened is None:
            self._opened = open_reader(self._path, MIGRATIONS)
        return self._opened
