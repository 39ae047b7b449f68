"""A domain's records for mail: MX, SPF, DKIM, DMARC, MTA-STS, TLS reports, TLSA (PLN-2, OUT-8). Says what to publish."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from posthouse.base.errors import MailError
from posthouse.formats import mta_sts
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.signing_keys import SigningKeys
from posthouse.mailauth import dmarc_record
from posthouse.mailauth.spf.check import Client, check_mail_from
from posthouse.model.finding import Finding, State


@dataclass(frozen=True, slots=True)
class Site:
    """``host`` is the node's name, ``addresses`` those that it has; ``smart_host`` takes its mail out if set."""

    host: str
    addresses: Sequence[str]
    smart_host: str = ""


class DomainCheck:
    """All checks of one domain."""

    def __init__(self, resolver: Resolver, keys: SigningKeys, site: Site, domain: str) -> None:
        self._resolver = resolver
        self._keys = keys
        self._site = site
        self._domain = domain

    async def run(self) -> list[Finding]:
        """In the order in which one would set a domain up."""
        checks: tuple[Callable[[], Awaitable[Sequence[Finding]]], ...] = (
            self.mx,
            self.spf,
            self.dkim,
            self.dmarc,
            self.sts,
            self.tlsa,
        )
        found: list[Finding] = []
        for check in checks:
            try:
                found += await check()
            except MailError as error:
                found.append(self._said("unknown", f"{check.__name__.upper()}: DNS does not answer: {error.cause}"))
        return found

    def _said(self, state: State, found: str, advice: str = "") -> Finding:
        return Finding("domain", self._domain, state, found, advice)

    async def mx(self) -> Sequence[Finding]:
        wanted = f"{self._domain}. IN MX 10 {self._site.host}."
        records = await self._resolver.mx(self._domain)
        if not records:
            return [self._said("wrong", "MX: there is none", f"Publish: {wanted}")]
        hosts = [record.host for record in records]
        if hosts == ["."]:
            return [self._said("wrong", "MX: the domain says that it takes no mail (null MX)", f"Publish: {wanted}")]
        found = [self._said("ok", f"MX: {', '.join(hosts)}")]
        if self._site.host not in hosts:
            advice = f"Unless mail comes by way of those hosts, publish: {wanted}"
            found = [self._said("warning", f"MX: {', '.join(hosts)}, not this node ({self._site.host})", advice)]
        for host in hosts:
            if alias := await self._resolver.cname(host):
                advice = f"Let it name {alias}: hosts need not follow an alias there (RFC 2181 §10.3, RFC 5321 §5.1)."
                found.append(self._said("wrong", f"MX: {host} is an alias (CNAME) of {alias}", advice))
            if not await self._resolver.addresses(host):
                found.append(self._said("wrong", f"MX: {host} has no address", "Publish one, or take the record away."))
        return found

    async def spf(self) -> Sequence[Finding]:
        addresses = self._site.addresses
        wanted = f'{self._domain}. IN TXT "v=spf1 mx -all"'
        texts = [text for text in await self._resolver.txt(self._domain) if text.lower().startswith("v=spf1")]
        if not texts:
            return [self._said("warning", "SPF: there is no record", f"Publish: {wanted}")]
        if len(texts) > 1:
            return [self._said("wrong", f"SPF: there are {len(texts)} records, which counts as an error", "Leave one.")]
        if self._site.smart_host or not addresses:
            return [self._said("ok", f"SPF: {texts[0]}")]
        found = []
        for address in addresses:
            result = await check_mail_from(self._resolver, Client(address, self._site.host), f"postmaster@{self._domain}")
            if result.result == "pass":
                found.append(self._said("ok", f"SPF: {texts[0]} lets {address} send"))
            else:
                kind = "ip6" if ":" in address else "ip4"
                why = f" ({result.detail})" if result.detail else ""
                advice = f"Add {kind}:{address} to the record, before its 'all'."
                found.append(self._said("wrong", f"SPF: {texts[0]} gives {result.result} for {address}{why}", advice))
        return found

    async def dkim(self) -> Sequence[Finding]:
        keys = await self._keys.signing_keys(self._domain)
        if not keys:
            advice = f"Make one: posthouse dkim add {self._domain}"
            return [self._said("warning", "DKIM: the domain has no key, its mail is not signed", advice)]
        found = []
        if not any(key.state == "active" for key in keys):
            advice = f"When its record is published: posthouse dkim rotate {self._domain}"
            found.append(self._said("warning", "DKIM: no key is in use, mail is not signed", advice))
        for key in keys:
            texts = await self._resolver.txt(key.record_name)
            if _same_record(texts, key.record):
                found.append(self._said("ok", f"DKIM: {key.selector} ({key.state}) is published"))
                continue
            state: State = "wrong" if key.state == "active" else "note"
            what = "is published with another key" if texts else "is not published"
            found.append(self._said(state, f"DKIM: {key.selector} ({key.state}) {what}", f"Publish: {key.zone_line}"))
        return found

    async def dmarc(self) -> Sequence[Finding]:
        name = f"_dmarc.{self._domain}"
        texts = [text for text in await self._resolver.txt(name) if text.lower().startswith("v=dmarc1")]
        record = dmarc_record.choose(texts)
        if record is None:
            wanted = f'{name}. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@{self._domain}"'
            what = "there is no record" if not texts else "the record cannot be used"
            return [self._said("warning", f"DMARC: {what}", f"Publish: {wanted}; and when SPF and DKIM pass, p=reject.")]
        if record.policy == "none":
            advice = "When reports show that your own mail passes, set p=quarantine or p=reject."
            return [self._said("note", f"DMARC: {record.text}: others may send in this name", advice)]
        return [self._said("ok", f"DMARC: {record.text}")]

    async def sts(self) -> Sequence[Finding]:
        if not mta_sts.record_id(await self._resolver.txt(f"_mta-sts.{self._domain}")):
            advice = (
                f'To keep others to TLS, publish a policy at https://mta-sts.{self._domain}/ and _mta-sts."v=STSv1; id=..."'
            )
            return [self._said("note", "MTA-STS: there is no policy", advice)]
        host = f"mta-sts.{self._domain}"
        if not await self._resolver.addresses(host):
            return [self._said("wrong", f"MTA-STS: it is announced, and {host} has no address", "Publish one.")]
        return [self._said("ok", "MTA-STS: a policy is announced")]

    async def tlsa(self) -> Sequence[Finding]:
        name = f"_25._tcp.{self._site.host}"
        records = await self._resolver.tlsa(name)
        if not records:
            return [self._said("note", f"TLSA: {name} has no record (DANE)")]
        if not await self._resolver.authentic(name, "TLSA"):
            advice = "Sign the zone with DNSSEC; or, if it is signed, ask a name server that validates."
            return [self._said("warning", f"TLSA: the records of {name} were not validated", advice)]
        if not any(record.is_usable for record in records):
            return [self._said("wrong", f"TLSA: {name} has no record that mail can rely on", "Publish one with usage 3 or 2.")]
        return [self._said("ok", f"TLSA: {name} has {len(records)} record{'s' if len(records) > 1 else ''}")]


def _same_record(texts: Sequence[str], wanted: str) -> bool:
    key = _tag(wanted, "p")
    return any(_tag(text, "p") == key for text in texts)


def _tag(text: str, name: str) -> str:
    for part in text.split(";"):
        key, _, value = part.partition("=")
        if key.strip() == name:
            return "".join(value.split())
    return ""
