"""NOTIFY: changes of any mailbox that the client may see, told without being asked (RFC 5465).

What the client knows is a snapshot of the account's mailboxes, and of those of others that a group names; a notice of the bus
names the one that changed, and the difference is told as STATUS or LIST. However many changes come, what is pending is at most
one entry for each mailbox. Of others' mailboxes as much is told as the rights on them allow at that moment (§5.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from posthouse.model.mailbox import INBOX, SEPARATOR, MailboxInfo
from posthouse.model.namespaces import is_personal
from posthouse.model.undelete import is_shadow
from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import StatusItem
from posthouse.protocols.imap.parse_notify import MESSAGE_EVENTS, Event, EventGroup, Notify
from posthouse.protocols.imap.sequence import MAX_NUMBER
from posthouse.servers.imap.fetch import answer
from posthouse.servers.imap.places import others_boxes, rights_on
from posthouse.servers.imap.status import write_status

if TYPE_CHECKING:
    from posthouse.servers.imap.session import ImapSession

_STATUS: tuple[StatusItem, ...] = ("MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN")


async def notify(session: ImapSession, command: Notify) -> str:
    """NOTIFY SET and NOTIFY NONE: what was asked before is forgotten."""
    session.set_notify(None)
    if command.groups is None:
        return "NOTIFY completed"
    watch = Watch(command.groups)
    await watch.learn(session)
    if command.status:
        watch.write_all(session)  # before anything is watched, so that nothing is told twice
    session.set_notify(watch)
    return "NOTIFY completed"


class Watch:
    """What a client asked for, and what it knows. ``selected`` is the group of the selected mailbox, if there is one;
    ``accounts`` are those whose notices matter."""

    __slots__ = ("_boxes", "_groups", "_owned", "_pending", "_structure", "_subscribed", "_unread", "accounts", "selected")

    def __init__(self, groups: Sequence[EventGroup]) -> None:
        self.selected = next((group for group in groups if group.filter.startswith("SELECTED")), None)
        self._groups = [group for group in groups if not group.filter.startswith("SELECTED")]
        self._boxes: dict[int, MailboxInfo] = {}
        self._owned: dict[int, str] = {}
        self._unread: set[int] = set()
        self._subscribed: frozenset[str] = frozenset()
        self.accounts: frozenset[int] = frozenset()
        self._pending: set[int] = set()
        self._structure = False

    @property
    def wants_more(self) -> bool:
        """Whether anything but the selected mailbox matters."""
        return any(group.events for group in self._groups)

    @property
    def wants_others(self) -> bool:
        """Whether mailboxes of others may matter."""
        names = [name for group in self._groups for name in group.names]
        subscribed = any(group.filter == "SUBSCRIBED" and group.events for group in self._groups)
        return subscribed or not all(map(is_personal, names))

    @property
    def has_news(self) -> bool:
        return self._structure or bool(self._pending)

    async def learn(self, session: ImapSession) -> None:
        """Takes note of the mailboxes as they are: the account's, and those of others that a group is about."""
        store = session.services.store
        listed = session.services.settings().store.undelete_listed
        found = await store.mailboxes(session.account_id)
        self._boxes = {info.mailbox_id: info for info in found if listed or not is_shadow(info.name)}
        self._owned, self._unread = {}, set()
        self._subscribed = frozenset(await store.subscriptions(session.account_id))
        if self.wants_others:
            await self._learn_others(session)
        owners = [info.account_id for info in self._boxes.values()]
        self.accounts = frozenset((session.account_id, *owners))

    async def _learn_others(self, session: ImapSession) -> None:
        for name, (info, rights) in (await others_boxes(session)).items():
            if not self._events(name):
                continue
            unseen = await session.services.store.reader_unseen(info.mailbox_id, session.account_id)
            self._boxes[info.mailbox_id] = replace(info, unseen=unseen)
            owned = await session.services.store.mailbox_by_id(info.mailbox_id)
            self._owned[info.mailbox_id] = owned.name if owned is not None else ""
            if "r" not in rights:
                self._unread.add(info.mailbox_id)

    def heard(self, mailbox_id: int, *, own: bool) -> None:
        """A notice: of one mailbox, or (0) of names. Of others' mailboxes that are not known nothing is told here."""
        if mailbox_id in self._boxes:
            self._pending.add(mailbox_id)
        elif own or not mailbox_id:
            self._structure = True

    async def fetch_new(self, session: ImapSession, known_uid_next: int) -> None:
        """What MessageNew's items ask for, of the messages from a UID on in the selected mailbox (RFC 5465 §5.2)."""
        if self.selected is None or not self.selected.items or session.selected is None:
            return
        view = await session.selected.view()
        await answer(session, view, view.span(known_uid_next, MAX_NUMBER), self.selected.items)

    def write_all(self, session: ImapSession) -> None:
        """STATUS of every mailbox whose messages matter, but for the selected one (RFC 5465 §3.1)."""
        for info in self._boxes.values():
            if info.selectable and self._events(info.name) & MESSAGE_EVENTS:
                self._write_status(session, info)

    async def tell(self, session: ImapSession) -> None:
        """Writes what is new. Raises MailError."""
        store = session.services.store
        pending, self._pending = self._pending, set()
        for mailbox_id in sorted(pending):
            fresh, known = await store.mailbox_by_id(mailbox_id), self._boxes.get(mailbox_id)
            if fresh is not None and known is not None and mailbox_id in self._owned:
                fresh = await self._as_others(session, fresh, known)
            if fresh is None or known is None or fresh.name != known.name:
                self._structure = True
                continue
            self._boxes[mailbox_id] = fresh
            if _what_happened(known, fresh) & self._events(fresh.name):
                self._write_status(session, fresh)
        if self._structure:
            self._structure = False
            await self._tell_structure(session)

    async def _as_others(self, session: ImapSession, fresh: MailboxInfo, known: MailboxInfo) -> MailboxInfo | None:
        """A mailbox of another's as the client knows it; None if its name or the rights on it are not what they were."""
        rights = await rights_on(session, fresh.mailbox_id)
        other_rights = "l" not in rights or ("r" in rights) == (fresh.mailbox_id in self._unread)
        if fresh.name != self._owned[fresh.mailbox_id] or other_rights:
            return None
        unseen = await session.services.store.reader_unseen(fresh.mailbox_id, session.account_id)
        return replace(fresh, name=known.name, special_use="", unseen=unseen)

    def _write_status(self, session: ImapSession, info: MailboxInfo) -> None:
        if info.mailbox_id in self._unread:
            return
        if session.selected is None or session.selected.mailbox_id != info.mailbox_id:
            write_status(session, info, (*_STATUS, "HIGHESTMODSEQ") if session.condstore else _STATUS)

    async def _tell_structure(self, session: ImapSession) -> None:
        """Names that came, went, or are other ones now, and subscriptions; then the messages of the others."""
        boxes, subscribed = self._boxes, self._subscribed
        await self.learn(session)
        session.set_notify(self)  # other accounts may matter now
        names = {info.name for info in self._boxes.values()}
        for mailbox_id, old in boxes.items():
            if mailbox_id not in self._boxes and old.name not in names and "MailboxName" in self._events(old.name, subscribed):
                session.write(responses.list_line(["\\NonExistent"], old.name, utf8=session.utf8))
        for mailbox_id, info in self._boxes.items():
            known = boxes.get(mailbox_id)
            if known is not None and known.name == info.name:
                if _what_happened(known, info) & self._events(info.name):
                    self._write_status(session, info)
            elif "MailboxName" in self._events(info.name):
                self._write_list(session, info.name, info, old_name=known.name if known is not None else "")
        for name in sorted(subscribed ^ self._subscribed):
            if "SubscriptionChange" in self._events(name) | self._events(name, subscribed):
                here = next((info for info in self._boxes.values() if info.name == name), None)
                self._write_list(session, name, here)

    def _write_list(self, session: ImapSession, name: str, info: MailboxInfo | None, old_name: str = "") -> None:
        below = name + SEPARATOR
        attributes = ["\\HasChildren" if any(one.name.startswith(below) for one in self._boxes.values()) else "\\HasNoChildren"]
        if info is None:
            attributes = ["\\NonExistent"]
        elif not info.selectable:
            attributes.insert(0, "\\Noselect")
        if name in self._subscribed:
            attributes.append("\\Subscribed")
        if info is not None and info.special_use:
            attributes.append(info.special_use)
        session.write(responses.list_line(attributes, name, utf8=session.utf8, old_name=old_name))

    def _events(self, name: str, subscribed: frozenset[str] | None = None) -> frozenset[Event]:
        """Those of the first group that the mailbox belongs to (RFC 5465 §6)."""
        for group in self._groups:
            if _belongs(group, name, self._subscribed if subscribed is None else subscribed):
                return group.events
        return frozenset()


def _belongs(group: EventGroup, name: str, subscribed: frozenset[str]) -> bool:
    match group.filter:
        case "PERSONAL":
            return is_personal(name)
        case "INBOXES":
            return name == INBOX
        case "SUBSCRIBED":
            return name in subscribed
        case "SUBTREE":
            return any(name == top or name.startswith(top + SEPARATOR) for top in group.names)
        case _:
            return name in group.names


def _what_happened(known: MailboxInfo, fresh: MailboxInfo) -> frozenset[Event]:
    """Message events between two moments of a mailbox."""
    if fresh.mod_seq == known.mod_seq:
        return frozenset()
    events: set[Event] = set()
    added = fresh.uid_next - known.uid_next
    if added:
        events.add("MessageNew")
    if fresh.exists < known.exists + added:
        events.add("MessageExpunge")
    if not events or fresh.unseen - known.unseen > added or fresh.mod_seq - known.mod_seq > 1:
        events.add("FlagChange")
    return frozenset(events)
