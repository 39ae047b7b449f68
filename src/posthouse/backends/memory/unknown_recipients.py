"""Unknown recipients in memory, for tests (interfaces/unknown_recipients.py)."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.interfaces.unknown_recipients import UnknownRecipient


class MemoryUnknownRecipients:
    """``interfaces.unknown_recipients.UnknownRecipients``."""

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._known: dict[str, UnknownRecipient] = {}

    async def reply(self, address: str, at: float) -> str:
        known = self._known.get(address)
        return known.reply if known is not None and known.until > at else ""

    async def learn(self, address: str, reply: str, until: float) -> None:
        self._known.pop(address, None)
        if len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[address] = UnknownRecipient(address, reply, until)

    async def forget(self, address: str) -> bool:
        return self._known.pop(address, None) is not None

    async def listing(self, at: float, limit: int) -> Sequence[UnknownRecipient]:
        return sorted((each for each in self._known.values() if each.until > at), key=lambda each: each.address)[:limit]
