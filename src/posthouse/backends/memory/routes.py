"""The routing table in memory (interfaces/routes.py)."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.backends.directory_checks import checked_route_target
from posthouse.base.errors import NotFound
from posthouse.model.address import Address
from posthouse.model.route import NextHop, Route


class MemoryRoutes:
    """Both sides."""

    def __init__(self) -> None:
        self._table: dict[str, NextHop] = {}

    async def route(self, address: Address) -> NextHop | None:
        return self._table.get(address.key) or self._table.get(address.domain)

    async def rest(self, domain: str) -> NextHop | None:
        return self._table.get(f"*@{domain}")

    async def names(self, address: Address) -> bool:
        return address.key in self._table

    async def routes(self) -> Sequence[Route]:
        return [Route(target, hop) for target, hop in sorted(self._table.items())]

    async def put_route(self, route: Route) -> None:
        self._table[checked_route_target(route.target)] = route.next_hop

    async def delete_route(self, target: str) -> None:
        normal = checked_route_target(target)
        if self._table.pop(normal, None) is None:
            raise NotFound(f"no route for {normal}")
