"""``check``: is the node in order, and does the world see it as it should (PLN-2)? ``posthouse check`` alone runs all.

What connects to hosts that the caller names is for administrators: it shows what a network answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.admin.arguments import DomainName
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, Permanent
from posthouse.checking.desk import CheckDesk
from posthouse.checking.directory import check_directories
from posthouse.checking.disk import check_disk
from posthouse.checking.domain import check_domain
from posthouse.checking.domain_desk import DomainDesk, Site
from posthouse.checking.host import check_host
from posthouse.checking.ports import check_ports
from posthouse.checking.reputation import ADDRESS_ZONES, check_reputation
from posthouse.checking.surroundings import check_certificates, check_clock
from posthouse.formats.mta_sts import own_policy
from posthouse.interfaces.probe import ServedTls
from posthouse.model.finding import Finding
from posthouse.model.route import NextHop

TIME_SERVER = "pool.ntp.org"
SMTP_PORT = 25
SIDE_BY_SIDE = 8
"""Domains that are looked at at a time."""
_MARKS = {"ok": "  ok   ", "note": "  note ", "warning": "WARNING", "wrong": " WRONG ", "unknown": "UNKNOWN"}


@dataclass(frozen=True, slots=True)
class Checked:
    """All findings, in the order of looking."""

    findings: tuple[Finding, ...]

    @property
    def complaint(self) -> str:
        """One line for standard error; "" when nothing is wrong."""
        wrong = sum(each.state == "wrong" for each in self.findings)
        return f"{wrong} thing{'s' if wrong != 1 else ''} to put right" if wrong else ""

    def told(self) -> str:
        """A line each, and what to do below it."""
        lines = []
        for each in self.findings:
            lines.append(f"{_MARKS[each.state]}  {each.area} {each.subject}: {each.found}")
            if each.advice and each.state != "ok":
                lines.append(f"           {each.advice}")
        return "\n".join(lines)


@operation("check all", role="administrator", reads=True)
async def all_(context: Context, hosts: tuple[str, ...] = (), *, time_server: str = TIME_SERVER) -> Checked:
    """Checks everything: the host's name, every domain's records, reputation, certificates, ports, directories, clock, disk.

    Args:
        hosts: hosts (or host:port; 25 without a port) that must be reachable; without any, the smart host if there is one.
        time_server: the NTP server to compare the clock with, as host or host:port.
    """
    _begun(context)
    found = await _host(context)
    served: dict[str, ServedTls | str] = {}
    some = asyncio.Semaphore(SIDE_BY_SIDE)

    async def of(name: str) -> list[Finding]:
        async with some:
            return await _domain(context, name, served)

    for part in await asyncio.gather(*(of(entry.name) for entry in await context.directory.domains())):
        found += part
    found += await _reputation(context, ADDRESS_ZONES)
    found += await _certificates(context)
    found += await _ports(context, hosts)
    found += await _directories(context)
    found += await check_clock(_desk(context).probe, time_server)
    found += await check_disk(_desk(context).probe)
    return Checked(tuple(found))


@operation("check host", role="reader", reads=True)
async def host(context: Context) -> Checked:
    """Checks the node's name in DNS: its addresses, and their names back."""
    _begun(context)
    return Checked(tuple(await _host(context)))


@operation("check domain", role="reader", scope="domain", reads=True)
async def domain(context: Context, name: DomainName) -> Checked:
    """Checks a domain's records in DNS, its MTA-STS policy and the TLS of its mail hosts, and says what to publish.

    Args:
        name: name of the domain.
    """
    context.require_domain(name)
    _begun(context)
    return Checked(tuple(await _domain(context, name, {})))


@operation("check reputation", role="reader", reads=True)
async def reputation(context: Context, zones: tuple[str, ...] = ADDRESS_ZONES) -> Checked:
    """Asks block lists of others whether the node's addresses are listed, and a list of domains about all domains here.

    Args:
        zones: block lists of addresses to ask.
    """
    _begun(context)
    return Checked(tuple(await _reputation(context, zones)))


