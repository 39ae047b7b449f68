"""The node's name in DNS: its addresses, and their names back (RFC 5321 §4.1.4, RFC 1912 §2.1). Other hosts refuse mail from
one whose name and address do not agree.
"""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.base.errors import MailError
from posthouse.interfaces.resolver import Resolver
from posthouse.model.finding import Finding


async def check_host(resolver: Resolver, name: str) -> tuple[Sequence[Finding], Sequence[str]]:
    """What is found, and the addresses that the name has."""
    try:
        addresses = list(await resolver.addresses(name))
    except MailError as error:
        return [Finding("host", name, "unknown", f"DNS does not answer: {error.cause}", "Look at [dns] in node.toml.")], []
    if not addresses:
        advice = f"Publish an A record (and an AAAA one) for {name}, or set smtp.hostname to the name that has one."
        return [Finding("host", name, "wrong", "the name has no address", advice)], []
    found = [Finding("host", name, "ok", f"has the address{'es' if len(addresses) > 1 else ''} {', '.join(addresses)}")]
    found += await _alias(resolver, name)
    for address in addresses:
        found.append(await _named_back(resolver, name, address))
    return found, addresses


async def _alias(resolver: Resolver, name: str) -> Sequence[Finding]:
    """A greeting gives the name itself, not an alias of it (RFC 5321 §2.3.5)."""
    try:
        alias = await resolver.cname(name)
    except MailError:
        return ()
    advice = f"Give {name} addresses of its own, or set smtp.hostname to {alias}."
    return (Finding("host", name, "warning", f"it is an alias (CNAME) of {alias}", advice),) if alias else ()


async def _named_back(resolver: Resolver, name: str, address: str) -> Finding:
    try:
        names = [each.lower() for each in await resolver.ptr(address)]
    except MailError as error:
        return Finding("host", address, "unknown", f"DNS does not answer: {error.cause}")
    if name.lower() in names:
        return Finding("host", address, "ok", f"its name (PTR) is {name}")
    advice = f"Ask whoever gave you {address} to set its PTR record to {name}; many hosts refuse mail otherwise."
    if not names:
        return Finding("host", address, "wrong", "it has no name (PTR)", advice)
    return Finding("host", address, "warning", f"its name (PTR) is {', '.join(names[:3])}, not {name}", advice)
