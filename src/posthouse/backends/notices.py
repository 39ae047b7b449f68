"""What a commit tells the rest of the node: which mailboxes changed, and whether the queue has new mail.

The store in memory puts all of it on the bus (``publish``). The embedded one sends notices of mailboxes over the gate, together
with its answers, to the workers that watch them: most commits concern nobody else. Notices are hints, at most once; sessions
that miss one see the change at their next synchronisation point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from posthouse.interfaces.bus import Bus
from posthouse.interfaces.mailstore import Watched


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
    """One commit's changes. ``queue``: recipients were added or let go, so something may be due earlier than known. ``bodies``:
    there are contents that were not there before."""

    mailboxes: tuple[MailboxNotice, ...] = ()
    queue: bool = False
    bodies: bool = False


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


def payload_of(notice: MailboxNotice) -> dict[str, object]:
    """A notice under the topic ``mailbox``."""
    payload: dict[str, object] = {
        "mailbox_id": notice.mailbox_id,
        "account_id": notice.account_id,
        "mod_seq": notice.mod_seq,
    }
    if notice.names:
        payload["names"] = True
    return payload


def publish(bus: Bus, committed: Committed) -> None:
    """Puts all of it on the bus; on the loop's thread."""
    for notice in committed.mailboxes:
        bus.publish("mailbox", payload_of(notice))
    if committed.queue:
        bus.publish("queue", {})
    if committed.bodies:
        bus.publish("bodies", {})


class Interest:
    """What one process watches: mailboxes, accounts with all their mailboxes, the names of all mailboxes. Made and changed by
    one thread, asked by another."""

    __slots__ = ("_accounts", "_mailboxes", "_names")

    def __init__(self) -> None:
        self._mailboxes: set[int] = set()
        self._accounts: set[int] = set()
        self._names = False

    def change(self, kind: Watched, number: int, *, on: bool) -> None:
        """``number`` says nothing for ``names``."""
        if kind == "names":
            self._names = on
            return
        numbers = self._mailboxes if kind == "mailbox" else self._accounts
        (numbers.add if on else numbers.discard)(number)

    def all(self) -> list[tuple[Watched, int]]:
        """What is watched."""
        found: list[tuple[Watched, int]] = [("mailbox", number) for number in self._mailboxes]
        found += [("account", number) for number in self._accounts]
        return [*found, ("names", 0)] if self._names else found

    def wants(self, notice: MailboxNotice) -> bool:
        """Whether the notice is to be told."""
        if notice.mailbox_id in self._mailboxes or notice.account_id in self._accounts:
            return True
        return notice.names and self._names
