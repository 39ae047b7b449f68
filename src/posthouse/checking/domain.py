"""A domain's records for mail: MX, SPF, DKIM, DMARC, BIMI, MTA-STS, TLSRPT, TLSA (PLN-2, OUT-8). Says what to publish."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from posthouse.base.errors import MailError
from posthouse.checking.domain_desk import DomainDesk
from posthouse.checking.sender_records import check_bimi, check_dkim, check_dmarc, check_spf
from posthouse.checking.transport_records import check_sts, check_tls_reports, check_tlsa
from posthouse.model.finding import Finding


async def check_domain(desk: DomainDesk) -> list[Finding]:
    """In the order in which one would set a domain up."""
    checks: tuple[tuple[str, Callable[[DomainDesk], Awaitable[Sequence[Finding]]]], ...] = (
        ("MX", check_mx),
        ("SPF", check_spf),
        ("DKIM", check_dkim),
        ("DMARC", check_dmarc),
        ("BIMI", check_bimi),
        ("MTA-STS", check_sts),
        ("TLS-RPT", check_tls_reports),
        ("TLSA", check_tlsa),
    )
    found: list[Finding] = []
    for name, check in checks:
        try:
            found += await check(desk)
        except MailError as error:
            found.append(desk.said("unknown", f"{name}: DNS does not answer: {error.cause or error.public}"))
    return found


async def check_mx(desk: DomainDesk) -> Sequence[Finding]:
    """That mail comes here, or where it comes."""
    own = desk.site.host
    wanted = f"{desk.domain}. IN MX 10 {own}."
    records = await desk.resolver.mx(desk.domain)
    if not records:
        return [desk.said("wrong", "MX: there is none", f"Publish: {wanted}")]
    hosts = [record.host for record in records]
    if hosts == ["."]:
        return [desk.said("wrong", "MX: the domain says that it takes no mail (null MX)", f"Publish: {wanted}")]
    found = [desk.said("ok", f"MX: {', '.join(hosts)}")]
    if own not in [host.lower() for host in hosts]:
        advice = f"Unless mail comes by way of those hosts, publish: {wanted}"
        found = [desk.said("warning", f"MX: {', '.join(hosts)}, not this node ({own})", advice)]
    for host in hosts:
        if alias := await desk.resolver.cname(host):
            advice = f"Let it name {alias}: hosts need not follow an alias there (RFC 2181 §10.3, RFC 5321 §5.1)."
            found.append(desk.said("wrong", f"MX: {host} is an alias (CNAME) of {alias}", advice))
        if not await desk.resolver.addresses(host):
            found.append(desk.said("wrong", f"MX: {host} has no address", "Publish one, or take the record away."))
    return found