@operation("check certificate", role="reader", reads=True)
async def certificate(context: Context) -> Checked:
    """Checks the certificates in use: their names, how long they hold, who vouches for them."""
    return Checked(tuple(await _certificates(context)))


@operation("check port", role="administrator", reads=True)
async def port(context: Context, hosts: tuple[str, ...] = ()) -> Checked:
    """Checks that the node's own ports answer, and that other hosts and the name servers can be reached.

    Args:
        hosts: hosts (or host:port; 25 without a port) that must be reachable; without any, the smart host if there is one.
    """
    return Checked(tuple(await _ports(context, hosts)))


@operation("check directory", role="administrator", reads=True)
async def directory(context: Context) -> Checked:
    """Checks that each server of the outside directories can be reached, takes our login, and has what is looked through."""
    return Checked(tuple(await _directories(context)))


@operation("check clock", role="administrator", reads=True)
async def clock(context: Context, *, time_server: str = TIME_SERVER) -> Checked:
    """Compares the node's clock with a time server.

    Args:
        time_server: the NTP server, as host or host:port.
    """
    return Checked(tuple(await check_clock(_desk(context).probe, time_server)))


@operation("check disk", role="reader", reads=True)
async def disk(context: Context) -> Checked:
    """Checks that the data folder's disk keeps what it has promised: fsync, locks, room."""
    return Checked(tuple(await check_disk(_desk(context).probe)))


async def _host(context: Context) -> list[Finding]:
    found, _ = await check_host(_desk(context).resolver, await _host_name(context))
    return list(found)


async def _domain(context: Context, name: str, served: dict[str, ServedTls | str]) -> list[Finding]:
    desk, own = _desk(context), await _host_name(context)
    _, addresses = await check_host(desk.resolver, own)
    settings = await context.configuration.load()
    tls = settings.tls
    policy = own_policy(tls.sts_mode, tls.sts_hosts or (own,), int(tls.sts_max_age_s))
    site = Site(own, addresses, settings.route.smart_host, settings.reports.addresses, policy)
    now = context.clock.now()
    return await check_domain(DomainDesk(desk.resolver, context.signing_keys, desk.probe, desk.web, site, name, now, served))


async def _reputation(context: Context, zones: Sequence[str]) -> list[Finding]:
    resolver = _desk(context).resolver
    _, addresses = await check_host(resolver, await _host_name(context))
    domains = [entry.name for entry in await context.directory.domains()]
    return await check_reputation(resolver, addresses, domains, zones)


async def _certificates(context: Context) -> list[Finding]:
    rows = [(each.names, each.issuer, each.not_after, each.source) for each in await context.node.certificates()]
    return check_certificates(rows, await _host_name(context), context.clock.now())


async def _ports(context: Context, hosts: tuple[str, ...]) -> list[Finding]:
    status = await context.node.status()
    smart_host = (await context.configuration.load()).route.smart_host
    wanted = hosts or ((smart_host,) if smart_host else ())
    outgoing = [_host_port(text) for text in wanted]
    _, addresses = await check_host(_desk(context).resolver, await _host_name(context))
    return await check_ports(_desk(context).probe, status.listeners, outgoing, addresses)


async def _directories(context: Context) -> list[Finding]:
    return await check_directories(context.ldap.tries, context.ldap.servers.servers()) if context.ldap is not None else []


def _desk(context: Context) -> CheckDesk:
    if context.checks is None:
        raise Permanent("Checks need a node", enhanced="5.3.0")
    return context.checks


def _begun(context: Context) -> CheckDesk:
    """For a check that looks anew."""
    desk = _desk(context)
    desk.forget()
    return desk


async def _host_name(context: Context) -> str:
    settings = await context.configuration.load()
    return (settings.smtp.hostname or _desk(context).node_name).lower()


def _host_port(text: str) -> tuple[str, int]:
    try:
        hop = NextHop.parse_with_login(text)
    except ValueError:
        raise BadValue(f"hosts: {text!r} is not host or host:port") from None
    return hop.host, hop.port or SMTP_PORT
