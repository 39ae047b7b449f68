"""The inbox behind one POP3 session: locked, read once at login, changed once at QUIT (RFC 1939 §4, §6).

The protocol's side of it (numbers, marks of deletion) is ``protocols.pop3.maildrop``; here are the store's. Messages that
other sessions add meanwhile are not seen, and those that they remove are missed only when they are asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from posthouse.base.errors import NotFound, Temporary
from posthouse.interfaces.locks import Locks
from posthouse.interfaces.mailstore import MailStore
from posthouse.model.mailbox import INBOX
from posthouse.protocols.pop3.maildrop import Entry

LOCK_TRIES = 5
LOCK_RETRY_S = 0.1


class Locked(Temporary):
    """Another session has the inbox: ``[IN-USE]`` (RFC 2449 §8.1.2)."""

    def __init__(self) -> None:
        super().__init__("The mailbox is in use by another session")


class Lock:
    """One session at a time for an account, on the whole node. A lock that is taken is tried again for half a second: clients
    whose connection broke come back at once."""

    __slots__ = ("_held", "_locks", "_sleep")

    def __init__(self, locks: Locks, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._locks = locks
        self._sleep = sleep
        self._held = 0

    async def acquire(self, account_id: int) -> None:
        """Raises Locked."""
        for tried in range(LOCK_TRIES):
            if tried:
                await self._sleep(LOCK_RETRY_S)
            if self._locks.acquire(account_id):
                self._held = account_id
                return
        raise Locked

    def release(self) -> None:
        """Also if it is not held."""
        if self._held:
            self._locks.release(self._held)
            self._held = 0


class Inbox:
    """What ``open_inbox`` read. Indexes count from 0, as the protocol core's."""

    __slots__ = ("_bodies", "_mailbox_id", "_seen", "_store", "_uids", "entries")

    def __init__(self, store: MailStore, mailbox_id: int) -> None:
        self._store = store
        self._mailbox_id = mailbox_id
        self._uids: list[int] = []
        self._bodies: list[int] = []
        self._seen: set[int] = set()
        self.entries: list[Entry] = []

    async def load(self) -> None:
        """Numbers, sizes and unique-ids: ``uidvalidity.uid``, the same for as long as IMAP's are (RFC 1939 §7)."""
        info = await self._store.mailbox_by_id(self._mailbox_id)
        if info is None:
            raise NotFound("The mailbox does not exist")
        for size in await self._store.sizes(self._mailbox_id):
            self._uids.append(size.uid)
            self._bodies.append(size.body_id)
            self.entries.append(Entry(size.size_bytes, f"{info.uid_validity}.{size.uid}"))

    async def content(self, index: int, *, seen: bool) -> bytes:
        """The whole message; ``seen``: it becomes \\Seen at the update. Raises NotFound if it was removed elsewhere."""
        content = await self._store.content(self._bodies[index])
        if seen:
            self._seen.add(self._uids[index])
        return content

    async def update(self, deleted: Sequence[int]) -> None:
        """QUIT: removes these messages, and no others that happen to be \\Deleted, and marks what was read, all at once and
        durably."""
        doomed = [self._uids[index] for index in deleted]
        seen = sorted(self._seen.difference(doomed))
        if doomed or seen:
            await self._store.settle(self._mailbox_id, doomed, seen)


async def open_inbox(store: MailStore, account_id: int) -> Inbox:
    """The account's INBOX at this moment. Raises NotFound, Temporary."""
    mailbox = await store.mailbox(account_id, INBOX)
    if mailbox is None:
        raise NotFound("The mailbox does not exist")
    inbox = Inbox(store, mailbox.mailbox_id)
    await inbox.load()
    return inbox
