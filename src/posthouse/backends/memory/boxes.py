"""What the store in memory is made of: mailboxes, their messages, and bodies. Plain values; ``mailstore.py`` has the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from posthouse.model.mailbox import DELETED, SEEN, MailboxInfo, MessageFacts, MessageRow, SpecialUse, email_id
from posthouse.model.summary import Summary


@dataclass(slots=True)
class Body:
    """One content; the same digest is the same body."""

    body_id: int
    content: bytes
    summary: Summary


@dataclass(slots=True)
class Message:
    """One message in one mailbox."""

    body: Body
    flags: int
    mod_seq: int
    received_at: float
    saved_at: float


@dataclass(slots=True)
class Box:
    """One mailbox with its messages in UID order. ``vanished`` holds (mod_seq, uid)."""

    mailbox_id: int
    account_id: int
    name: str
    uid_validity: int
    object_id: str
    special_use: SpecialUse = ""
    selectable: bool = True
    tree_bytes: int = 0
    tree_messages: int = 0
    uid_next: int = 1
    mod_seq: int = 1
    keywords: tuple[str, ...] = ()
    messages: dict[int, Message] = field(default_factory=dict)
    vanished: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """The sum of its messages' sizes."""
        return sum(message.body.summary.size_bytes for message in self.messages.values())

    def rows(self, uids: Iterable[int]) -> tuple[MessageRow, ...]:
        """The rows of ``uids``, which exist."""
        return tuple(MessageRow(uid, self.messages[uid].flags, self.messages[uid].mod_seq) for uid in uids)

    def chosen(self, uids: Iterable[int]) -> list[int]:
        """Those of ``uids`` that exist, ascending."""
        return sorted(uid for uid in set(uids) if uid in self.messages)

    def add(self, message: Message) -> int:
        """Gives the new UID."""
        uid, self.uid_next = self.uid_next, self.uid_next + 1
        self.messages[uid] = message
        return uid

    def remove(self, uids: Iterable[int]) -> None:
        """Takes messages out at the current mod-sequence."""
        for uid in uids:
            del self.messages[uid]
            self.vanished.append((self.mod_seq, uid))


def facts_of(uid: int, message: Message) -> MessageFacts:
    """The unchanging facts of one message."""
    summary = message.body.summary
    return MessageFacts(
        uid=uid,
        body_id=message.body.body_id,
        size_bytes=summary.size_bytes,
        received_at=message.received_at,
        saved_at=message.saved_at,
        envelope=summary.envelope,
        body=summary.body,
        bodystructure=summary.bodystructure,
        object_id=email_id(summary.digest),
    )


def info_of(box: Box, *, subscribed: bool) -> MailboxInfo:
    """What a reader learns of a mailbox."""
    messages = box.messages.values()
    return MailboxInfo(
        mailbox_id=box.mailbox_id,
        account_id=box.account_id,
        name=box.name,
        uid_validity=box.uid_validity,
        uid_next=box.uid_next,
        mod_seq=box.mod_seq,
        exists=len(messages),
        unseen=sum(1 for message in messages if not message.flags & SEEN),
        deleted=sum(1 for message in messages if message.flags & DELETED),
        size_bytes=box.size_bytes,
        keywords=box.keywords,
        special_use=box.special_use,
        subscribed=subscribed,
        object_id=box.object_id,
        selectable=box.selectable,
    )
