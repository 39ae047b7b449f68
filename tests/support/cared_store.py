"""A mail store on SQLite with what looks after it, its writing thread here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from posthouse.backends.sqlite.care import SqliteStoreCare
from posthouse.backends.sqlite.check import check
from posthouse.backends.sqlite.local_gate import LocalGate
from posthouse.backends.sqlite.mailstore import SqliteMailStore
from posthouse.backends.sqlite.spool import SqliteSpool
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.clock import ManualClock
from posthouse.mailstore import envelope
from posthouse.model.mailbox import NewMessage
from posthouse.model.settings import StoreSettings


@dataclass
class Cared:
    """``compression`` may be changed at any time."""

    store: SqliteMailStore
    spool: SqliteSpool
    care: SqliteStoreCare
    writer: MailWriterThread
    path: Path
    clock: ManualClock
    inbox: int = 0
    compression: bool = True

    async def append(self, *contents: bytes, flags: tuple[str, ...] = ()) -> Sequence[int]:
        """UIDs in the INBOX of account 1."""
        return (await self.store.append(self.inbox, [NewMessage(content, flags) for content in contents])).uids

    async def body_id(self, uid: int) -> int:
        (fact,) = await self.store.facts(self.inbox, [uid])
        return fact.body_id

    async def upkeep_done(self) -> None:
        """Waits until the writing thread has nothing left to do."""
        assert self.writer.work
        while self.writer.work.upkeep_due:
            await self.store.subscribe(1, "INBOX", on=True)

    def damage(self, sql: str, *bindings: object) -> None:
        """Changes the database behind everybody's back."""
        connection = apsw.Connection(str(self.path))
        connection.set_busy_timeout(5000)
        connection.execute(sql, bindings)
        connection.close()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        found = connection.execute(sql).fetchall()
        connection.close()
        return found

    def problems(self) -> Sequence[str]:
        """What ``store check`` would find."""
        return check(self.path, contents=True).problems


@asynccontextmanager
async def cared_store(folder: Path) -> AsyncIterator[Cared]:
    """In a fresh file ``mail.db`` of ``folder``, or the one that is there."""
    path, clock = folder / "mail.db", ManualClock()
    writer = MailWriterThread(path, clock=clock)
    writer.start()
    gate = LocalGate(writer)
    store = SqliteMailStore(gate, path, settings=lambda: StoreSettings(compression=cared.compression))
    spool = SqliteSpool(gate, path, packer=store.packer)
    care = SqliteStoreCare(gate, path, clock, store.packer.on, envelope.texts)
    cared = Cared(store, spool, care, writer, path, clock)
    inbox = await store.mailbox(1, "INBOX")
    assert inbox
    cared.inbox = inbox.mailbox_id
    try:
        yield cared
    finally:
        care.close()
        spool.close()
        store.close()
        writer.stop()
