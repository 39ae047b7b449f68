"""DNS block lists: asking them, and which ones are asked (NET-5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from posthouse.model.block_list import BlockListZone, ListHit


class BlockLists(Protocol):
    """Asks all zones at once, each within its own time; what does not answer counts as not listing (open). Answers are kept for
    their TTL. Never raises."""

    async def any_for(self, about: Literal["address", "domain"]) -> bool:
        """Whether any list is asked about these at all. Cheap."""
        ...

    async def address(self, address: str) -> Sequence[ListHit]:
        """The lists that name an IPv4 or IPv6 address; nothing for what is none."""
        ...

    async def domain(self, *names: str) -> Sequence[ListHit]:
        """The lists that name one of these domains or hosts (of a sender, a greeting, a URL), or one of its parents down to two
        labels; each list once."""
        ...


class BlockListZones(Protocol):
    """Reading, in every process. Raises Temporary when it cannot be read."""

    async def zones(self) -> Sequence[BlockListZone]:
        """All, sorted by name, those switched off too. Cheap: the same object as long as nothing changed."""
        ...


class BlockListZonesWriter(Protocol):
    """Writing. Durable when the call returns."""

    async def put_zone(self, zone: BlockListZone) -> None:
        """Makes or replaces. Raises BadValue."""
        ...

    async def delete_zone(self, name: str) -> None:
        """Raises NotFound."""
        ...
