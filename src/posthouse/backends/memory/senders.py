"""Lists of senders in memory (interfaces/senders.py): both sides in one object."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from posthouse.backends.sender_checks import check_room
from posthouse.model.senders import EntryKind, ListOwner, SenderEntry, has_wildcard


class MemorySenders:
    """``SenderLists`` and ``SenderListsWriter``."""

    def __init__(self) -> None:
        self._entries: dict[ListOwner, dict[tuple[str, EntryKind], SenderEntry]] = {}

    async def having(self, owners: Sequence[ListOwner]) -> Sequence[ListOwner]:
        return [owner for owner in owners if self._entries.get(owner)]

    async def candidates(self, owner: ListOwner, keys: Collection[str]) -> Sequence[SenderEntry]:
        found = self._entries.get(owner, {})
        return [entry for (pattern, _), entry in sorted(found.items()) if pattern in keys or has_wildcard(pattern)]

    async def entries(
        self, owner: ListOwner, *, kind: EntryKind | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[SenderEntry]:
        found = [entry for _, entry in sorted(self._entries.get(owner, {}).items())]
        return [entry for entry in found if entry.pattern > after and kind in (None, entry.kind)][:limit]

    async def add(self, entries: Sequence[SenderEntry]) -> int:
        new = {(entry.owner, entry.pattern, entry.kind): entry for entry in entries}
        fresh = [entry for (owner, pattern, kind), entry in new.items() if (pattern, kind) not in self._entries.get(owner, {})]
        for owner in {entry.owner for entry in fresh}:
            kept = [*self._entries.get(owner, {}).values(), *(entry for entry in fresh if entry.owner == owner)]
            check_room(len(kept), sum(has_wildcard(entry.pattern) for entry in kept))
        for entry in fresh:
            self._entries.setdefault(entry.owner, {})[entry.pattern, entry.kind] = entry
        return len(fresh)

    async def remove(self, owner: ListOwner, kind: EntryKind | None, patterns: Collection[str]) -> int:
        found = self._entries.get(owner, {})
        gone = [key for key in found if key[0] in patterns and kind in (None, key[1])]
        for key in gone:
            del found[key]
        return len(gone)
