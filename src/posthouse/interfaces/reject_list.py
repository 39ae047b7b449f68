"""The reject list at rest (NET-3). Questions are cheap however long the list is: they are asked for every connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.reject import RejectEntry


class RejectList(Protocol):
    """Reading, in every process. Raises Temporary when it cannot be read."""

    async def network_of(self, address: str) -> RejectEntry | None:
        """The narrowest listed network that holds the address; None also for what is no address."""
        ...

    async def domain_of(self, name: str) -> RejectEntry | None:
        """The entry of the name itself, else of its nearest listed parent."""
        ...

    async def has_domains(self) -> bool:
        """Whether any domain is listed."""
        ...

    async def lies_above(self, name: str) -> bool:
        """Whether some listed domain lies below ``name`` (which need not be listed itself)."""
        ...

    async def serial(self) -> int:
        """Grows with every change; about the time of the last one, in seconds since 1970."""
        ...

    async def entries(self, *, pattern: str = "*", after: str = "", limit: int = 1000) -> Sequence[RejectEntry]:
        """In the order of their targets as text; those behind ``after``. ``pattern`` is a glob over the target."""
        ...


class RejectListWriter(Protocol):
    """Writing. Durable when the call returns."""

    async def add(self, entries: Sequence[RejectEntry]) -> int:
        """Makes or replaces; gives how many were not there yet."""
        ...

    async def remove(self, targets: Sequence[str]) -> int:
        """Targets in normal form; gives how many went."""
        ...
