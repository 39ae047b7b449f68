"""The mail store on SQLite as every process sees it: reads on its own connection, writes as units through the gate.

Small reads run on the event loop (well under a millisecond); whole large mailboxes and contents in files are read in threads.
Implements ``interfaces.mailstore``. Failing: while the steward restarts, writes raise Temporary and reads go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from posthouse.backends.sqlite import ready_made
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.packing import Packer
from posthouse.backends.sqlite.parcels import IN_FILE_BYTES, named
from posthouse.backends.sqlite.reader import ALL_CHANGES, MailReading
from posthouse.backends.sqlite.sharing import SharingPart, copied
from posthouse.backends.sqlite.uid_sets import to_ranges
from posthouse.backends.sqlite.units_bodies import BODY_GONE
from posthouse.backends.sqlite.usage import SqliteUsage
from posthouse.backends.sqlite.work import blob_folder
from posthouse.base.errors import BadValue, NotFound, Temporary
from posthouse.formats.mime import Limits, summarise
from posthouse.interfaces.limits import Allowances, unlimited
from posthouse.interfaces.mailstore import HEAD_BYTES, FactName, FlagAction, Watched
from posthouse.model.limits import UNLIMITED, Allowance, packed
from posthouse.model.mailbox import (
    Appended,
    Changes,
    Copied,
    FlagsChanged,
    MailboxInfo,
    MessageFacts,
    MessageRow,
    MessageSize,
    NewMessage,
    SpecialUse,
)
from posthouse.model.mailbox_name import normal_name
from posthouse.model.message_rows import MessageRows
from posthouse.model.namespaces import refuse_reserved
from posthouse.model.settings import StoreSettings
from posthouse.model.summary import Summary

LARGE_MAILBOX = 1_000  # from so many messages on a whole mailbox is read in a thread
LARGE_VIEW = 50_000  # the same where only flags are read
MANY_CHANGES = 20_000
MAX_OWNERS = 10_000
Read = TypeVar("Read")


class SqliteMailStore(SharingPart, SqliteUsage):
    """``gate`` leads to the writing thread of the database at ``path``. ``await ready()`` before the first read.

    ``packer`` may be shared with others of this process. ``allowances``: what mailboxes' owners may use; it travels with the
    units of work that make accounts grow."""

    def __init__(
        self,
        gate: Gate,
        path: Path,
        *,
        settings: Callable[[], StoreSettings] = StoreSettings,
        allowances: Allowances = unlimited,
    ) -> None:
        self._gate = gate
        self._allowances = allowances
        self._settings = settings
        self._owners: dict[int, int] = {}
        self._known_in = 0
        self._reading = MailReading(path)
        self._large = MailReading(path)
        self._large_thread = ThreadPoolExecutor(1, thread_name_prefix="mail-reader")
        self._blobs = BlobFiles(blob_folder(path))
        self.packer = Packer(path, lambda: settings().compression, lambda: settings().min_free_bytes)

    async def ready(self, timeout_s: float = 30.0) -> None:
        """Waits until the writer has made the database. Raises Temporary when that takes too long."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_s
        while True:
            try:
                self._reading.open()
                return
            except Temporary:
                if loop.time() > ends_at:
                    raise
                await asyncio.sleep(0.05)

    def close(self) -> None:
        """Closes the connections."""
        self._large_thread.submit(self._large.close)
        self._large_thread.shutdown()
        self._reading.close()

    # --- reading

    async def mailboxes(self, account_id: int) -> Sequence[MailboxInfo]:
        found = self._reading.mailboxes(account_id)
        if not found and account_id > 0 and await self._gate.call("provision", [account_id]):
            found = self._reading.mailboxes(account_id)
        return found

    async def mailbox(self, account_id: int, name: str) -> MailboxInfo | None:
        normal = _lenient(name)
        found = self._reading.mailbox(account_id, normal) if normal else None
        if found or not normal or account_id < 0 or self._reading.has_mailboxes(account_id):
            return found
        await self._gate.call("provision", [account_id])
        return self._reading.mailbox(account_id, normal)

    async def mailbox_by_id(self, mailbox_id: int) -> MailboxInfo | None:
        return self._reading.mailbox_by_id(mailbox_id)

    async def mod_seq(self, mailbox_id: int) -> int:
        found = self._reading.all("SELECT mod_seq FROM mailbox WHERE mailbox_id = ?", (mailbox_id,))
        return int(found[0][0]) if found else 0

    def want_notices(self, kind: Watched, number: int, *, on: bool) -> None:
        self._gate.watch(kind, number, on=on)

    async def subscriptions(self, account_id: int) -> Sequence[str]:
        if not self._reading.has_mailboxes(account_id):
            await self._gate.call("provision", [account_id])
        return self._reading.subscriptions(account_id)

    async def rows(self, mailbox_id: int) -> tuple[MailboxInfo, Sequence[MessageRow]]:
        info = self._reading.mailbox_by_id(mailbox_id)
        if info and info.exists > LARGE_VIEW:
            return await self._in_thread(lambda: self._large.rows(mailbox_id))
        return self._reading.rows(mailbox_id)

    async def changes(self, mailbox_id: int, since_mod_seq: int) -> Changes:
        found = self._reading.changes(mailbox_id, since_mod_seq, MANY_CHANGES)
        if found is None:
            found = await self._in_thread(lambda: self._large.changes(mailbox_id, since_mod_seq, ALL_CHANGES))
        assert found is not None
        return found

    async def facts(self, mailbox_id: int, uids: Sequence[int]) -> Sequence[MessageFacts]:
        return self._reading.facts(mailbox_id, uids)

    async def sizes(self, mailbox_id: int) -> Sequence[MessageSize]:
        info = self._reading.mailbox_by_id(mailbox_id)
        if info and info.exists > LARGE_MAILBOX:
            return await self._in_thread(lambda: self._large.sizes(mailbox_id))
        return self._reading.sizes(mailbox_id)

    async def heads(self, mailbox_id: int, uids: Sequence[int]) -> Sequence[tuple[int, bytes]]:
        out: list[tuple[int, bytes]] = []
        for uid, octets, body_id in self._reading.heads(mailbox_id, uids):
            if octets is None:
                digest = self._reading.file_digest(body_id)
                octets = await asyncio.to_thread(self._blobs.read, digest, HEAD_BYTES)
            out.append((uid, octets))
        return out

    async def some_facts(self, mailbox_id: int, uids: Sequence[int], names: Sequence[FactName]) -> Sequence[tuple[Any, ...]]:
        return ready_made.some_facts(self._reading.all, mailbox_id, uids, names)

    async def listed_fields(
        self, mailbox_id: int, uids: Sequence[int], names: Collection[str]
    ) -> Sequence[tuple[int, bytes | None]]:
        return ready_made.listed_fields(self._reading.all, mailbox_id, uids, names)

    async def contents(self, mailbox_id: int, uids: Sequence[int]) -> Sequence[tuple[int, int, bytes | None]]:
        return self._reading.contents(mailbox_id, uids)

    async def url_key(self, account_id: int, mailbox_id: int) -> bytes | None:
        return self._reading.url_key(account_id, mailbox_id)

    async def content(self, body_id: int) -> bytes:
        octets = self._reading.content(body_id)
        if octets is None:
            octets = await asyncio.to_thread(self._blobs.read, self._reading.file_digest(body_id))
        return octets

    async def _in_thread(self, read: Callable[[], Read]) -> Read:
        return await asyncio.get_running_loop().run_in_executor(self._large_thread, read)

    # --- writing mailboxes

    async def create(self, account_id: int, name: str, special_use: SpecialUse = "") -> MailboxInfo:
        settings = self._settings()
        normal = normal_name(name, settings.max_mailbox_depth)
        refuse_reserved(account_id, normal)
        allowed = packed(await self._allowances(account_id))
        mailbox_id = await self._gate.call("create", [account_id, normal, special_use, settings.max_mailboxes, allowed])
        made = self._reading.mailbox_by_id(mailbox_id)
        if made is None:
            raise NotFound("The mailbox was deleted meanwhile")
        return made

    async def delete(self, account_id: int, name: str) -> None:
        undelete_bytes = (await self._allowances(account_id)).undelete_bytes
        await self._gate.call("delete", [account_id, _existing(name), undelete_bytes])

    async def rename(self, account_id: int, name: str, new_name: str) -> None:
        depth = self._settings().max_mailbox_depth
        new = normal_name(new_name, depth)
        refuse_reserved(account_id, new)
        allowed = packed(await self._allowances(account_id))
        await self._gate.call("rename", [account_id, _existing(name), new, depth, allowed])

    async def subscribe(self, account_id: int, name: str, *, on: bool) -> None:
        await self._gate.call("subscribe", [account_id, normal_name(name), on, 2 * self._settings().max_mailboxes])

    async def delete_account(self, account_id: int) -> None:
        await self._gate.call("delete_account", [account_id])

    # --- writing messages

    async def append(self, mailbox_id: int, messages: Sequence[NewMessage], *, name: str = "") -> Appended:
        self.packer.room.check()
        allowed = packed(await self._owner_may(mailbox_id))

        def arguments(parcels: list[list[Any]]) -> list[Any]:
            pairs = zip(parcels, messages, strict=True)
            plain = [mailbox_id, [(parcel, message.flags, message.received_at) for parcel, message in pairs], allowed, name]
            return [plain, [message.seen_by for message in messages]] if kind == "append_as" else plain

        kind = "append_as" if any(message.seen_by for message in messages) else "append"
        result = await self._append_kept(kind, mailbox_id, messages, arguments)
        if result is None:
            contents = [(message.content, await _summary(message.content)) for message in messages]
            result = await self.packer.call(self._gate, kind, contents, arguments)
        uid_validity, uids, rows, *mod_seqs = result
        return Appended(uid_validity, uids, MessageRows.unpacked(rows), *mod_seqs)

    async def _append_kept(
        self, kind: str, mailbox_id: int, messages: Sequence[NewMessage], arguments: Callable[[list[list[Any]]], list[Any]]
    ) -> Any:
        """The result of APPEND if all contents are kept already, so that naming them is enough; else None. Where the last ones
        were, the next are tried without a look: who puts a copy back sends many."""
        known = self._known_in == mailbox_id
        parcels: list[list[Any]] = []
        for message in messages:
            if parcels:
                await asyncio.sleep(0)  # many digests in a row would hold up the loop
            if len(message.content) >= IN_FILE_BYTES:
                return None
            parcel = named(message.content)
            if not known and not self._reading.keeps(parcel[0]):
                return None
            parcels.append(parcel)
        try:
            result = await self._gate.call(kind, arguments(parcels))
        except Temporary as error:
            if error.cause != BODY_GONE:
                raise
            self._known_in = 0
            return None
        self._known_in = mailbox_id
        return result

    async def store_flags(
        self,
        mailbox_id: int,
        uids: Sequence[int],
        action: FlagAction,
        flags: Sequence[str],
        unchanged_since: int | None = None,
    ) -> FlagsChanged:
        arguments = [mailbox_id, to_ranges(uids), action, list(flags), unchanged_since]
        rows, modified, mod_seq, before = await self._gate.call("store_flags", arguments)
        return FlagsChanged(MessageRows.unpacked(rows), tuple(modified), mod_seq, before)

    async def expunge(self, mailbox_id: int, uids: Sequence[int] | None, *, unmarked: bool = False) -> Sequence[int]:
        undelete_bytes = (await self._owner_may(mailbox_id)).undelete_bytes
        arguments = [mailbox_id, None if uids is None else to_ranges(uids), undelete_bytes, unmarked]
        gone: list[int] = await self._gate.call("expunge", arguments)
        return gone

    async def settle(self, mailbox_id: int, gone: Sequence[int], seen: Sequence[int]) -> None:
        undelete_bytes = (await self._owner_may(mailbox_id)).undelete_bytes
        await self._gate.call("settle", [mailbox_id, to_ranges(gone), undelete_bytes, to_ranges(seen)])

    async def copy(self, mailbox_id: int, uids: Sequence[int], target_id: int, *, move: bool = False) -> Copied:
        arguments = await self._copy_arguments(mailbox_id, uids, target_id, move=move)
        return copied(await self._gate.call("copy", arguments))

    async def _copy_arguments(self, mailbox_id: int, uids: Sequence[int], target_id: int, *, move: bool) -> list[Any]:
        if not move:
            self.packer.room.check()
        return [mailbox_id, to_ranges(uids), target_id, move, packed(await self._owner_may(target_id))]

    async def replace(self, mailbox_id: int, uid: int, target_id: int, message: NewMessage) -> tuple[int, int]:
        self.packer.room.check()
        contents = [(message.content, await _summary(message.content))]
        allowed = packed(await self._owner_may(target_id))

        def arguments(parcels: list[list[Any]]) -> list[Any]:
            plain = [mailbox_id, uid, target_id, allowed, parcels[0], message.flags, message.received_at]
            return [plain, message.seen_by] if message.seen_by else plain

        kind = "replace_as" if message.seen_by else "replace"
        uid_validity, new_uid = await self.packer.call(self._gate, kind, contents, arguments)
        return uid_validity, new_uid

    async def _owner_may(self, mailbox_id: int) -> Allowance:
        """What the owner of a mailbox may use; that there is no such mailbox, the unit finds out."""
        if self._allowances is unlimited:
            return UNLIMITED
        account_id = self._owners.get(mailbox_id) or self._reading.owner(mailbox_id)
        if len(self._owners) >= MAX_OWNERS:
            self._owners.clear()
        if account_id:
            self._owners[mailbox_id] = account_id  # for ever: a number is never used twice
        return await self._allowances(account_id) if account_id else UNLIMITED

    # --- secrets of URLs

    async def make_url_key(self, account_id: int, mailbox_id: int) -> bytes:
        secret: bytes = await self._gate.call("make_url_key", [account_id, mailbox_id])
        return secret

    async def drop_url_keys(self, account_id: int, mailbox_id: int | None = None) -> None:
        await self._gate.call("drop_url_keys", [account_id, mailbox_id])


async def _summary(content: bytes) -> Summary:
    """Large messages are looked through in a thread."""
    if len(content) < IN_FILE_BYTES:
        return summarise(content, Limits())
    return await asyncio.to_thread(summarise, content, Limits())


def _lenient(name: str) -> str:
    try:
        return normal_name(name)
    except BadValue:
        return ""


def _existing(name: str) -> str:
    normal = _lenient(name)
    if not normal:
        raise NotFound("There is no such mailbox")
    return normal
