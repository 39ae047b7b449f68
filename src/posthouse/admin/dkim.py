"""Keys that mail is signed with, and the DNS records to publish for them (OUT-8).

A key's way: ``add`` makes it (next), its record is published, ``rotate`` takes it into use (active) and retires the one
before; ``delete`` removes a retired one when no mail signed with it is on its way any more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from posthouse.admin.arguments import DomainName
from posthouse.admin.context import Context
from posthouse.admin.operation import operation
from posthouse.base.errors import BadValue, NotFound, Permanent
from posthouse.mailauth.dkim.generate import generate
from posthouse.model.address import normal_domain
from posthouse.model.signing_key import Algorithm, KeyState, SigningKey

BITS = (1024, 2048, 3072, 4096)
ALGORITHMS: dict[str, Algorithm] = {"rsa": "rsa-sha256", "ed25519": "ed25519-sha256"}


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key as listed."""

    domain: str
    selector: str
    algorithm: str
    state: str
    since: str


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One key with the record to publish; ``zone_line`` goes into a zone file as it is."""

    domain: str
    selector: str
    state: str
    name: str
    type: str
    text: str
    zone_line: str


def _row(key: SigningKey) -> KeyRow:
    since = time.strftime("%Y-%m-%d", time.gmtime(key.changed_at))
    return KeyRow(key.domain, key.selector, key.algorithm, key.state, since)


def _record(key: SigningKey) -> RecordRow:
    return RecordRow(key.domain, key.selector, key.state, key.record_name, "TXT", key.record, key.zone_line)


@operation("dkim add", role="domain-administrator", scope="domain")
async def add(
    context: Context,
    domain: DomainName,
    *,
    selector: str = "",
    algorithm: Literal["rsa", "ed25519"] = "rsa",
    bits: int = 2048,
) -> RecordRow:
    """Makes a signing key for a domain and shows the DNS record to publish. It is used from the next 'dkim rotate' on.

    Args:
        domain: name of the domain.
        selector: the key's name in DNS; without one, today's date.
        algorithm: rsa, or ed25519 beside it for receivers that know it.
        bits: size of an RSA key: 1024, 2048, 3072 or 4096.
    """
    context.require_domain(domain)
    if bits not in BITS:
        raise BadValue(f"bits: one of {', '.join(map(str, BITS))}")
    name = selector.lower() or time.strftime("s%Y%m%d", time.gmtime(context.clock.now())) + "e" * (algorithm == "ed25519")
    try:
        normal_domain(name)
    except ValueError:
        raise BadValue(f"selector: {selector!r} cannot stand in DNS") from None
    private, public = await asyncio.to_thread(generate, ALGORITHMS[algorithm], bits)
    key = SigningKey(domain, name, ALGORITHMS[algorithm], "next", public, context.clock.now(), private)
    await context.signing_keys_writer.add_signing_key(key)
    return _record(key)


@operation("dkim list", role="reader", scope="domain", reads=True)
async def list_(context: Context, domain: DomainName | None = None) -> Sequence[KeyRow]:
    """Lists signing keys with their states: next, active, retired.

    Args:
        domain: name of the domain; without one, all of them.
    """
    wanted = domain or context.listed_domain
    if wanted:
        context.require_domain(wanted)
    return [_row(key) for key in await context.signing_keys.signing_keys(wanted)]


@operation("dkim show", role="reader", scope="domain", reads=True)
async def show(context: Context, domain: DomainName) -> Sequence[RecordRow]:
    """Shows the DNS records that must be published for a domain's keys, retired ones too.

    Args:
        domain: name of the domain.
    """
    context.require_domain(domain)
    return [_record(key) for key in await context.signing_keys.signing_keys(domain)]


@operation("dkim rotate", role="domain-administrator", scope="domain")
async def rotate(context: Context, domain: DomainName) -> Sequence[KeyRow]:
    """Takes a domain's next keys into use, and retires the active ones of the same kind. Publish their records before.

    Args:
        domain: name of the domain.
    """
    context.require_domain(domain)
    keys = await context.signing_keys.signing_keys(domain)
    coming = {key.algorithm for key in keys if key.state == "next"}
    if not coming:
        raise Permanent(f"{domain} has no next key; make one with 'dkim add {domain}' and publish its record", enhanced="5.3.0")
    states: list[tuple[str, KeyState]] = []
    for key in keys:
        if key.state == "next":
            states.append((key.selector, "active"))
        elif key.state == "active" and key.algorithm in coming:
            states.append((key.selector, "retired"))
    await context.signing_keys_writer.change_signing_keys(domain, states, at=context.clock.now())
    return [_row(key) for key in await context.signing_keys.signing_keys(domain)]


@operation("dkim retire", role="domain-administrator", scope="domain")
async def retire(context: Context, domain: DomainName, selector: str) -> KeyRow:
    """Stops signing with a key, without another in its place.

    Args:
        domain: name of the domain.
        selector: the key's name.
    """
    context.require_domain(domain)
    key = await _key(context, domain, selector)
    await context.signing_keys_writer.change_signing_keys(domain, [(key.selector, "retired")], at=context.clock.now())
    return _row(await _key(context, domain, selector))


@operation("dkim delete", role="domain-administrator", scope="domain")
async def delete(context: Context, domain: DomainName, selector: str) -> None:
    """Deletes a key that is not in use. Its record may leave DNS when no mail signed with it is on its way any more.

    Args:
        domain: name of the domain.
        selector: the key's name.
    """
    context.require_domain(domain)
    key = await _key(context, domain, selector)
    if key.state == "active":
        raise Permanent(f"{key.selector} is in use; 'dkim rotate' or 'dkim retire' first", enhanced="5.3.0")
    await context.signing_keys_writer.delete_signing_key(domain, key.selector)


async def _key(context: Context, domain: str, selector: str) -> SigningKey:
    for key in await context.signing_keys.signing_keys(domain):
        if key.selector == selector.lower():
            return key
    raise NotFound(f"{domain} has no key {selector}")
