"""Certificates, ports and clock (PLN-2)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from posthouse.base.errors import MailError
from posthouse.interfaces.probe import Probe
from posthouse.model.finding import Finding

DAY_S = 86_400.0
SOON_DAYS = 14
TIME_OFF_S = 1.0
TIME_WRONG_S = 60.0


def check_certificates(certificates: Sequence[tuple[Sequence[str], str, float, str]], host: str, now: float) -> list[Finding]:
    """``certificates`` as (names, issuer, end, source)."""
    found = []
    for names, _, not_after, source in certificates:
        subject = names[0] if names else source
        days = int((not_after - now) // DAY_S)
        if days < 0:
            found.append(Finding("certificate", subject, "wrong", "it has ended", "Put a new one in its place."))
        elif days < SOON_DAYS:
            found.append(Finding("certificate", subject, "warning", f"it ends in {days} days", "Renew it now."))
        elif source == "self-made":
            advice = "Mail programs and other hosts will not trust it: set tls.certificate to one of an authority."
            found.append(Finding("certificate", subject, "warning", "it is self-made", advice))
        else:
            found.append(Finding("certificate", subject, "ok", f"it holds for {days} days"))
    if not any(_covers(name, host) for names, *_ in certificates for name in names):
        advice = f"Get a certificate for {host}, or set smtp.hostname to a name that one has."
        found.append(Finding("certificate", host, "wrong", "no certificate has this name", advice))
    return found


async def check_ports(probe: Probe, listeners: Sequence[tuple[str, str]], outgoing: Sequence[tuple[str, int]]) -> list[Finding]:
    """``listeners`` are (service, ``address:port``) as the node has opened them; ``outgoing`` are hosts to reach. All are tried
    side by side: many say nothing by themselves."""
    own = [_own_port(probe, service, where) for service, where in listeners if where.rpartition(":")[2].isdigit()]
    others = [_other_port(probe, host, number) for host, number in outgoing]
    return list(await asyncio.gather(*own, *others))


async def _own_port(probe: Probe, service: str, where: str) -> Finding:
    host, _, port = where.rpartition(":")
    host = host.strip("[]")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - not bound, replaced
    try:
        await probe.greeting(host, int(port))
    except MailError as error:
        advice = "Look at the node's log; does another program hold the port?"
        return Finding("port", where, "wrong", f"{service} does not answer: {error.cause}", advice)
    return Finding("port", where, "ok", f"{service} answers")


async def _other_port(probe: Probe, host: str, number: int) -> Finding:
    subject = f"{host}:{number}"
    try:
        said = await probe.greeting(host, number)
    except MailError as error:
        advice = "Many networks block port 25 going out: ask yours to open it, or set route.smart_host."
        return Finding("port", subject, "wrong", f"cannot be reached: {error.cause}", advice)
    return Finding("port", subject, "ok", f"can be reached: {said[:100]}")


async def check_clock(probe: Probe, server: str) -> list[Finding]:
    """Certificates, DKIM, TOTP and retries go by the clock."""
    try:
        offset_s = await probe.clock_offset(server)
    except MailError as error:
        advice = "Name a time server that can be reached (UDP port 123), and run chrony or systemd-timesyncd."
        return [Finding("clock", server, "unknown", f"the time server does not answer: {error.cause}", advice)]
    words = f"the clock is {abs(offset_s):.3f} s {'ahead' if offset_s > 0 else 'behind'}"
    if abs(offset_s) < TIME_OFF_S:
        return [Finding("clock", server, "ok", words)]
    advice = "Run chrony or systemd-timesyncd."
    return [Finding("clock", server, "wrong" if abs(offset_s) >= TIME_WRONG_S else "warning", words, advice)]


def _covers(name: str, host: str) -> bool:
    return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:])
