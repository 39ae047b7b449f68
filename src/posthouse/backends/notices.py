"""What a commit tells the rest of the node: which mailboxes changed, and whether the queue has new mail.

Both mail stores give it to a callable that ``roles.bootstrap`` passes in; ``publish`` puts it on the bus. Notices are hints,
at most once; sessions that miss one see the change at their next synchronisation point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from posthouse.interfaces.bus import Bus


@dataclass(frozen=True, slots=True)
class MailboxNotice:
    """A mailbox's state after the commit; ``mod_seq`` is 0 when it was deleted."""

    mailbox_id: int
    account_id: int
    mod_seq: int


@dataclass(frozen=True, slots=True)
class Committed:
    """One commit's changes. ``queue``: recipients were added or let go, so something may be due earlier than known."""

    mailboxes: tuple[MailboxNotice, ...] = ()
    queue: bool = False


OnCommitted = Callable[[Committed], None]


def ignore(_committed: Committed) -> None:
    """For stores without listeners."""


def publish(bus: Bus, committed: Committed) -> None:
    """Puts the notices on the bus; on the loop's thread."""
    for notice in committed.mailboxes:
        payload = {"mailbox_id": notice.mailbox_id, "account_id": notice.account_id, "mod_seq": notice.mod_seq}
        bus.publish("mailbox", payload)
    if committed.queue:
        bus.publish("queue", {})
