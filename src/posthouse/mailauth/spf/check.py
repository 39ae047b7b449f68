"""The function ``check_host`` (RFC 7208 §4): may this client send mail in the name of this domain?

Two identities are checked, HELO and MAIL FROM (§2.3, §2.4). DNS comes in through the resolver; the verdict is the caller's.
Failing: no answer from DNS gives ``temperror``, broken records ``permerror``; neither refuses anything by itself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from posthouse.interfaces.resolver import Resolver
from posthouse.mailauth.spf.errors import PermError, TempError
from posthouse.mailauth.spf.lookups import Lookups
from posthouse.mailauth.spf.macros import Template, domain_name, read
from posthouse.mailauth.spf.record import Mechanism, Record, is_record, parse
from posthouse.model.mail_authentication import Identity, Result, SpfResult
from posthouse.model.networks import plain_ip

RESULTS: Mapping[str, Result] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
MAX_EXPLANATION = 512

_LABEL = re.compile(r"[^.\x00-\x20\x7f-\U0010ffff]{1,63}")


@dataclass(frozen=True, slots=True)
class Client:
    """Who sends: ``address`` is an IP address, ``helo`` what it called itself; ``receiver`` is this host's name."""

    address: str
    helo: str
    receiver: str = "unknown"
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """``record`` and ``domain`` are where the deciding term stands."""

    result: Result
    domain: str
    record: Record | None = None
    mechanism: str = ""


async def check_helo(resolver: Resolver, client: Client) -> SpfResult:
    """SPF of the HELO identity (RFC 7208 §2.3)."""
    return await _check(resolver, client, "helo", client.helo, f"postmaster@{client.helo}")


async def check_mail_from(resolver: Resolver, client: Client, sender: str) -> SpfResult:
    """SPF of MAIL FROM; of postmaster at HELO for the null sender (RFC 7208 §2.4). ``sender`` without angle brackets."""
    if not sender:
        return await check_helo(resolver, client)
    local, _, domain = sender.rpartition("@")
    return await _check(resolver, client, "mailfrom", domain, f"{local or 'postmaster'}@{domain}")


async def _check(resolver: Resolver, client: Client, identity: Identity, domain: str, sender: str) -> SpfResult:
    ip = plain_ip(client.address)
    if ip is None or not _is_domain(domain):
        return SpfResult("none", identity, domain, sender, detail=f"{domain[:80]!r} is no domain that could have a record")
    check = _Check(resolver, client, ip, sender)
    try:
        outcome = await check.host(domain)
        explanation = await check.explain(outcome) if outcome.result == "fail" else ""
    except PermError as error:
        return SpfResult("permerror", identity, domain, sender, detail=str(error), lookups=check.lookups.terms)
    except TempError as error:
        return SpfResult("temperror", identity, domain, sender, detail=str(error), lookups=check.lookups.terms)
    detail = _told(outcome, str(ip), domain)
    return SpfResult(
        outcome.result,
        identity,
        domain,
        sender,
        mechanism=outcome.mechanism,
        record_domain=outcome.domain if outcome.record else "",
        explanation=explanation,
        detail=detail,
        lookups=check.lookups.terms,
    )


def _told(outcome: _Outcome, address: str, domain: str) -> str:
    if outcome.result == "none":
        return f"{domain} publishes no SPF record"
    if not outcome.mechanism:
        return f"no term of {outcome.domain} speaks of {address}"
    where = "" if outcome.domain == domain else f" of {outcome.domain}"
    return f"{address} matches {outcome.mechanism[:200]}{where}"


