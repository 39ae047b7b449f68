"""How others tell a domain's own mail from forged mail: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 9989), BIMI. What is
published is read as receivers read it, and measured by what this node really does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from posthouse.checking.domain_desk import DomainDesk, split_tags
from posthouse.mailauth import bimi, dmarc_record
from posthouse.mailauth.dkim import keys as dkim_keys
from posthouse.mailauth.dkim import tags as dkim_tags
from posthouse.mailauth.dkim.keys import KeyProblem
from posthouse.mailauth.dmarc import Found, TreeWalks
from posthouse.mailauth.dmarc_record import Record
from posthouse.mailauth.spf import record as spf_record
from posthouse.mailauth.spf.check import Client, check_mail_from
from posthouse.mailauth.spf.errors import PermError
from posthouse.mailauth.spf.lookups import MAX_TERMS
from posthouse.model.finding import Finding, State
from posthouse.model.signing_key import SigningKey

NOBODY = ("192.0.2.255", "2001:db8:ffff::ff")
"""Addresses for documentation: what lets them send lets everybody send."""
DAY_S = 86_400.0
RETIRED_DAYS = 7
GOOD_RSA_BITS = 2048
_DMARC_VALUES = {
    "p": ("none", "quarantine", "reject"),
    "sp": ("none", "quarantine", "reject"),
    "np": ("none", "quarantine", "reject"),
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "t": ("y", "n"),
    "psd": ("y", "n", "u"),
}
_DMARC_OTHERS = ("v", "rua", "ruf", "fo", "pct", "ri", "rf")


async def check_spf(desk: DomainDesk) -> Sequence[Finding]:
    """One record, that can be read, that lets this node send and not everybody."""
    wanted = f'{desk.domain}. IN TXT "v=spf1 mx -all"'
    if not desk.site.smart_host and desk.site.host not in await desk.mail_hosts():
        wanted = _spf_line(desk, "v=spf1 mx -all")
    texts = [text for text in await desk.resolver.txt(desk.domain) if spf_record.is_record(text)]
    if not texts:
        return [desk.said("warning", "SPF: there is no record", f"Publish: {wanted}")]
    if len(texts) > 1:
        advice = f"Leave one, such as: {_spf_line(desk, max(texts, key=len))}"
        return [desk.said("wrong", f"SPF: there are {len(texts)} records, which counts as an error", advice)]
    [text] = texts
    sender = f"postmaster@{desk.domain}"
    open_to = [await check_mail_from(desk.resolver, Client(address, desk.site.host), sender) for address in NOBODY]
    problem = next((each for each in open_to if each.result == "permerror"), None)
    if problem is not None:
        what = f"more than {MAX_TERMS} look-ups" if problem.lookups > MAX_TERMS else problem.detail
        advice = f"Name networks (ip4:, ip6:) in place of include:, a and mx; the least would be: {wanted}"
        return [desk.said("wrong", f"SPF: {text} is an error for every receiver: {what}", advice)]
    found = _spf_terms(desk, text, everybody=any(each.result == "pass" for each in open_to))
    lookups = max(each.lookups for each in open_to)
    if lookups >= MAX_TERMS - 1:
        words = f"SPF: it takes {lookups} of the {MAX_TERMS} look-ups that are allowed"
        found.append(desk.said("note", words, "Name networks (ip4:, ip6:) in place of an include:, a or mx."))
    if desk.site.smart_host or not desk.site.addresses:
        return [desk.said("ok", f"SPF: {text}"), *found]
    for address in desk.site.addresses:
        result = await check_mail_from(desk.resolver, Client(address, desk.site.host), sender)
        if result.result == "pass":
            found.insert(0, desk.said("ok", f"SPF: {text} lets {address} send"))
        else:
            why = f" ({result.detail})" if result.detail else ""
            advice = f"Publish in its place: {_spf_line(desk, text, address)}"
            found.append(desk.said("wrong", f"SPF: {text} gives {result.result} for {address}{why}", advice))
    return found


def _spf_terms(desk: DomainDesk, text: str, *, everybody: bool) -> list[Finding]:
    """What is unwise in a record that can be read."""
    try:
        record = spf_record.parse(text)
    except PermError:
        return []
    strict = re.sub(r"(?i)(^| )[+?]?all(?= |$)", r"\1-all", text)
    replace = f'Publish in its place: {desk.domain}. IN TXT "{strict}"'
    found = []
    if everybody:
        found.append(desk.said("wrong", f"SPF: {text} lets everybody send in this name", replace))
    last = next((each for each in record.mechanisms if each.name == "all"), None)
    if last is None and record.redirect is None:
        advice = f'Publish in its place: {desk.domain}. IN TXT "{text.rstrip()} -all"'
        found.append(desk.said("warning", "SPF: the record does not end in -all, and forbids nothing", advice))
    elif last is not None and last.qualifier == "?":
        found.append(desk.said("warning", "SPF: ?all forbids nothing", replace))
    if any(each.name == "ptr" for each in record.mechanisms):
        found.append(desk.said("note", "SPF: receivers pass ptr over, or do not like it (RFC 7208 §5.5)", "Take it out."))
    return found


def _spf_line(desk: DomainDesk, text: str, more: str = "") -> str:
    """The record with an address before its ``all``; with the node's own if none is given."""
    terms = text.split()
    for address in [more] if more else desk.site.addresses:
        term = f"{'ip6' if ':' in address else 'ip4'}:{address}"
        place = next((at for at, each in enumerate(terms) if re.fullmatch(r"(?i)[+?~-]?all|redirect=.*", each)), len(terms))
        if term not in terms:
            terms.insert(place, term)
    return f'{desk.domain}. IN TXT "{" ".join(terms)}"'


