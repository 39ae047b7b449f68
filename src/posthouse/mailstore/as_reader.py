"""A mailbox as one has it who does not own it: the store's rows and changes with the reader's own \\Seen (RFC 4314 §5.1.1).

It stands between the store and the views of one session (``views``, ``selected``), which need not know of it; for mailboxes
of one's own it is not used at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.interfaces.mailstore import MailReader
from posthouse.model.mailbox import Changes, MailboxInfo, MessageRow


class MailboxSource(Protocol):
    """What views ask of a store; see ``interfaces.mailstore``."""

    async def mailbox_by_id(self, mailbox_id: int) -> MailboxInfo | None: ...

    async def mod_seq(self, mailbox_id: int) -> int: ...

    async def rows(self, mailbox_id: int) -> tuple[MailboxInfo, Sequence[MessageRow]]: ...

    async def changes(self, mailbox_id: int, since_mod_seq: int) -> Changes: ...


class AsReader:
    """``MailboxSource`` for the account ``reader``."""

    def __init__(self, store: MailReader, reader: int) -> None:
        self._store = store
        self._reader = reader

    async def mailbox_by_id(self, mailbox_id: int) -> MailboxInfo | None:
        """The owner's facts: ``unseen`` is not the reader's."""
        return await self._store.mailbox_by_id(mailbox_id)

    async def mod_seq(self, mailbox_id: int) -> int:
        return await self._store.mod_seq(mailbox_id)

    async def rows(self, mailbox_id: int) -> tuple[MailboxInfo, Sequence[MessageRow]]:
        return await self._store.reader_rows(mailbox_id, self._reader)

    async def changes(self, mailbox_id: int, since_mod_seq: int) -> Changes:
        return await self._store.reader_changes(mailbox_id, since_mod_seq, self._reader)
