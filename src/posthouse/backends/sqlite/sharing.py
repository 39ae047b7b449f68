"""Sharing in the mail store on SQLite: rights, and mailboxes as a reader who does not own them has them (STO-3).

The part of ``SqliteMailStore`` that ``interfaces.mailstore`` has for it; the units are in ``units_acl.py`` and
``units_seen.py``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

from posthouse.backends.sqlite.flag_blocks import all_rows
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.reader import MailReading
from posthouse.backends.sqlite.seen_rows import reader_changed, reader_rows
from posthouse.backends.sqlite.uid_sets import to_ranges
from posthouse.interfaces.mailstore import FlagAction
from posthouse.model.mailbox import Changes, Copied, FlagsChanged, MailboxInfo, MessageRow
from posthouse.model.message_rows import MessageRows
from posthouse.model.rights import Acl, AclAction, CopyReaders, Reader, SharedMailbox, effective_rights

LARGE = 1_000  # from so many messages on a mailbox is read in a thread
_SHARED = (
    "SELECT mailbox_id, identifier, rights FROM acl WHERE identifier IN (SELECT value FROM json_each(?)) ORDER BY mailbox_id"
)


class SharingPart:
    """What needs the store's connections and its gate, which ``SqliteMailStore`` has."""

    _gate: Gate
    _reading: MailReading
    _large: MailReading
    _large_thread: ThreadPoolExecutor
    _copy_arguments: Callable[..., Awaitable[list[Any]]]

    async def acl(self, mailbox_id: int) -> Acl:
        sql = "SELECT identifier, rights FROM acl WHERE mailbox_id = ? ORDER BY identifier"
        return tuple(self._reading.all(sql, (mailbox_id,)))

    async def shared_with(self, identifiers: Collection[str]) -> Sequence[SharedMailbox]:
        listed = json.dumps([*identifiers, *("-" + identifier for identifier in identifiers)])
        held: dict[int, str] = {}
        for mailbox_id, entries in groupby(self._reading.all(_SHARED, (listed,)), lambda row: row[0]):
            rights = effective_rights([(identifier, rights) for _, identifier, rights in entries], identifiers)
            if "l" in rights:
                held[mailbox_id] = rights
        found = self._reading.mailboxes_by_ids(list(held)) if held else []
        return [SharedMailbox(info, held[info.mailbox_id]) for info in found]

    async def reader_unseen(self, mailbox_id: int, reader: int) -> int:
        sql = (
            "SELECT message_count - (SELECT count(*) FROM seen AS s WHERE s.mailbox_id = m.mailbox_id AND account_id = ?"
            " AND seen) FROM mailbox AS m WHERE mailbox_id = ?"
        )
        found = self._reading.all(sql, (reader, mailbox_id))
        return int(found[0][0]) if found else 0

    async def reader_rows(self, mailbox_id: int, reader: int) -> tuple[MailboxInfo, Sequence[MessageRow]]:
        info = self._reading.mailbox_by_id(mailbox_id)
        if info is None or info.exists <= LARGE:
            return _rows(self._reading, mailbox_id, reader)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._large_thread, lambda: _rows(self._large, mailbox_id, reader))

    async def reader_changes(self, mailbox_id: int, since_mod_seq: int, reader: int) -> Changes:
        reading = self._reading
        with reading.moment():
            info = reading.selectable(mailbox_id)
            rows = reader_changed(reading.all, mailbox_id, reader, since_mod_seq)
            vanished = reading.vanished(info, since_mod_seq)
        return Changes(info.mod_seq, info.uid_next, rows, tuple(vanished), info.keywords)

    async def set_acl(self, mailbox_id: int, identifier: str, action: AclAction, rights: str) -> None:
        await self._gate.call("set_acl", [mailbox_id, identifier, action, rights])

    async def forget_identifier(self, identifier: str) -> None:
        await self._gate.call("forget_identifier", [identifier])

    async def store_reader_flags(
        self,
        mailbox_id: int,
        uids: Sequence[int],
        action: FlagAction,
        flags: Sequence[str],
        unchanged_since: int | None,
        reader: Reader,
    ) -> FlagsChanged:
        arguments = [mailbox_id, to_ranges(uids), action, list(flags), unchanged_since, reader.account_id, reader.mask]
        rows, modified, mod_seq, before = await self._gate.call("store_reader_flags", arguments)
        return FlagsChanged(MessageRows.unpacked(rows), tuple(modified), mod_seq, before)

    async def copy_between(
        self, mailbox_id: int, uids: Sequence[int], target_id: int, readers: CopyReaders, *, move: bool = False
    ) -> Copied:
        arguments = await self._copy_arguments(mailbox_id, uids, target_id, move=move)
        return copied(await self._gate.call("copy_as", [arguments, readers.source, readers.target, readers.mask]))


def copied(result: Any) -> Copied:
    """What the units that copy give."""
    uid_validity, source, target = result
    return Copied(uid_validity, tuple(source), tuple(target))


def _rows(reading: MailReading, mailbox_id: int, reader: int) -> tuple[MailboxInfo, Sequence[MessageRow]]:
    with reading.moment():
        info = reading.selectable(mailbox_id)
        return info, reader_rows(reading.all, mailbox_id, reader, all_rows(reading.all, mailbox_id))
