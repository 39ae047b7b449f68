"""Certificates and clock (PLN-2)."""

from __future__ import annotations

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
