"""The local routing table (RTE-1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.address import Address
from posthouse.model.route import NextHop, Route


class Routes(Protocol):
    async def route(self, address: Address) -> NextHop | None:
        """The next hop for an address: its own entry first, then its domain's; None if neither is there."""
        ...

    async def rest(self, domain: str) -> NextHop | None:
        """The next hop for the addresses of a local domain that are not here (the target ``*@domain``)."""
        ...

    async def names(self, address: Address) -> bool:
        """Whether the address has an entry of its own."""
        ...

    async def routes(self) -> Sequence[Route]:
        """All, sorted by target."""
        ...


class RoutesWriter(Protocol):
    async def put_route(self, route: Route) -> None:
        """Makes or replaces. Raises BadValue."""
        ...

    async def delete_route(self, target: str) -> None:
        """Raises NotFound."""
        ...
