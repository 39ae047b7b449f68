"""Suppressed addresses in memory (interfaces/suppressions.py)."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.interfaces.suppressions import Suppression


class MemorySuppressions:
    def __init__(self) -> None:
        self._on: dict[str, Suppression] = {}
        self._failures: dict[str, list[float]] = {}

    async def suppressed(self, address: str) -> Suppression | None:
        return self._on.get(address.lower())

    async def listing(self, *, after: str = "", limit: int = 1000) -> Sequence[Suppression]:
        return [self._on[address] for address in sorted(self._on) if address > after][:limit]

    async def failed(self, address: str, reply: str, at: float, *, times: int, within_s: float) -> bool:
        key = address.lower()
        recent = [*(each for each in self._failures.get(key, ()) if each > at - within_s), at]
        self._failures[key] = recent
        if len(recent) < times or key in self._on:
            return False
        await self.suppress(key, reply, at)
        return True

    async def succeeded(self, address: str) -> None:
        self._failures.pop(address.lower(), None)

    async def suppress(self, address: str, why: str, at: float) -> None:
        self._on[address.lower()] = Suppression(address.lower(), why, at)

    async def allow(self, address: str) -> bool:
        self._failures.pop(address.lower(), None)
        return self._on.pop(address.lower(), None) is not None