class _Check:
    """One run of ``check_host`` with what it carries along."""

    def __init__(
        self, resolver: Resolver, client: Client, ip: ipaddress.IPv4Address | ipaddress.IPv6Address, sender: str
    ) -> None:
        self._client = client
        self._ip = ip
        self._sender = sender
        self.lookups = Lookups(resolver, str(ip))

    async def host(self, domain: str) -> _Outcome:
        """RFC 7208 §4.3 to §4.7. Raises PermError, TempError."""
        record = await self._record(domain)
        if record is None:
            return _Outcome("none", domain)
        for mechanism in record.mechanisms:
            if await self._matches(mechanism, domain):
                return _Outcome(RESULTS[mechanism.qualifier], domain, record, mechanism.text)
        if record.redirect is None:
            return _Outcome("neutral", domain, record)
        self.lookups.count_term()
        target = await self._name(record.redirect, domain)
        outcome = await self.host(target)
        if outcome.result == "none":
            raise PermError(f"redirect={target} leads to no record")
        return outcome

    async def explain(self, outcome: _Outcome) -> str:
        """The publisher's words, "" if there are none or they are not usable (RFC 7208 §6.2)."""
        if outcome.record is None or outcome.record.explanation is None:
            return ""
        try:
            name = await self._name(outcome.record.explanation, outcome.domain)
            texts = await self.lookups.texts(name)
            if len(texts) != 1:
                return ""
            template = read(texts[0], explanation=True)
            words = template.fill(await self._values(template, outcome.domain))
        except (PermError, TempError):
            return ""
        return words[:MAX_EXPLANATION] if words.isascii() and words.isprintable() else ""

    async def _record(self, domain: str) -> Record | None:
        if not _is_domain(domain):
            return None
        found = [text for text in await self.lookups.texts(domain) if is_record(text)]
        if len(found) > 1:
            raise PermError(f"{domain} has {len(found)} SPF records")
        return parse(found[0]) if found else None

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.name == "all":
            return True
        if mechanism.network is not None:
            return mechanism.network.version == self._ip.version and self._ip in mechanism.network
        self.lookups.count_term()
        target = domain if mechanism.domain is None else await self._name(mechanism.domain, domain)
        if mechanism.name == "include":
            return await self._included(target)
        if mechanism.name == "exists":
            return await self.lookups.has_a(target)
        if mechanism.name == "ptr":
            return any(_is_within(name, target) for name in await self.lookups.validated_names())
        hosts = [target]
        if mechanism.name == "mx":
            hosts = [entry.host for entry in await self.lookups.mail_hosts(target) if entry.host != "."]
        for host in hosts:
            if self._is_one_of(await self.lookups.addresses(host), mechanism):
                return True
        return False

    async def _included(self, target: str) -> bool:
        result = (await self.host(target)).result
        if result == "none":
            raise PermError(f"include:{target} leads to no record")
        return result == "pass"

    def _is_one_of(self, addresses: object, mechanism: Mechanism) -> bool:
        bits = mechanism.v4_bits if self._ip.version == 4 else mechanism.v6_bits
        shift = self._ip.max_prefixlen - bits
        mine = int(self._ip) >> shift
        assert isinstance(addresses, (list, tuple))
        for address in addresses:
            ip = plain_ip(address)
            if ip is not None and ip.version == self._ip.version and int(ip) >> shift == mine:
                return True
        return False

    async def _name(self, template: Template, domain: str) -> str:
        if not template.letters:
            return domain_name(template.fill({}))
        return domain_name(template.fill(await self._values(template, domain)))

    async def _values(self, template: Template, domain: str) -> dict[str, str]:
        """What the macro letters stand for (RFC 7208 §7.2)."""
        local, _, sender_domain = self._sender.rpartition("@")
        six = self._ip.version == 6
        values = {
            "s": self._sender,
            "l": local,
            "o": sender_domain,
            "d": domain,
            "i": ".".join(self._ip.exploded.replace(":", "").upper()) if six else str(self._ip),
            "v": "ip6" if six else "in-addr",
            "h": self._client.helo,
            "c": str(self._ip),
            "r": self._client.receiver,
            "t": str(int(self._client.now)),
        }
        if "p" in template.letters:
            values["p"] = await self._validated_name(domain)
        return values

    async def _validated_name(self, domain: str) -> str:
        """The best of the client's names: the domain itself, one below it, any, or ``unknown``."""
        names = await self.lookups.validated_names()
        same = [name for name in names if name == domain.lower()]
        below = [name for name in names if _is_within(name, domain)]
        return (same or below or list(names) or ["unknown"])[0]


def _is_within(name: str, domain: str) -> bool:
    name, domain = name.lower(), domain.lower()
    return name == domain or name.endswith("." + domain)


def _is_domain(name: str) -> bool:
    """Whether a record can be there at all: two labels or more, each of 1 to 63 octets (RFC 7208 §4.3)."""
    labels = (name[:-1] if name.endswith(".") else name).split(".")
    return len(labels) > 1 and len(name) <= 254 and not name.startswith("[") and all(map(_LABEL.fullmatch, labels))
