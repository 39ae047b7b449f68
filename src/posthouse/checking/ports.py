"""Ports in and out (PLN-2): do the node's own answer, here and under its public address; can others be reached; do name servers
answer over UDP and TCP. Whether strangers can come in can be seen from outside alone, and the advice says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Sequence

from posthouse.base.errors import MailError
from posthouse.interfaces.probe import Probe
from posthouse.model.finding import Finding

SSH = 22
USUAL = {
    25: "mail of other hosts",
    465: "mail of users",
    587: "mail of users",
    143: "IMAP",
    993: "IMAP",
    110: "POP",
    995: "POP",
    443: "HTTPS",
    80: "HTTP",
    SSH: "SSH of this machine",
}
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - not bound, replaced


async def check_ports(
    probe: Probe, listeners: Sequence[tuple[str, str]], outgoing: Sequence[tuple[str, int]], addresses: Sequence[str] = ()
) -> list[Finding]:
    """``listeners`` are (service, ``address:port``) as the node has opened them; ``outgoing`` are hosts to reach; ``addresses``
    those of the node's name. All are tried side by side: many say nothing by themselves."""
    opened = [(service, where) for service, where in listeners if where.rpartition(":")[2].isdigit()]
    own = [_own_port(probe, service, where) for service, where in opened]
    public = [
        _public_port(probe, service, address, int(where.rpartition(":")[2]))
        for service, where in opened
        if where.rpartition(":")[0].strip("[]") in WILDCARDS
        for address in addresses
        if ipaddress.ip_address(address).is_global
    ]
    others = [_other_port(probe, host, number) for host, number in outgoing]
    found = list(await asyncio.gather(*own, *public, *others))
    if not outgoing:
        advice = "Name a host that takes mail: posthouse check port mx.example.org"
        found.append(Finding("port", "out", "note", "whether port 25 leads out was not tried", advice))
    return [*found, *await check_name_servers(probe), *(await _closed_ports(probe, listeners) if listeners else ())]


async def _closed_ports(probe: Probe, listeners: Sequence[tuple[str, str]]) -> list[Finding]:
    """A note about usual ports that the node has not opened, and SSH that the machine has not."""
    opened = {where.rpartition(":")[2] for _, where in listeners}
    with contextlib.suppress(MailError):
        await probe.greeting("127.0.0.1", SSH)
        opened.add(str(SSH))
    missing = [f"{port} ({what})" for port, what in USUAL.items() if str(port) not in opened]
    if not missing:
        return []
    advice = "Open in [listen] of node.toml what you use, or let a balancer lead it here; others need 25 to bring mail."
    return [Finding("port", "in", "note", f"usual ports that this node has not opened: {', '.join(missing)}", advice)]


async def check_name_servers(probe: Probe) -> list[Finding]:
    """Port 53: without TCP large answers do not come, such as keys and signatures."""
    found = []
    for server, by_udp, by_tcp in await probe.name_servers():
        subject = server if ":" in server else f"{server}:53"
        if by_udp and by_tcp:
            found.append(Finding("port", subject, "ok", "the name server answers over UDP and TCP"))
        elif by_udp or by_tcp:
            word = "TCP" if by_udp else "UDP"
            words = f"the name server does not answer over {word}"
            found.append(Finding("port", subject, "warning", words, f"Open port 53 ({word}) to it, or name another in [dns]."))
        else:
            advice = "Name one in [dns] of node.toml that can be reached (port 53)."
            found.append(Finding("port", subject, "wrong", "the name server does not answer", advice))
    return found


async def _own_port(probe: Probe, service: str, where: str) -> Finding:
    host, _, port = where.rpartition(":")
    host = host.strip("[]")
    try:
        await probe.greeting(WILDCARDS.get(host, host), int(port))
    except MailError as error:
        advice = "Look at the node's log; does another program hold the port?"
        return Finding("port", where, "wrong", f"{service} does not answer: {error.cause}", advice)
    return Finding("port", where, "ok", f"{service} answers")


async def _public_port(probe: Probe, service: str, address: str, port: int) -> Finding:
    subject = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    try:
        await probe.greeting(address, port)
    except MailError:
        advice = f"Some networks do not lead back in. Look from outside: nc -vz {address} {port}; else open it in the firewall."
        return Finding("port", subject, "unknown", f"{service} cannot be reached under the public address from here", advice)
    return Finding("port", subject, "ok", f"{service} answers under the public address")


async def _other_port(probe: Probe, host: str, number: int) -> Finding:
    subject = f"{host}:{number}"
    try:
        said = await probe.greeting(host, number)
    except MailError as error:
        advice = "Many networks block port 25 going out: ask yours to open it, or set route.smart_host."
        return Finding("port", subject, "wrong", f"cannot be reached: {error.cause}", advice)
    return Finding("port", subject, "ok", f"can be reached: {said[:100]}")
