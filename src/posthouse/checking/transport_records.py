"""How a domain keeps others to TLS: MTA-STS (RFC 8461), TLSA (DANE, RFC 7672), TLSRPT (RFC 8460); and whether its mail hosts do
what it promises. What is promised and not done loses mail; so each is tried as another mail host would.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from posthouse.base.errors import MailError
from posthouse.checking.domain_desk import DomainDesk, split_tags, tlsa_name
from posthouse.formats import mta_sts
from posthouse.formats.mta_sts import BadPolicy, StsPolicy
from posthouse.formats.tls_report import report_uris
from posthouse.interfaces.probe import ServedTls
from posthouse.interfaces.web_fetch import NotAsked
from posthouse.model.finding import Finding, State
from posthouse.model.tls_policy import Tlsa

PATH = "/.well-known/mta-sts.txt"
DAY_S = 86_400
SHORT_S = 7 * DAY_S
USUAL_S = 28 * DAY_S
SOON_DAYS = 14


async def check_sts(desk: DomainDesk) -> Sequence[Finding]:
    """The record, the policy, the hosts that it names, and what they show."""
    domain = desk.domain
    hosts = await desk.mail_hosts()
    texts = [text for text in await desk.resolver.txt(f"_mta-sts.{domain}") if text.lower().startswith("v=sts")]
    record = f'_mta-sts.{domain}. IN TXT "v=STSv1; id={_new_id(desk)}"'
    file = _file(desk.site.policy or StsPolicy("testing", tuple(hosts or [desk.site.host]), USUAL_S))
    where = f"https://mta-sts.{domain}{PATH}"
    if not texts:
        advice = f"To keep others to TLS, serve at {where} the lines {file}; and publish: {record}"
        if desk.site.policy is None:
            advice += " (The node serves it itself after: posthouse setting set tls.sts_mode testing)"
        return [desk.said("note", "MTA-STS: there is no policy", advice)]
    if len(texts) > 1:
        return [desk.said("wrong", f"MTA-STS: there are {len(texts)} records, which counts as none", f"Leave one: {record}")]
    if not mta_sts.record_id(texts):
        return [desk.said("wrong", f"MTA-STS: {texts[0]!r} is no record with a version and an id", f"Publish: {record}")]
    host = f"mta-sts.{domain}"
    if not await desk.resolver.addresses(host):
        address = next(iter(desk.site.addresses), "ADDRESS")
        line = f"{host}. IN {'AAAA' if ':' in address else 'A'} {address}"
        return [desk.said("wrong", f"MTA-STS: it is announced, and {host} has no address", f"Publish: {line}")]
    try:
        policy = mta_sts.parse(await desk.web.get(host, PATH, limit_bytes=mta_sts.MAX_POLICY_BYTES))
    except NotAsked as error:
        advice = f"Look from outside, whether {where} gives it."
        return [desk.said("unknown", f"MTA-STS: the policy could not be asked for: {error.cause}", advice)]
    except MailError as error:
        advice = f"Serve it at {where} without a redirect, with a certificate for {host} that others trust."
        return [desk.said("wrong", f"MTA-STS: the policy cannot be fetched: {error.cause or error.public}", advice)]
    except BadPolicy as error:
        return [desk.said("wrong", f"MTA-STS: the policy cannot be used: {error}", f"Serve at {where} the lines {file}")]
    served = desk.site.policy
    old: list[Finding] = []
    if served is not None and served == policy and mta_sts.record_id(texts) != mta_sts.policy_id(policy):
        words = "MTA-STS: the id is not that of the policy served; who kept an older one does not hear of it"
        old = [desk.said("note", words, f"Publish: {record}")]
    return [*_policy(desk, policy, hosts, record), *old, *await _sts_hosts(desk, policy, hosts)]


def _policy(desk: DomainDesk, policy: StsPolicy, hosts: Sequence[str], record: str) -> list[Finding]:
    """What the policy says by itself."""
    bad: State = "wrong" if policy.mode == "enforce" else "warning"
    if policy.mode == "none":
        advice = f"Serve one with mode: testing, then enforce, and publish a new id: {record}"
        return [desk.said("note", "MTA-STS: the policy asks for nothing (mode: none)", advice)]
    found = [desk.said("ok", f"MTA-STS: the policy is announced and served, mode {policy.mode}")]
    if policy.mode == "testing":
        file = _file(StsPolicy("enforce", policy.hosts, max(policy.max_age_s, SHORT_S)))
        advice = f"When TLS reports show no failure, serve {file}; and publish a new id: {record}"
        found = [desk.said("note", "MTA-STS: the policy is in testing, it keeps nobody to TLS", advice)]
    for host in hosts:
        if not policy.covers(host):
            file = _file(StsPolicy(policy.mode, (*policy.hosts, host), policy.max_age_s))
            advice = f"Serve {file}; and publish a new id: {record}"
            loss = "mail to it waits, then fails" if policy.mode == "enforce" else "reports tell of failures"
            found.append(desk.said(bad, f"MTA-STS: the policy does not name the MX host {host}: {loss}", advice))
    for pattern in policy.hosts:
        if not any(StsPolicy(policy.mode, (pattern,), 0).covers(host) for host in hosts):
            advice = f"Take the line 'mx: {pattern}' out, unless that host is about to come."
            found.append(desk.said("note", f"MTA-STS: the policy names {pattern}, which is no MX host", advice))
    if policy.max_age_s < SHORT_S:
        state: State = "warning" if policy.max_age_s < DAY_S else "note"
        words = f"MTA-STS: max_age is {policy.max_age_s} s: others forget the policy, and an attacker only has to wait"
        advice = f"Serve {_file(StsPolicy(policy.mode, policy.hosts, USUAL_S))}; and publish a new id: {record}"
        found.append(desk.said(state, words, advice))
    return found


async def _sts_hosts(desk: DomainDesk, policy: StsPolicy, hosts: Sequence[str]) -> list[Finding]:
    """What the hosts that the policy names do."""
    found: list[Finding] = []
    if policy.mode == "none":
        return found
    bad: State = "wrong" if policy.mode == "enforce" else "warning"
    for host in (host for host in hosts if policy.covers(host)):
        served = await desk.tls_of(host)
        if isinstance(served, str):
            found.append(desk.said("unknown", f"MTA-STS: {host} could not be asked for TLS: {served}"))
        elif problem := _no_tls(served) or served.untrusted:
            advice = f"Give {host} a certificate with this name from an authority that others trust: tls.certificate."
            found.append(desk.said(bad, f"MTA-STS: {host} does not do what the policy promises: {problem}", advice))
        else:
            found.append(desk.said("ok", f"MTA-STS: {host} shows a certificate that holds"))
    return found


async def check_tlsa(desk: DomainDesk) -> Sequence[Finding]:
    """TLSA records of all MX hosts, of the node itself if there are none."""
    found: list[Finding] = []
    for host in await desk.mail_hosts() or [desk.site.host]:
        found += await _tlsa_of(desk, host)
    return found


async def _tlsa_of(desk: DomainDesk, host: str) -> list[Finding]:
    name = tlsa_name(host)
    records = list(await desk.resolver.tlsa(name))
    signed = await desk.resolver.authentic(host, "A") or await desk.resolver.authentic(host, "AAAA")
    if not records:
        return [await _no_records(desk, host, signed=signed)]
    if not await desk.resolver.authentic(name, "TLSA"):
        advice = "Sign the zone with DNSSEC; or, if it is signed, ask a name server that validates."
        return [desk.said("warning", f"TLSA: the records of {name} were not validated", advice)]
    found = []
    if not await desk.resolver.authentic(desk.domain, "MX"):
        words = f"TLSA: the records of {name} are of no use to {desk.domain}, whose MX record was not validated"
        found.append(desk.said("warning", words, f"Sign the zone of {desk.domain} with DNSSEC."))
    served = await desk.tls_of(host)
    line = _line(name, served)
    for each in records:
        if problem := _unusable(each):
            found.append(desk.said("warning", f"TLSA: {name} has '{each}', {problem}", f"Publish in its place: {line}"))
    if not any(each.is_usable for each in records):
        found.append(desk.said("wrong", f"TLSA: {name} has no record that mail can rely on", f"Publish: {line}"))
        return found
    if isinstance(served, str):
        found.append(desk.said("unknown", f"TLSA: {host} could not be asked for TLS: {served}"))
        return found
    if problem := _no_tls(served) or served.unproven:
        advice = f"Publish beside the others: {line}"
        if not served.offered:
            advice = f"Offer STARTTLS on port 25 of {host}, or take the records away."
        found.append(desk.said("wrong", f"TLSA: {host} does not prove itself, and mail does not arrive: {problem}", advice))
        return found
    return [*found, *_in_force(desk, host, records, served)]


def _in_force(desk: DomainDesk, host: str, records: Sequence[Tlsa], served: ServedTls) -> list[Finding]:
    """About records of which one matches: what will be when the certificate changes."""
    name = tlsa_name(host)
    shown = ", ".join(_short(each) for each in served.matching)
    found = [desk.said("ok", f"TLSA: {host} shows what {name} promises ({shown})")]
    for each in records:
        if each.is_usable and each not in served.matching:
            words = f"TLSA: '{_short(each)}' at {name} does not match the certificate shown"
            advice = "Leave it if it is of a certificate to come; take it away if that is gone."
            found.append(desk.said("note", words, advice))
    if all(each.usage == 3 and each.selector == 0 for each in served.matching):
        words = f"TLSA: {name} names the whole certificate, and breaks with each renewal"
        found.append(desk.said("note", words, f"Publish one for its key: {_line(name, served)}"))
    days = int((served.not_after - desk.now) // DAY_S)
    if days < SOON_DAYS and len(served.matching) == len([each for each in records if each.is_usable]):
        words = f"TLSA: the certificate of {host} ends in {days} days, and no record is there for another"
        advice = (
            f"Keep the key at its renewal; or publish a second record {name}. IN TLSA 3 1 1 DIGEST-OF-THE-NEW-KEY, "
            "wait for twice the time to live, then change the certificate, then take the old record away."
        )
        found.append(desk.said("note", words, advice))
    return found


async def _no_records(desk: DomainDesk, host: str, *, signed: bool) -> Finding:
    name = tlsa_name(host)
    words = f"TLSA: {name} has no record (DANE)"
    if not signed:
        return desk.said("note", words, f"It would need DNSSEC first: sign the zone of {host}.")
    served = await desk.tls_of(host)
    if isinstance(served, str) or _no_tls(served):
        advice = f"When {host} has TLS on port 25, publish the digest of its key: {_line(name, served)}"
        return desk.said("note", words, advice)
    return desk.said("note", words, f"Publish: {_line(name, served)}")


async def check_tls_reports(desk: DomainDesk) -> Sequence[Finding]:
    """Where others tell of TLS that failed."""
    name, own = f"_smtp._tls.{desk.domain}", f"mailto:postmaster@{desk.domain}"
    wanted = f'{name}. IN TXT "v=TLSRPTv1; rua={own}"'
    texts = [text for text in await desk.resolver.txt(name) if text.lower().startswith("v=tlsrpt")]
    if not texts:
        return [desk.said("note", "TLS-RPT: nobody is asked to tell of TLS that fails", f"Publish: {wanted}")]
    if len(texts) > 1:
        return [desk.said("wrong", f"TLS-RPT: there are {len(texts)} records, which counts as none", f"Leave one: {wanted}")]
    uris = report_uris(texts)
    if not uris:
        words = f"TLS-RPT: {texts[0]!r} names no address for reports that can be used"
        return [desk.said("wrong", words, f"Publish: {wanted}")]
    given = dict(reversed(split_tags(texts[0]))).get("rua", "")
    found = [desk.said("ok", f"TLS-RPT: reports go to {', '.join(uris)}")]
    for uri in (each.strip() for each in given.split(",")):
        if uri not in uris:
            advice = "An address begins with mailto: or https:"
            found.append(desk.said("warning", f"TLS-RPT: {uri!r} is no address for reports", advice))
    return [*found, *desk.unread("TLS reports", [uri for uri in uris if uri.lower().startswith("mailto:")])]


def _no_tls(served: ServedTls) -> str:
    if not served.offered:
        return "it does not offer STARTTLS"
    return f"TLS fails: {served.broken}" if served.broken else ""


def _unusable(record: Tlsa) -> str:
    """Why mail hosts pass a record over (RFC 7672 §3.1); "" if they do not."""
    if record.is_usable:
        return ""
    if record.usage in (0, 1):
        return f"whose usage {record.usage} mail hosts pass over (RFC 7672 §3.1.3)"
    if record.usage not in (2, 3):
        return f"whose usage {record.usage} nobody knows"
    if record.selector not in (0, 1):
        return f"whose selector {record.selector} nobody knows"
    if record.matching not in (0, 1, 2):
        return f"whose matching type {record.matching} nobody knows"
    return f"whose {len(record.data)} octets are no digest of matching type {record.matching}"


def _line(name: str, served: ServedTls | str) -> str:
    record = None if isinstance(served, str) else served.record
    return f"{name}. IN TLSA {record or '3 1 1 SHA-256-OF-THE-PUBLIC-KEY'}"


def _short(record: Tlsa) -> str:
    digits = record.data.hex()
    return f"{record.usage} {record.selector} {record.matching} {digits[:16]}{'...' if len(digits) > 16 else ''}"


def _new_id(desk: DomainDesk) -> str:
    """That of the policy that the node serves itself; else one of today."""
    if desk.site.policy is not None:
        return mta_sts.policy_id(desk.site.policy)
    return re.sub(r"\D", "", datetime.fromtimestamp(desk.now, UTC).strftime("%Y%m%d%H%M%S"))


def _file(policy: StsPolicy) -> str:
    return "'" + " / ".join(policy.lines) + "'"
