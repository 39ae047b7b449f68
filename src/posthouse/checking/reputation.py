"""Whether block lists that others ask name this node's addresses or domains (PLN-2; RFC 5782): then its mail is refused.

Before a list's silence is taken for a good word it must know its own test entry, since many lists answer nothing, or something
else, to resolvers that they do not serve.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

from posthouse.base.errors import MailError
from posthouse.interfaces.resolver import Resolver
from posthouse.model.block_list import reversed_address
from posthouse.model.finding import Finding, State

ADDRESS_ZONES = ("zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com")
DOMAIN_ZONES = ("dbl.spamhaus.org",)
TEST_ENTRY = "2.0.0.127"
_OWN_RESOLVER = "Ask through a resolver of your own."
_LISTED = ipaddress.IPv4Network("127.0.0.0/8")
_REFUSED = ipaddress.IPv4Network("127.255.255.0/24")
"""What lists answer to resolvers that they do not serve."""


async def check_reputation(
    resolver: Resolver,
    addresses: Sequence[str],
    domains: Sequence[str],
    zones: Sequence[str] = ADDRESS_ZONES,
    domain_zones: Sequence[str] = DOMAIN_ZONES,
) -> list[Finding]:
    """Asks all lists about all of them, side by side."""
    public = [each for each in addresses if not ipaddress.ip_address(each).is_private]
    questions = [_address(resolver, zone, public) for zone in zones]
    questions += [_domain(resolver, zone, domains) for zone in domain_zones]
    found = [each for part in await asyncio.gather(*questions) for each in part]
    if not public:
        words = "no public address to ask block lists about"
        found.insert(0, _said(", ".join(addresses) or "the node", "note", words))
    return found


async def _address(resolver: Resolver, zone: str, addresses: Sequence[str]) -> list[Finding]:
    if not addresses:
        return []
    try:
        if _state(await resolver.a(f"{TEST_ENTRY}.{zone}")) != "listed":
            return [
                _said(zone, "unknown", "the list does not answer this node's resolver", "Ask through a resolver of your own.")
            ]
    except MailError as error:
        return [_said(zone, "unknown", f"DNS does not answer: {error.cause}")]
    return [await _one(resolver, zone, address, f"{reversed_address(address)}.{zone}") for address in addresses]


async def _domain(resolver: Resolver, zone: str, domains: Sequence[str]) -> list[Finding]:
    return [await _one(resolver, zone, domain, f"{domain}.{zone}") for domain in domains]


async def _one(resolver: Resolver, zone: str, subject: str, name: str) -> Finding:
    try:
        state = _state(await resolver.a(name))
        if state == "not":
            return _said(subject, "ok", f"not listed by {zone}")
        if state == "refused":
            return _said(subject, "unknown", f"{zone} does not answer this node's resolver", _OWN_RESOLVER)
        why = next(iter(await resolver.txt(name)), "it does not say why")[:200]
    except MailError as error:
        return _said(subject, "unknown", f"{zone} does not answer: {error.cause}")
    advice = "Find out what was sent (account list, queue list), end it, then ask the list to take the entry away."
    return _said(subject, "wrong", f"listed by {zone}: {why}", advice)


def _state(answers: Sequence[str]) -> str:
    """``listed``, ``not``, or ``refused`` for what is no answer about the question."""
    if not answers:
        return "not"
    found = [ipaddress.IPv4Address(answer) for answer in answers]
    return "listed" if any(each in _LISTED and each not in _REFUSED for each in found) else "refused"


def _said(subject: str, state: State, found: str, advice: str = "") -> Finding:
    return Finding("reputation", subject, state, found, advice)
