"""The local routing table: which host takes a domain's or one user's mail (RTE-1). The smart host is a setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue
from posthouse.model.route import NextHop, Route


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One entry as shown."""

    target: str
    next_hop: str


@operation("route add", role="administrator")
async def add(context: Context, target: str, next_hop: str) -> RouteRow:
    """Adds or replaces a route: mail for TARGET is accepted and handed to NEXT-HOP.

    Args:
        target: a domain, or a whole address for a single user.
        next_hop: host, host:port or lmtp://host:port, each with /required, /opportunistic or /off for TLS if wanted.
    """
    try:
        hop = NextHop.parse(next_hop)
    except ValueError as error:
        raise BadValue(str(error)) from None
    await context.routes_writer.put_route(Route(target, hop))
    return RouteRow(target.lower(), str(hop))


@operation("route list", role="reader", reads=True)
async def list_(context: Context) -> Sequence[RouteRow]:
    """Lists the routing table."""
    return [RouteRow(route.target, str(route.next_hop)) for route in await context.routes.routes()]


@operation("route delete", role="administrator")
async def delete(context: Context, target: str) -> None:
    """Deletes a route.

    Args:
        target: the domain or address.
    """
    await context.routes_writer.delete_route(target)