async def check_dkim(desk: DomainDesk) -> Sequence[Finding]:
    """That what signs is published, and nothing else."""
    keys = await desk.keys.signing_keys(desk.domain)
    if not keys:
        advice = f"Make one: posthouse dkim add {desk.domain}"
        return [desk.said("warning", "DKIM: the domain has no key, its mail is not signed", advice)]
    found = []
    if not any(key.state == "active" for key in keys):
        advice = f"When its record is published: posthouse dkim rotate {desk.domain}"
        found.append(desk.said("warning", "DKIM: no key is in use, mail is not signed", advice))
    for key in keys:
        found.append(_published(desk, key, await desk.resolver.txt(key.record_name)))
    return found


def _published(desk: DomainDesk, key: SigningKey, texts: Sequence[str]) -> Finding:
    name = f"DKIM: {key.selector} ({key.state})"
    state: State = "wrong" if key.state == "active" else "note"
    publish = f"Publish: {key.zone_line}"
    days = (desk.now - key.changed_at) / DAY_S
    if key.state == "retired" and days > RETIRED_DAYS:
        if not texts:
            return desk.said("ok", f"{name} is no longer published")
        advice = f"Take {key.record_name} away, then: posthouse dkim delete {desk.domain} {key.selector}"
        return desk.said("note", f"{name} is still published {days:.0f} days after its end", advice)
    if not texts:
        return desk.said(state, f"{name} is not published", publish)
    if len(texts) > 1:
        return desk.said(
            state, f"{name} has {len(texts)} records, and receivers take any of them", f"Leave one: {key.zone_line}"
        )
    try:
        read = dkim_keys.read(texts[0])
    except KeyProblem as error:
        return desk.said(state, f"{name}: {error}", publish)
    if dkim_tags.folded(dict(split_tags(texts[0])).get("p", "")) != key.public_key:
        return desk.said(state, f"{name} is published with another key", publish)
    if read.testing:
        words = f"{name} is in test mode (t=y): receivers treat the mail as if it were not signed"
        return desk.said("warning", words, publish)
    if read.kind == "rsa" and read.bits < GOOD_RSA_BITS:
        advice = f"Make a longer one: posthouse dkim add {desk.domain}, publish it, then: posthouse dkim rotate {desk.domain}"
        return desk.said("note", f"{name} is published, and has {read.bits} bits alone", advice)
    return desk.said("ok", f"{name} is published")


async def check_dmarc(desk: DomainDesk) -> Sequence[Finding]:
    """The record, what is wrong in it, and whether its reports arrive."""
    name = f"_dmarc.{desk.domain}"
    texts = [text for text in await desk.resolver.txt(name) if re.match(r"(?i)\s*v\s*=\s*dmarc", text)]
    wanted = f'{name}. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@{desk.domain}"'
    if len(texts) > 1:
        return [desk.said("wrong", f"DMARC: there are {len(texts)} records, which counts as none", f"Leave one: {wanted}")]
    if not texts:
        walk = await TreeWalks(desk.resolver).of(desk.domain)
        above = dict(walk.records).get(walk.organizational)
        if above is not None:
            return [desk.said("ok", f"DMARC: the record of {walk.organizational} holds: {above.text}")]
        advice = f"Publish: {wanted}; and when SPF and DKIM pass, p=reject."
        return [desk.said("warning", "DMARC: there is no record", advice)]
    [text] = texts
    record = dmarc_record.choose(texts)
    if record is None:
        faults = "; ".join(_dmarc_faults(text)) or "its version or its policy cannot be read"
        return [desk.said("wrong", f"DMARC: the record cannot be used: {faults}", f"Publish: {wanted}")]
    found = [desk.said("warning", f"DMARC: {fault}", f"Publish it without, or: {wanted}") for fault in _dmarc_faults(text)]
    return [_dmarc_policy(desk, record), *found, *await _dmarc_reports(desk, record)]


