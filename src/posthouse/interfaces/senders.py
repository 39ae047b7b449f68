"""Lists of allowed and blocked senders and of allowed recipients, at rest (CON-12). Patterns come in normal form."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from posthouse.model.senders import EntryKind, ListOwner, SenderEntry


class SenderLists(Protocol):
    """Reading, in every process. Raises Temporary when it cannot be read."""

    async def having(self, owners: Sequence[ListOwner]) -> Sequence[ListOwner]:
        """Those of ``owners`` with any entry, in order: few of those who get mail. Cheap, as ``candidates`` is."""
        ...

    async def candidates(self, owner: ListOwner, keys: Collection[str]) -> Sequence[SenderEntry]:
        """The owner's entries whose pattern is one of ``keys``, and all that have wildcards. Cheap, however long the list is:
        asked for every recipient of every message."""
        ...

    async def entries(
        self, owner: ListOwner, *, kind: EntryKind | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[SenderEntry]:
        """In the order of patterns, then kinds; those behind the pattern ``after``."""
        ...


class SenderListsWriter(Protocol):
    """Writing. Durable when the call returns; raises Temporary."""

    async def add(self, entries: Sequence[SenderEntry]) -> int:
        """Gives how many were not there yet. Raises Permanent when a list would get too long (``model.senders``)."""
        ...

    async def remove(self, owner: ListOwner, kind: EntryKind | None, patterns: Collection[str]) -> int:
        """Gives how many went; ``kind`` None: of any kind."""
        ...
