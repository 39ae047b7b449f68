"""The reject list in memory (interfaces/reject_list.py)."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.base.glob import matches
from posthouse.model.networks import plain_ip
from posthouse.model.reject import RejectEntry, covering


class MemoryRejectList:
    """Both sides."""

    def __init__(self) -> None:
        self._entries: dict[str, RejectEntry] = {}
        self._serial = 1

    async def network_of(self, address: str) -> RejectEntry | None:
        ip = plain_ip(address)
        if ip is None:
            return None
        found = [
            (network.prefixlen, entry)
            for entry in self._entries.values()
            if (network := entry.network) is not None and network.version == ip.version and ip in network
        ]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    async def domain_of(self, name: str) -> RejectEntry | None:
        return next((self._entries[one] for one in covering(name) if one in self._entries), None)

    async def has_domains(self) -> bool:
        return any("/" not in target for target in self._entries)

    async def lies_above(self, name: str) -> bool:
        return any(target.endswith("." + name.lower().strip(".")) for target in self._entries if "/" not in target)

    async def serial(self) -> int:
        return self._serial

    async def entries(self, *, pattern: str = "*", after: str = "", limit: int = 1000) -> Sequence[RejectEntry]:
        return [self._entries[target] for target in sorted(self._entries) if target > after and matches(pattern, target)][
            :limit
        ]

    async def add(self, entries: Sequence[RejectEntry]) -> int:
        new = len({entry.target for entry in entries} - self._entries.keys())
        self._entries.update({entry.target: entry for entry in entries})
        self._serial += 1
        return new

    async def remove(self, targets: Sequence[str]) -> int:
        gone = [target for target in set(targets) if self._entries.pop(target, None) is not None]
        self._serial += 1
        return len(gone)
