"""The mail store in memory: the fake that tests of servers and stages use, and the oracle of the real store's tests.

It keeps the contract of ``interfaces.mailstore`` to the letter, with plain lists and dictionaries, in one process. It knows
nothing of sockets or files; nothing in it is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from posthouse.backends.memory.boxes import Body, Box, Message, info_of
from posthouse.backends.memory.pieces import MemoryPieces
from posthouse.backends.memory.sharing import SharingPart
from posthouse.backends.memory.usage import MemoryUsage
from posthouse.backends.notices import Committed, MailboxNotice, OnCommitted, ignore
from posthouse.base.clock import Clock, SystemClock
from posthouse.base.errors import AlreadyExists, BadValue, NotFound, Permanent, Temporary
from posthouse.base.ids import Ids
from posthouse.formats.mime import Limits, summarise
from posthouse.interfaces.limits import Allowances, unlimited
from posthouse.interfaces.mailstore import FlagAction, Watched
from posthouse.model.flags import changed_flags, flag_bits, known_bits, translated
from posthouse.model.limits import Allowance
from posthouse.model.mailbox import (
    DEFAULT_MAILBOXES,
    DELETED,
    INBOX,
    SEPARATOR,
    Appended,
    Changes,
    Copied,
    FlagsChanged,
    MailboxInfo,
    MessageRow,
    NewMessage,
    SpecialUse,
)
from posthouse.model.mailbox_name import normal_name, parents, sort_key
from posthouse.model.namespaces import refuse_reserved
from posthouse.model.plan import ToMailbox
from posthouse.model.quota import Growth
from posthouse.model.settings import StoreSettings
from posthouse.model.summary import Summary
from posthouse.model.tree_quota import has_room
from posthouse.model.undelete import is_shadow, refuse_shadow


class MemoryMailStore(SharingPart, MemoryUsage, MemoryPieces):
    """See ``interfaces.mailstore``. ``on_committed`` hears of every change, in the caller's task."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        settings: Callable[[], StoreSettings] = StoreSettings,
        on_committed: OnCommitted = ignore,
        allowances: Allowances = unlimited,
    ) -> None:
        SharingPart.__init__(self)
        MemoryUsage.__init__(self, allowances)
        MemoryPieces.__init__(self)
        self._clock = clock or SystemClock()
        self._ids = Ids(self._clock)
        self._settings = settings
        self._on_committed = on_committed
        self._boxes: dict[int, Box] = {}
        self._bodies: dict[bytes, Body] = {}
        self._subscribed: set[tuple[int, str]] = set()
        self._gone_accounts: set[int] = set()
        self._last_id = 0
        self._last_uid_validity = 0

    # --- reading

    async def mailboxes(self, account_id: int) -> Sequence[MailboxInfo]:
        return [self._info(box) for box in sorted(self._account(account_id), key=lambda box: sort_key(box.name))]

    async def mailbox(self, account_id: int, name: str) -> MailboxInfo | None:
        box = self._by_name(account_id, name)
        return self._info(box) if box else None

    async def mailbox_by_id(self, mailbox_id: int) -> MailboxInfo | None:
        box = self._boxes.get(mailbox_id)
        return self._info(box) if box else None

    async def subscriptions(self, account_id: int) -> Sequence[str]:
        self._account(account_id)
        return sorted((name for owner, name in self._subscribed if owner == account_id), key=sort_key)

    async def mod_seq(self, mailbox_id: int) -> int:
        box = self._boxes.get(mailbox_id)
        return box.mod_seq if box is not None else 0

    def want_notices(self, kind: Watched, number: int, *, on: bool) -> None:
        """Everybody hears of everything here."""

    async def rows(self, mailbox_id: int) -> tuple[MailboxInfo, Sequence[MessageRow]]:
        box = self._box(mailbox_id)
        return self._info(box), box.rows(box.messages)

    async def changes(self, mailbox_id: int, since_mod_seq: int) -> Changes:
        box = self._box(mailbox_id)
        rows = box.rows(uid for uid, message in box.messages.items() if message.mod_seq > since_mod_seq)
        vanished = sorted(uid for mod_seq, uid in box.vanished if mod_seq > since_mod_seq)
        return Changes(box.mod_seq, box.uid_next, rows, tuple(vanished), box.keywords)

    # --- writing mailboxes

    async def create(self, account_id: int, name: str, special_use: SpecialUse = "") -> MailboxInfo:
        name = normal_name(name, self._settings().max_mailbox_depth)
        refuse_reserved(account_id, name)
        allowed = await self._allowances(account_id)
        refuse_shadow(name)
        self._live_account(account_id)
        box = self._by_name(account_id, name)
        if box and box.selectable:
            raise AlreadyExists("The mailbox exists already")
        missing = [above for above in parents(name) if not self._by_name(account_id, above)]
        more = len(missing) + (box is None)
        live = [one for one in self._account(account_id) if not is_shadow(one.name)]
        if len(live) + more > self._settings().max_mailboxes:
            raise Permanent("Too many mailboxes", code=552, enhanced="5.2.2", imap_code="LIMIT")
        self._grow(account_id, allowed, Growth(mailboxes=more))
        for above in missing:
            self._new_box(account_id, above)
        if box:
            self._end_sharing(box.mailbox_id)
            del self._boxes[box.mailbox_id]
        made = self._new_box(account_id, name, special_use)
        self._notify(made, names=True)
        return self._info(made)

    async def delete(self, account_id: int, name: str) -> None:
        undelete_bytes = (await self._allowances(account_id)).undelete_bytes
        box = self._by_name(account_id, name)
        if not box:
            raise NotFound("There is no such mailbox")
        if box.name == INBOX:
            raise Permanent("INBOX cannot be deleted")
        children = any(other.name.startswith(box.name + SEPARATOR) for other in self._account(account_id))
        if children and not box.selectable:
            raise Permanent("The mailbox has others below it", imap_code="HASCHILDREN")
        self._drop(box)
        if box.selectable:
            self._put_away(box, list(box.messages.values()), undelete_bytes)
        if children:
            self._new_box(account_id, box.name).selectable = False
        self._sweep()

    async def rename(self, account_id: int, name: str, new_name: str) -> None:
        new_name = normal_name(new_name, self._settings().max_mailbox_depth)
        refuse_reserved(account_id, new_name)
        allowed = await self._allowances(account_id)
        refuse_shadow(new_name)
        box = self._by_name(account_id, name)
        if not box:
            raise NotFound("There is no such mailbox")
        if self._by_name(account_id, new_name):
            raise AlreadyExists("The mailbox exists already")
        if box.name != INBOX and new_name.startswith(box.name + SEPARATOR):
            raise BadValue("A mailbox cannot be moved below itself")
        moved = [other for other in self._account(account_id) if other.name.startswith(box.name + SEPARATOR)]
        if box.name != INBOX:
            for other in moved:
                normal_name(new_name + other.name[len(box.name) :], self._settings().max_mailbox_depth)
        missing = [above for above in parents(new_name) if not self._by_name(account_id, above)]
        self._grow_by_renaming([box, *moved], new_name, len(missing), allowed)
        for above in missing:
            self._new_box(account_id, above)
        if box.name == INBOX:
            target = self._new_box(account_id, new_name)
            self._transfer(box, list(box.messages), target, move=True)
            self._notify(box, target)
            return
        for other in moved:
            other.name = new_name + other.name[len(box.name) :]
        box.name = new_name
        self._notify(box, *moved, names=True)

    async def subscribe(self, account_id: int, name: str, *, on: bool) -> None:
        self._live_account(account_id)
        self._account(account_id)
        entry = account_id, normal_name(name)
        if on:
            if sum(1 for owner, _ in self._subscribed if owner == account_id) >= 2 * self._settings().max_mailboxes:
                raise Permanent("Too many subscriptions", code=552, enhanced="5.2.2", imap_code="LIMIT")
            self._subscribed.add(entry)
        else:
            self._subscribed.discard(entry)
        self._on_committed(Committed((MailboxNotice(0, account_id, 0),)))

    async def delete_account(self, account_id: int) -> None:
        for box in [box for box in self._boxes.values() if box.account_id == account_id]:
            self._drop(box)
        self._subscribed = {entry for entry in self._subscribed if entry[0] != account_id}
        self._gone_accounts.add(account_id)
        self._forget_usage(account_id)
        self._sweep()

    # --- writing messages

    async def append(self, mailbox_id: int, messages: Sequence[NewMessage], *, name: str = "") -> Appended:
        summaries = [summarise(message.content, Limits()) for message in messages]
        allowed = await self._owner_may(mailbox_id)
        box = self._box(mailbox_id)
        if name not in ("", box.name):
            raise NotFound("There is no such mailbox")
        self._grow_by_messages(box, [one.size_bytes for one in summaries], allowed)
        keywords, flags = box.keywords, []
        for message in messages:
            bits, keywords = flag_bits(message.flags, keywords)
            flags.append(bits)
        before = box.mod_seq if keywords == box.keywords else 0
        box.keywords = keywords
        now = self._clock.now()
        box.mod_seq += bool(messages)
        uids = []
        for message, bits, summary in zip(messages, flags, summaries, strict=True):
            body = self._body(message.content, summary)
            received_at = now if message.received_at is None else message.received_at
            uids.append(box.add(Message(body, bits, box.mod_seq, received_at, now)))
            self._mark(box, message.seen_by, uids[-1])
        self._notify(box)
        rows = [MessageRow(uid, bits, box.mod_seq) for uid, bits in zip(uids, flags, strict=True)]
        return Appended(box.uid_validity, uids, rows, box.mod_seq, before)

    async def store_flags(
        self,
        mailbox_id: int,
        uids: Sequence[int],
        action: FlagAction,
        flags: Sequence[str],
        unchanged_since: int | None = None,
    ) -> FlagsChanged:
        box = self._box(mailbox_id)
        if action == "remove":
            bits = known_bits(flags, box.keywords)
        else:
            bits, box.keywords = flag_bits(flags, box.keywords)
        done, refused, next_mod_seq = [], [], box.mod_seq + 1
        for uid in box.chosen(uids):
            message = box.messages[uid]
            if unchanged_since is not None and message.mod_seq > unchanged_since:
                refused.append(uid)
                continue
            done.append(uid)
            changed = changed_flags(message.flags, action, bits)
            if changed != message.flags:
                message.flags, message.mod_seq, box.mod_seq = changed, next_mod_seq, next_mod_seq
        self._notify(box)
        return FlagsChanged(box.rows(done), tuple(refused), box.mod_seq, next_mod_seq - 1)

    async def expunge(self, mailbox_id: int, uids: Sequence[int] | None, *, unmarked: bool = False) -> Sequence[int]:
        undelete_bytes = (await self._owner_may(mailbox_id)).undelete_bytes
        box = self._box(mailbox_id)
        chosen = list(box.messages) if uids is None else box.chosen(uids)
        gone = [uid for uid in chosen if unmarked or box.messages[uid].flags & DELETED]
        messages = [box.messages[uid] for uid in gone]
        box.mod_seq += bool(gone)
        box.remove(gone)
        if gone:
            self._put_away(box, messages, undelete_bytes)
        self._sweep()
        self._notify(box)
        return gone

    async def settle(self, mailbox_id: int, gone: Sequence[int], seen: Sequence[int]) -> None:
        await self.expunge(mailbox_id, gone, unmarked=True)
        await self.store_flags(mailbox_id, seen, "add", ("\\Seen",))

    async def copy(self, mailbox_id: int, uids: Sequence[int], target_id: int, *, move: bool = False) -> Copied:
        allowed = await self._owner_may(target_id)
        box, target = self._box(mailbox_id), self._box(target_id)
        source = box.chosen(uids)
        self._grow_by_copies(box, source, target, allowed, move=move)
        made = self._transfer(box, source, target, move=move)
        self._notify(box, target)
        return Copied(target.uid_validity, tuple(source), tuple(made))

    async def replace(self, mailbox_id: int, uid: int, target_id: int, message: NewMessage) -> tuple[int, int]:
        box = self._box(mailbox_id)
        if uid not in box.messages:
            raise NotFound("There is no such message")
        done = await self.append(target_id, [message])
        box.mod_seq += 1
        box.remove([uid])
        self._sweep()
        self._notify(box)
        return done.uid_validity, done.uids[0]

    def deliver(
        self,
        content: bytes,
        summary: Summary,
        destinations: Sequence[ToMailbox],
        received_at: float,
        *,
        check: bool = False,
        allowed: Mapping[int, Allowance] | None = None,
        alone: bool = False,
    ) -> None:
        """Puts an accepted message into mailboxes, for ``MemorySink``; ``check`` only looks whether that will succeed.

        Raises Temporary if an account is gone."""
        for destination in destinations:
            if destination.account_id in self._gone_accounts:
                raise Temporary("The mailbox is not available", enhanced="4.2.0", cause="the account was deleted meanwhile")
        if check:
            return
        for destination in destinations:
            self._grow_by_mail(destination.account_id, summary.size_bytes, allowed, alone=alone)
            box = self._by_name(destination.account_id, destination.mailbox)
            if box and not has_room(self._trees(box.account_id), box.name, Growth(summary.size_bytes, 1)):
                box = self._by_name(destination.account_id, INBOX) or box
            if not box or not box.selectable or is_shadow(box.name):
                box = self._elsewhere(destination)
            bits, box.keywords = flag_bits(destination.flags, box.keywords, lenient=True)
            box.mod_seq += 1
            box.add(Message(self._body(content, summary), bits, box.mod_seq, received_at, self._clock.now()))
            self._notify(box)

    # --- inside

    def _elsewhere(self, destination: ToMailbox) -> Box:
        """Where mail goes whose mailbox is not there: to INBOX, or, in a shared tree, to a new one."""
        name = destination.mailbox if destination.account_id < 0 else INBOX
        return self._by_name(destination.account_id, name) or self._new_box(destination.account_id, normal_name(name))

    def _account(self, account_id: int) -> list[Box]:
        boxes = [box for box in self._boxes.values() if box.account_id == account_id]
        if boxes or account_id in self._gone_accounts or account_id < 0:
            return boxes
        for name, special_use in DEFAULT_MAILBOXES:
            boxes.append(self._new_box(account_id, name, special_use))
            self._subscribed.add((account_id, name))
        return boxes

    def _live_account(self, account_id: int) -> None:
        if account_id in self._gone_accounts:
            raise NotFound("There is no such account")

    def _by_name(self, account_id: int, name: str) -> Box | None:
        try:
            name = normal_name(name)
        except BadValue:
            return None
        return next((box for box in self._account(account_id) if box.name == name), None)

    def _box(self, mailbox_id: int) -> Box:
        box = self._boxes.get(mailbox_id)
        if not box or not box.selectable:
            raise NotFound("There is no such mailbox")
        return box

    def _new_box(self, account_id: int, name: str, special_use: SpecialUse = "") -> Box:
        self._last_id += 1
        self._last_uid_validity = max(self._last_uid_validity + 1, int(self._clock.now()))
        box = Box(self._last_id, account_id, name, self._last_uid_validity, self._ids.new(), special_use)
        self._boxes[box.mailbox_id] = box
        self._inherit(box)
        return box

    def _drop(self, box: Box) -> None:
        del self._boxes[box.mailbox_id]
        self._end_sharing(box.mailbox_id)
        self._forget_url_keys(box.mailbox_id)
        self._annotated = {key: entries for key, entries in self._annotated.items() if key[0] != box.mailbox_id}
        self._on_committed(Committed((MailboxNotice(box.mailbox_id, box.account_id, 0),)))

    def _transfer(self, box: Box, uids: Sequence[int], target: Box, *, move: bool) -> list[int]:
        target.mod_seq += bool(uids)
        made = []
        for uid in uids:
            message = box.messages[uid]
            bits, target.keywords = translated(message.flags, box.keywords, target.keywords)
            made.append(target.add(Message(message.body, bits, target.mod_seq, message.received_at, self._clock.now())))
        if move and uids:
            box.mod_seq += box is not target
            box.remove(uids)
        return made

    def _body(self, content: bytes, summary: Summary) -> Body:
        body = self._bodies.get(summary.digest)
        if not body:
            self._last_id += 1
            body = self._bodies[summary.digest] = Body(self._last_id, content, summary)
        return body

    def _sweep(self) -> None:
        used = {message.body.body_id for box in self._boxes.values() for message in box.messages.values()}
        self._bodies = {digest: body for digest, body in self._bodies.items() if body.body_id in used}

    def _notify(self, *boxes: Box, names: bool = False) -> None:
        told = [MailboxNotice(box.mailbox_id, box.account_id, box.mod_seq, names) for box in boxes]
        self._on_committed(Committed(tuple(told)))

    def _info(self, box: Box) -> MailboxInfo:
        return info_of(box, subscribed=(box.account_id, box.name) in self._subscribed)
