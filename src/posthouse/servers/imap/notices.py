"""Change notices to sessions: one subscription on the bus for each process, handed on by mailbox (IMP-2).

A notice is only a hint; what changed is read from the store, and every command looks by itself.
"""

from __future__ import annotations

from typing import Protocol

from posthouse.interfaces.bus import Bus, Payload


class Watcher(Protocol):
    """A session with a selected mailbox."""

    def notice(self, mod_seq: int) -> None:
        """The mailbox has reached ``mod_seq`` (0: it was deleted). Must return at once."""
        ...


class Notices:
    """Who watches which mailbox."""

    def __init__(self, bus: Bus) -> None:
        self._watchers: dict[int, set[Watcher]] = {}
        self.unsubscribe = bus.subscribe("mailbox", self._heard)

    def watch(self, mailbox_id: int, watcher: Watcher) -> None:
        self._watchers.setdefault(mailbox_id, set()).add(watcher)

    def unwatch(self, mailbox_id: int, watcher: Watcher) -> None:
        watchers = self._watchers.get(mailbox_id)
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[mailbox_id]

    def _heard(self, payload: Payload) -> None:
        mailbox_id, mod_seq = payload.get("mailbox_id"), payload.get("mod_seq")
        if isinstance(mailbox_id, int):
            for watcher in tuple(self._watchers.get(mailbox_id, ())):
                watcher.notice(mod_seq if isinstance(mod_seq, int) else 0)
