"""Sharing in the store in memory: rights, and what readers have seen (``interfaces.sharing``). The part of
``MemoryMailStore`` for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

from posthouse.backends.memory.boxes import Box
from posthouse.base.errors import NotFound, Permanent
from posthouse.interfaces.sharing import FlagAction
from posthouse.model.flags import changed_flags, flag_bits, known_bits
from posthouse.model.limits import Allowance
from posthouse.model.mailbox import SEEN, Changes, Copied, FlagsChanged, MailboxInfo, MessageRow
from posthouse.model.mailbox_name import parents, sort_key
from posthouse.model.rights import (
    MAX_ENTRIES,
    Acl,
    AclAction,
    CopyReaders,
    Reader,
    SharedMailbox,
    changed_rights,
    effective_rights,
)

Marks = dict[int, tuple[bool, int]]


class SharingPart:
    """``_acls`` by mailbox; ``_marks`` by mailbox and reader: UID to (seen, mod-sequence of that change)."""

    _boxes: dict[int, Box]
    _box: Callable[[int], Box]
    _info: Callable[[Box], MailboxInfo]
    _notify: Callable[..., None]
    _transfer: Callable[..., list[int]]
    _owner_may: Callable[[int], Coroutine[Any, Any, Allowance]]
    _grow_by_copies: Callable[..., None]

    def __init__(self) -> None:
        self._acls: dict[int, dict[str, str]] = {}
        self._marks: dict[tuple[int, int], Marks] = {}

    async def acl(self, mailbox_id: int) -> Acl:
        return tuple(sorted(self._acls.get(mailbox_id, {}).items()))

    async def shared_with(self, identifiers: Collection[str]) -> Sequence[SharedMailbox]:
        found = []
        for box in sorted(self._boxes.values(), key=lambda one: (one.account_id, sort_key(one.name))):
            rights = effective_rights(self._acls.get(box.mailbox_id, {}).items(), identifiers)
            if "l" in rights:
                found.append(SharedMailbox(self._info(box), rights))
        return found

    async def reader_unseen(self, mailbox_id: int, reader: int) -> int:
        box = self._boxes.get(mailbox_id)
        return sum(1 for row in self._rows(box, reader, box.messages) if not row.flags & SEEN) if box else 0

    async def reader_rows(self, mailbox_id: int, reader: int) -> tuple[MailboxInfo, Sequence[MessageRow]]:
        box = self._box(mailbox_id)
        return self._info(box), self._rows(box, reader, box.messages)

    async def reader_changes(self, mailbox_id: int, since_mod_seq: int, reader: int) -> Changes:
        box = self._box(mailbox_id)
        rows = tuple(row for row in self._rows(box, reader, box.messages) if row.mod_seq > since_mod_seq)
        vanished = sorted(uid for mod_seq, uid in box.vanished if mod_seq > since_mod_seq)
        return Changes(box.mod_seq, box.uid_next, rows, tuple(vanished), box.keywords)

    async def set_acl(self, mailbox_id: int, identifier: str, action: AclAction, rights: str) -> None:
        if mailbox_id not in self._boxes:
            raise NotFound("There is no such mailbox")
        entries = self._acls.setdefault(mailbox_id, {})
        new = changed_rights(entries.get(identifier, ""), action, rights)
        if new and identifier not in entries and len(entries) >= MAX_ENTRIES:
            raise Permanent("Too many entries", code=552, enhanced="5.2.2", imap_code="LIMIT")
        if new:
            entries[identifier] = new
        else:
            entries.pop(identifier, None)
        self._notify(self._boxes[mailbox_id], names=True)

    async def forget_identifier(self, identifier: str) -> None:
        for entries in self._acls.values():
            entries.pop(identifier, None)
            entries.pop("-" + identifier, None)

    async def store_reader_flags(
        self,
        mailbox_id: int,
        uids: Sequence[int],
        action: FlagAction,
        flags: Sequence[str],
        unchanged_since: int | None,
        reader: Reader,
    ) -> FlagsChanged:
        box = self._box(mailbox_id)
        if action == "remove":
            bits = known_bits(flags, box.keywords)
        else:
            bits, box.keywords = flag_bits(flags, box.keywords)
        done, refused, before = [], [], box.mod_seq
        marks = self._marks.setdefault((mailbox_id, reader.account_id), {})
        for row in self._rows(box, reader.account_id, box.chosen(uids)):
            if unchanged_since is not None and row.mod_seq > unchanged_since:
                refused.append(row.uid)
                continue
            done.append(row.uid)
            new = row.flags & ~reader.mask | changed_flags(row.flags, action, bits) & reader.mask
            message = box.messages[row.uid]
            if (new ^ row.flags) & SEEN:
                marks[row.uid] = bool(new & SEEN), before + 1
            if (new ^ row.flags) & ~SEEN:
                message.flags, message.mod_seq = new & ~SEEN | message.flags & SEEN, before + 1
            if new != row.flags:
                box.mod_seq = before + 1
        self._notify(box)
        return FlagsChanged(self._rows(box, reader.account_id, done), tuple(refused), box.mod_seq, before)

    async def copy_between(
        self, mailbox_id: int, uids: Sequence[int], target_id: int, readers: CopyReaders, *, move: bool = False
    ) -> Copied:
        allowed = await self._owner_may(target_id)
        box, target = self._box(mailbox_id), self._box(target_id)
        source = box.chosen(uids)
        self._grow_by_copies(box, source, target, allowed, move=move)
        rows = self._rows(box, readers.source, source) if readers.source else box.rows(source)
        seen = [bool(row.flags & readers.mask & SEEN) for row in rows]
        made = self._transfer(box, source, target, move=move)
        for uid, is_seen in zip(made, seen, strict=True):
            own = SEEN if is_seen and not readers.target else 0
            target.messages[uid].flags = target.messages[uid].flags & readers.mask & ~SEEN | own
            if is_seen and readers.target:
                self._mark(target, readers.target, uid)
        self._notify(box, target)
        return Copied(target.uid_validity, tuple(source), tuple(made))

    def _inherit(self, box: Box) -> None:
        """A new mailbox begins with the rights of the one above it."""
        above = parents(box.name)[-1:]
        for other in self._boxes.values() if above else ():
            if other.account_id == box.account_id and other.name == above[0] and other.mailbox_id in self._acls:
                self._acls[box.mailbox_id] = dict(self._acls[other.mailbox_id])

    def _end_sharing(self, mailbox_id: int) -> None:
        self._acls.pop(mailbox_id, None)
        self._marks = {key: marks for key, marks in self._marks.items() if key[0] != mailbox_id}

    def _mark(self, box: Box, reader: int, uid: int) -> None:
        """A message that has just come is seen by this reader; 0 is nobody."""
        if reader:
            self._marks.setdefault((box.mailbox_id, reader), {})[uid] = True, box.mod_seq

    def _rows(self, box: Box, reader: int, uids: Collection[int]) -> tuple[MessageRow, ...]:
        marks = self._marks.get((box.mailbox_id, reader), {})
        rows = []
        for uid in uids:
            message = box.messages[uid]
            seen, mod_seq = marks.get(uid, (False, 0))
            rows.append(MessageRow(uid, message.flags & ~SEEN | (SEEN if seen else 0), max(message.mod_seq, mod_seq)))
        return tuple(rows)
