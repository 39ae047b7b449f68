"""What a commit tells the rest of the node: which mailboxes changed, and whether the queue has new mail.

Both mail stores give it to a callable that ``roles.bootstrap`` passes in; ``publish`` puts it on the bus. Notices are hints,
at most once; sessions that miss one see the change at their next synchronisation point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from posthouse.interfaces.bus import Bus


@dataclass(frozen=True, slots=True)
class MailboxNotice:
    """A mailbox's state after the commit; ``mod_seq`` is 0 when it was deleted. ``names``: it is new, has another name, or
    other rights on it are given, so that someone may see it who did not."""

    mailbox_id: int
    account_id: int
    mod_seq: int
    names: bool = False


@dataclass(frozen=True, slots=True)
class Committed:
    """One commit's changes. ``queue``: recipients were added or let go, so something may be due earlier than known."""

    mailboxes: tuple[MailboxNotice, ...] = ()
    queue: bool = False


def merged(notices: Iterable[MailboxNotice]) -> tuple[MailboxNotice, ...]:
    """One for each mailbox: the last, which tells of names if any did."""
    latest: dict[tuple[int, int], MailboxNotice] = {}
    for notice in notices:
        key = notice.mailbox_id, notice.account_id
        before = latest.get(key)
        latest[key] = replace(notice, names=True) if before is not None and before.names and not notice.names else notice
    return tuple(latest.values())


OnCommitted = Callable[[Committed], None]


def ignore(_committed: Committed) -> None:
    """For stores without listeners."""


def publish(bus: Bus, committed: Committed) -> None:
    """Puts the notices on the bus; on the loop's thread."""
    for notice in committed.mailboxes:
        payload = {"mailbox_id": notice.mailbox_id, "account_id": notice.account_id, "mod_seq": notice.mod_seq}
        if notice.names:
            payload["names"] = True
        bus.publish("mailbox", payload)
    if committed.queue:
        bus.publish("queue", {})
