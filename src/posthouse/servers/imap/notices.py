"""Change notices to sessions: one subscription on the bus for each process, handed on by mailbox and by account (IMP-2).

A notice is only a hint; what changed is read from the store, and every command looks by itself. The store is told what is
watched, and need not tell of anything else; a mailbox that nobody watches any more is let go at a tick only, since clients
come back to mailboxes that they have just left. Since notices can be lost, each watched mailbox is also looked at by and by, a
newly watched one within a second, and all of them when the bus says that something was dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol, TypeVar

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.interfaces.bus import Bus, Payload
from posthouse.interfaces.mailstore import MailReader

ROUND_S = 45.0
TICK_S = 1.0
_AT_ONCE = 50

_log = log.get("imap")
Member = TypeVar("Member")


class Watcher(Protocol):
    """A session with a selected mailbox."""

    def notice(self, mod_seq: int) -> None:
        """The mailbox has reached ``mod_seq`` (0: it was deleted). Must return at once; old news may come."""
        ...


class AccountWatcher(Protocol):
    """A session that wants to know of all of an account's mailboxes (NOTIFY)."""

    def account_notice(self, mailbox_id: int, account_id: int) -> None:
        """Something happened to this mailbox (0: to the account's names, or nobody knows). Must return at once."""
        ...

    def names_notice(self) -> None:
        """Some mailbox of the node is new, has another name or other rights. Must return at once."""
        ...


class Notices:
    """Who watches which mailbox. ``round_s`` is how long it takes at most until a lost notice is made up for."""

    def __init__(self, bus: Bus, store: MailReader, round_s: float = ROUND_S) -> None:
        self._store = store
        self._round_s = round_s
        self._watchers: dict[int, set[Watcher]] = {}
        self._account_watchers: dict[int, set[AccountWatcher]] = {}
        self._accounts_of: dict[AccountWatcher, Collection[int]] = {}
        self._names_watchers: set[AccountWatcher] = set()
        self._to_check: list[int] = []
        self._fresh: set[int] = set()
        self._left: set[int] = set()  # nobody watches them, the store still tells of them
        self._timer: asyncio.TimerHandle | None = None
        self._checking: asyncio.Task[None] | None = None
        self._unsubscribe = (bus.subscribe("mailbox", self._heard), bus.subscribe("lost", self._lost))

    def watch(self, mailbox_id: int, watcher: Watcher) -> None:
        watchers = self._watchers.get(mailbox_id)
        if watchers is None:
            watchers = self._watchers[mailbox_id] = set()
            if mailbox_id in self._left:
                self._left.discard(mailbox_id)
            else:
                self._store.want_notices("mailbox", mailbox_id, on=True)
            self._fresh.add(mailbox_id)
        watchers.add(watcher)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def unwatch(self, mailbox_id: int, watcher: Watcher) -> None:
        """The store is told at the next tick, if nobody has come back to the mailbox by then."""
        if _discard(self._watchers, mailbox_id, watcher):
            self._left.add(mailbox_id)

    def watch_accounts(self, account_ids: Collection[int], watcher: AccountWatcher, *, names: bool) -> None:
        """In place of what it watched before. ``names``: also what others may begin to show."""
        self.unwatch_accounts(watcher)
        self._accounts_of[watcher] = account_ids
        for account_id in account_ids:
            if account_id not in self._account_watchers:
                self._store.want_notices("account", account_id, on=True)
            self._account_watchers.setdefault(account_id, set()).add(watcher)
        if names:
            self._names_watchers.add(watcher)
            self._store.want_notices("names", 0, on=True)

    def unwatch_accounts(self, watcher: AccountWatcher) -> None:
        """Also if it watches none."""
        for account_id in self._accounts_of.pop(watcher, ()):
            if _discard(self._account_watchers, account_id, watcher):
                self._store.want_notices("account", account_id, on=False)
        if watcher in self._names_watchers:
            self._names_watchers.discard(watcher)
            if not self._names_watchers:
                self._store.want_notices("names", 0, on=False)

    def unsubscribe(self) -> None:
        """Leaves the bus."""
        for leave in self._unsubscribe:
            leave()

    async def check(self, mailbox_ids: list[int]) -> None:
        """Looks at mailboxes as if there had been a notice of each."""
        for number, mailbox_id in enumerate(mailbox_ids, 1):
            try:
                mod_seq = await self._store.mod_seq(mailbox_id)
            except MailError as error:
                _log.warning("could not look at a mailbox", cause=error.cause or str(error))
                return
            self._tell(mailbox_id, mod_seq)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def _heard(self, payload: Payload) -> None:
        mailbox_id, account_id, mod_seq = payload.get("mailbox_id"), payload.get("account_id"), payload.get("mod_seq")
        if isinstance(mailbox_id, int):
            self._tell(mailbox_id, mod_seq if isinstance(mod_seq, int) else 0)
            if isinstance(account_id, int):
                for watcher in tuple(self._account_watchers.get(account_id, ())):
                    watcher.account_notice(mailbox_id, account_id)
        if payload.get("names"):
            for watcher in tuple(self._names_watchers):
                watcher.names_notice()

    def _tell(self, mailbox_id: int, mod_seq: int) -> None:
        for watcher in tuple(self._watchers.get(mailbox_id, ())):
            watcher.notice(mod_seq)

    def _lost(self, _payload: Payload) -> None:
        for account_id, watchers in tuple(self._account_watchers.items()):
            for watcher in tuple(watchers):
                watcher.account_notice(0, account_id)
        self._to_check = []
        self._check_soon(list(self._watchers))

    def _tick(self) -> None:
        """Some of the watched mailboxes, so that all have had their turn after a round."""
        self._timer = None
        self._let_go()
        if not self._watchers:
            self._fresh.clear()
            return
        if not self._to_check and not self._fresh:
            self._to_check = list(self._watchers)
        count = int(len(self._watchers) * TICK_S / self._round_s) + 1
        due, self._to_check = self._to_check[-count:] + list(self._fresh), self._to_check[:-count]
        self._fresh.clear()
        self._check_soon([mailbox_id for mailbox_id in due if mailbox_id in self._watchers])
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _let_go(self) -> None:
        for mailbox_id in self._left:
            self._store.want_notices("mailbox", mailbox_id, on=False)
        self._left.clear()

    def _check_soon(self, mailbox_ids: list[int]) -> None:
        if self._checking is not None and not self._checking.done():
            self._to_check += mailbox_ids
            return
        self._checking = asyncio.get_running_loop().create_task(self.check(mailbox_ids))


def _discard(table: dict[int, set[Member]], key: int, member: Member) -> bool:
    """Whether it was the last one of its key."""
    members = table.get(key)
    if members is None:
        return False
    members.discard(member)
    if members:
        return False
    del table[key]
    return True
