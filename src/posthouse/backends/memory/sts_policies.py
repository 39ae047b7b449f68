"""MTA-STS policies in memory (interfaces/sts_policies.py)."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.interfaces.sts_policies import KeptPolicy


class MemoryStsPolicies:
    def __init__(self) -> None:
        self._kept: dict[str, KeptPolicy] = {}

    async def kept(self, domain: str) -> KeptPolicy | None:
        return self._kept.get(domain)

    async def in_force(self, now: float, limit: int) -> Sequence[tuple[str, KeptPolicy]]:
        found = [(name, each) for name, each in self._kept.items() if each.until > now]
        return sorted(found, key=lambda item: item[1].until)[:limit]

    async def keep(self, domain: str, kept: KeptPolicy) -> None:
        self._kept = {name: each for name, each in self._kept.items() if each.until >= kept.fetched_at}
        self._kept[domain] = kept