def _dmarc_policy(desk: DomainDesk, record: Record) -> Finding:
    name = f"_dmarc.{desk.domain}"
    if record.policy == "none":
        stricter = re.sub(r"(?i)((?:^|;)\s*p\s*=\s*)none", r"\1quarantine", record.text)
        advice = f'When reports show that your own mail passes, publish: {name}. IN TXT "{stricter}"; later p=reject.'
        return desk.said("note", f"DMARC: {record.text}: others may send in this name", advice)
    if record.testing:
        advice = "When reports show that your own mail passes, take t=y (or pct=0) out."
        return desk.said("note", f"DMARC: {record.text}: in testing, it is followed one step milder", advice)
    if record.subdomains == "none":
        return desk.said("note", f"DMARC: {record.text}: others may send in the name of subdomains", "Take sp=none out.")
    return desk.said("ok", f"DMARC: {record.text}")


def _dmarc_faults(text: str) -> list[str]:
    """What receivers pass over, or read otherwise than it was meant."""
    faults, seen = [], set()
    for name, value in split_tags(text):
        if name in seen:
            faults.append(f"{name}= stands twice, and the first one counts")
        seen.add(name)
        allowed = _DMARC_VALUES.get(name)
        if allowed is not None and value.lower() not in allowed:
            faults.append(f"{name}={value} is none of {', '.join(allowed)}")
        elif name in ("rua", "ruf"):
            bad = [uri.strip() for uri in value.split(",") if not _is_mail_uri(uri.strip())]
            faults += [f"{name}={uri or '(nothing)'} is no mailto: address" for uri in bad]
        elif name == "fo" and not all(each.strip().lower() in ("0", "1", "d", "s") for each in value.split(":")):
            faults.append(f"fo={value} is none of 0, 1, d, s")
        elif name == "pct" and value != "100":
            faults.append(f"pct={value} no longer means a part of the mail (RFC 9989), but for 0: testing")
        elif allowed is None and name not in (*_DMARC_OTHERS,):
            faults.append(f"{name}= means nothing")
    if "p" not in seen:
        faults.append("there is no p=, so nothing is asked for")
    return faults


def _is_mail_uri(uri: str) -> bool:
    return re.fullmatch(r"(?i)mailto:[^@\s,;!]+@[^@\s,;!?]+(?:![0-9]+[kmgt]?)?(?:\?.*)?", uri) is not None


async def _dmarc_reports(desk: DomainDesk, record: Record) -> list[Finding]:
    """Whether reports can come to where they should (RFC 9990 §4)."""
    found: list[Finding] = []
    if not record.reports_to:
        advice = f'Publish: _dmarc.{desk.domain}. IN TXT "{record.text.rstrip("; ")}; rua=mailto:postmaster@{desk.domain}"'
        return [desk.said("note", "DMARC reports: nobody is asked for any (rua=)", advice)]
    walks = TreeWalks(desk.resolver)
    for uri in dict.fromkeys((*record.reports_to, *record.failures_to)):
        at = uri.partition("!")[0].partition("?")[0].rpartition("@")[2].lower()
        if not at or not _is_mail_uri(uri):
            continue
        if not (await desk.resolver.mx(at) or await desk.resolver.addresses(at)):
            found.append(
                desk.said("wrong", f"DMARC reports: none can go to {uri}: {at} takes no mail", "Name another address.")
            )
        elif at != desk.domain and _organization(await walks.of(at)) != _organization(await walks.of(desk.domain)):
            name = f"{desk.domain}._report._dmarc.{at}"
            if not any(re.match(r"(?i)\s*v\s*=\s*dmarc1", text) for text in await desk.resolver.txt(name)):
                words = f"DMARC reports: {at} does not say that it wants any about {desk.domain}, so it gets none"
                found.append(desk.said("wrong", words, f'Let {at} publish: {name}. IN TXT "v=DMARC1"'))
    return [*found, *desk.unread("DMARC reports", record.reports_to)]


def _organization(found: Found) -> str:
    return found.organizational


async def check_bimi(desk: DomainDesk) -> Sequence[Finding]:
    """Nothing for a domain that shows no picture."""
    name = f"default._bimi.{desk.domain}"
    texts = [text for text in await desk.resolver.txt(name) if re.match(r"(?i)v\s*=\s*bimi1", text)]
    if not texts:
        return []
    read = bimi.read(texts, desk.domain, "default")
    if read.result == "declined":
        return [desk.said("ok", "BIMI: the domain wants no picture shown")]
    if read.result != "pass":
        advice = f'Publish: {name}. IN TXT "v=BIMI1; l=https://{desk.domain}/logo.svg"'
        return [desk.said("wrong", f"BIMI: the record cannot be used: {read.detail}", advice)]
    walks = TreeWalks(desk.resolver)
    if not await bimi.is_shown_for(desk.domain, walks):
        advice = "Set DMARC to p=quarantine or p=reject, without sp=none, t=y or pct=."
        return [desk.said("warning", "BIMI: nobody shows the picture while DMARC asks for less", advice)]
    return [desk.said("ok", f"BIMI: {read.location}")]
