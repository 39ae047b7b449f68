"""The zones of block lists in memory (interfaces/blocklists.py)."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.base.errors import BadValue, NotFound
from posthouse.model.block_list import BlockListZone, checked_zone


class MemoryBlockListZones:
    """Both sides."""

    def __init__(self) -> None:
        self._zones: dict[str, BlockListZone] = {}

    async def zones(self) -> Sequence[BlockListZone]:
        return [self._zones[name] for name in sorted(self._zones)]

    async def put_zone(self, zone: BlockListZone) -> None:
        try:
            checked = checked_zone(zone)
        except ValueError as error:
            raise BadValue(str(error)) from None
        self._zones[checked.zone] = checked

    async def delete_zone(self, name: str) -> None:
        if self._zones.pop(name.lower().strip("."), None) is None:
            raise NotFound(f"no block list {name}")
