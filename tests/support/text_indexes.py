"""A text index of one kind beside its mail store, for the contract suite and for searches: in memory, or SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from posthouse.backends.memory.textindex import MemoryTextIndex
from posthouse.backends.sqlite.search_indexer import Indexer
from posthouse.backends.sqlite.textindex import SqliteTextIndex
from posthouse.formats.text.limits import TextLimits
from posthouse.interfaces.mailstore import MailStore
from posthouse.interfaces.textindex import TextIndex
from posthouse.mailstore import envelope
from posthouse.model.mailbox import NewMessage
from posthouse.model.settings import SearchSettings
from support.mail_backends import mail_backends

ACCOUNT = 7
TEXT_CHARS = 20_000


@dataclass
class Indexed:
    """An INBOX and its index. ``catch_up`` does all the indexing that is due."""

    store: MailStore
    index: TextIndex
    mailbox_id: int
    catch_up: Callable[[], Awaitable[None]]

    async def add(self, *contents: bytes) -> list[int]:
        """Appends messages; gives their UIDs."""
        uids = (await self.store.append(self.mailbox_id, [NewMessage(content) for content in contents])).uids
        return list(uids)

    async def remove(self, *uids: int) -> None:
        await self.store.store_flags(self.mailbox_id, uids, "add", ["\\Deleted"])
        await self.store.expunge(self.mailbox_id, uids)


@asynccontextmanager
async def text_indexes(kind: str, folder: Path) -> AsyncIterator[Indexed]:
    """``kind`` is one of ``mail_backends.KINDS``."""
    async with mail_backends(kind, folder) as backends:
        box = await backends.store.mailbox(ACCOUNT, "INBOX")
        assert box is not None
        if kind == "memory":
            fake = MemoryTextIndex(backends.store, envelope.texts, TextLimits(chars=TEXT_CHARS))

            async def all_of_it() -> None:
                await fake.catch_up(box.mailbox_id)

            yield Indexed(backends.store, fake, box.mailbox_id, all_of_it)
            return
        mail, path = folder / "mail.db", folder / "search.db"
        settings = SearchSettings(text_chars=TEXT_CHARS)
        with (
            closing(Indexer(mail, path, envelope.texts, settings=lambda: settings)) as indexer,
            closing(SqliteTextIndex(path, mail)) as index,
        ):
            indexer.open()

            async def steps() -> None:
                while indexer.step():
                    pass

            yield Indexed(backends.store, index, box.mailbox_id, steps)
