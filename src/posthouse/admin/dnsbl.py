"""DNS block lists: the zones that are asked about strangers (NET-5)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound
from posthouse.model.block_list import DEFAULT_POINTS, BlockListZone, checked_zone


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """One zone."""

    zone: str
    about: str
    action: str
    points: float
    codes: tuple[str, ...]
    exempt: tuple[str, ...]
    on: bool


@dataclass(frozen=True, slots=True)
class HitRow:
    """One list that names what was asked for."""

    zone: str
    what: str
    code: str
    points: float
    action: str
    text: str


@operation("dnsbl add", role="administrator")
async def add(
    context: Context,
    zone: str,
    *,
    about: Literal["address", "domain", "both"] = "address",
    action: Literal["reject", "tag"] = "reject",
    points: float = DEFAULT_POINTS,
    codes: str = "",
    exempt: str = "",
    off: bool = False,
) -> ZoneRow:
    """Adds a DNS block list, or replaces its terms.

    Args:
        zone: the list's domain, as its keepers name it.
        about: what it lists: addresses of clients, domains (of senders, greetings and links), or both.
        action: refuse what is listed, or only tell it in a header field and in the spam score.
        points: what a listing is worth on the spam scale, where 50 is spam.
        codes: answers that count, 127.0.0.2 127.0.0.4-127.0.0.7 127.0.0.10=20 (with points of its own); none: all.
        exempt: networks, and domains with their subdomains, that are not looked up here.
        off: it is kept, but not asked.
    """
    wanted = BlockListZone(zone, about, action, points, _words(codes), _words(exempt), not off)
    try:
        checked = checked_zone(wanted)
    except ValueError as error:
        raise BadValue(str(error)) from None
    await context.lists.zones_writer.put_zone(checked)
    return _row(checked)


@operation("dnsbl set", role="administrator")
async def set_(
    context: Context,
    zone: str,
    *,
    about: Literal["address", "domain", "both"] | None = None,
    action: Literal["reject", "tag"] | None = None,
    points: float | None = None,
    codes: str | None = None,
    exempt: str | None = None,
    on: bool | None = None,
) -> ZoneRow:
    """Changes single terms of a DNS block list.

    Args:
        zone: the list's domain.
        about: what it lists.
        action: refuse, or tell.
        points: what a listing is worth.
        codes: answers that count; an empty word means all.
        exempt: networks and domains that are not looked up; an empty word means none.
        on: whether it is asked.
    """
    name = zone.lower().strip(".")
    before = next((each for each in await context.lists.zones.zones() if each.zone == name), None)
    if before is None:
        raise NotFound(f"no block list {name}")
    changed = replace(
        before,
        about=about or before.about,
        action=action or before.action,
        points=before.points if points is None else points,
        codes=before.codes if codes is None else _words(codes),
        exempt=before.exempt if exempt is None else _words(exempt),
        enabled=before.enabled if on is None else on,
    )
    await context.lists.zones_writer.put_zone(changed)
    return _row(checked_zone(changed))


@operation("dnsbl list", role="reader", reads=True)
async def list_(context: Context) -> Sequence[ZoneRow]:
    """Lists the DNS block lists that are asked."""
    return [_row(zone) for zone in await context.lists.zones.zones()]


@operation("dnsbl delete", role="administrator")
async def delete(context: Context, zone: str) -> None:
    """Deletes a DNS block list.

    Args:
        zone: the list's domain.
    """
    await context.lists.zones_writer.delete_zone(zone)


@operation("dnsbl test", role="reader", reads=True)
async def test(context: Context, what: str) -> Sequence[HitRow]:
    """Asks all DNS block lists about an address or a domain, and shows those that name it.

    Args:
        what: an IP address, or a host or domain name.
    """
    lists = context.lists.block_lists
    hits = await (lists.address(what) if _is_address(what) else lists.domain(what.rpartition("@")[2]))
    return [HitRow(hit.zone, hit.what, hit.code, hit.points, hit.action, hit.text) for hit in hits]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _row(zone: BlockListZone) -> ZoneRow:
    return ZoneRow(zone.zone, zone.about, zone.action, zone.points, zone.codes, zone.exempt, zone.enabled)
