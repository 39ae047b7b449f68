"""Which policy each mail host is met with: the administrator's for the domain, else DANE's, else MTA-STS's (OUT-7).

DANE goes before MTA-STS, and a host that has TLSA records is not reached without them (RFC 7672 §2.2, RFC 8461 §2). Failing
closed: where DNS says that records are signed and does not give them, the host is left out and mail waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from posthouse.base.errors import MailError
from posthouse.formats.tls_report import report_uris
from posthouse.interfaces.resolver import Resolver
from posthouse.model.route import TlsChoice
from posthouse.model.settings import QueueSettings
from posthouse.model.tls_policy import NO_POLICY, TlsFailure, TlsPolicy, TlsResult
from posthouse.queue.sts import Sts

MAX_ALIASES = 8
WISH_S = 2.0
Demand = Literal["verify", "required", "opportunistic", "off"]


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """One host with its policy; ``refused`` says why no mail may go there now, "" if it may. ``tls`` is the encryption that
    it is met with, "" as the queue's setting says."""

    host: str
    policy: TlsPolicy = NO_POLICY
    refused: str = ""
    tls: TlsChoice = ""


class TlsPolicies:
    """``report`` takes what is to be told of hosts that are not even tried."""

    def __init__(
        self,
        resolver: Resolver,
        sts: Sts,
        settings: Callable[[], QueueSettings],
        report: Callable[[TlsResult], None] = lambda result: None,
    ) -> None:
        self._resolver = resolver
        self._sts = sts
        self._settings = settings
        self._report = report

    async def of(self, domain: str, hosts: Sequence[str], *, implicit: bool, relaxed: bool = False) -> Sequence[HostPolicy]:
        """In the order of ``hosts``. ``implicit``: the domain has no MX record, and is its own host (RFC 5321 §5.1).
        ``relaxed``: the sender asks for delivery whatever the domain's policy is; the administrator's demands hold."""
        queue = self._settings()
        if queue.tls == "off":
            return [HostPolicy(host) for host in hosts]
        if (demanded := _demanded(queue, domain)) is not None:
            policy = TlsPolicy("site", domain) if demanded == "verify" else NO_POLICY
            tls: TlsChoice = "required" if demanded == "verify" else demanded
            return [HostPolicy(host, policy, tls=tls) for host in hosts]
        found = {host: HostPolicy(host) for host in hosts}
        if relaxed:
            return list(found.values())
        if queue.dane and await self._is_signed(domain, "A" if implicit else "MX"):
            for host in hosts:
                found[host] = await self._by_dane(domain, host)
        if queue.sts and not implicit:
            await self._by_sts(domain, found)
        if all(met.policy.kind == "none" for met in found.values()) and await self._wants_reports(domain):
            # It is told how TLS goes all the same (RFC 8460 §4.2: no-policy-found).
            return [HostPolicy(host, TlsPolicy("none", domain, enforced=False)) for host in hosts]
        return [found[host] for host in hosts]

    async def _wants_reports(self, domain: str) -> bool:
        """Mail waits for this answer but a moment."""
        try:
            async with asyncio.timeout(WISH_S):
                return bool(report_uris(await self._resolver.txt(f"_smtp._tls.{domain}")))
        except (MailError, TimeoutError):
            return False

    async def _is_signed(self, name: str, kind: str) -> bool:
        try:
            return await self._resolver.authentic(name, kind)
        except MailError:
            return False

    async def _by_dane(self, domain: str, host: str) -> HostPolicy:
        """RFC 7672 §2.2: TLSA records count if the host's addresses are signed too."""
        try:
            for base in await self._bases(host):
                name = f"_{self._settings().port}._tcp.{base}"
                records = tuple(await self._resolver.tlsa(name))
                if records and await self._resolver.authentic(name, "TLSA"):
                    lines, alias = tuple(map(str, records)), base if base != host else ""
                    policy = TlsPolicy("dane", domain, records=records, lines=lines, base=alias)
                    return HostPolicy(host, policy, tls="required")
        except MailError as error:
            policy = TlsPolicy("dane", domain)
            self._report(TlsResult(policy, host, "", "dnssec-invalid", error.cause))
            return HostPolicy(host, policy, f"its TLSA records cannot be had: {error.cause or error.public}")
        return HostPolicy(host)

    async def _bases(self, host: str) -> Sequence[str]:
        """The names at which a host's TLSA records may stand, in order: where its alias leads, if all the way there is signed,
        then its own (RFC 7672 §2.2.2). None: it has no such records that could be believed. Raises Temporary."""
        signed = await self._is_signed(host, "A") or await self._is_signed(host, "AAAA")
        alias = await self._resolver.cname(host)
        if not alias:
            return [host] if signed else []
        if not signed:
            return [host] if await self._is_signed(host, "CNAME") else []
        for _ in range(MAX_ALIASES):
            further = await self._resolver.cname(alias)
            if not further:
                break
            alias = further
        return [alias.lower().rstrip("."), host]

    async def _by_sts(self, domain: str, found: dict[str, HostPolicy]) -> None:
        sts, failure = await self._sts.policy(domain)
        if sts is None:
            if failure is not None:
                self._report(TlsResult(TlsPolicy("sts", domain, enforced=False), "", "", failure))
            return
        policy = TlsPolicy("sts", domain, enforced=sts.mode == "enforce", lines=sts.lines, hosts=sts.hosts)
        for host, before in found.items():
            if before.policy.kind != "none":
                continue
            if sts.covers(host):
                found[host] = HostPolicy(host, policy, tls="required" if policy.enforced else "")
                continue
            mismatch: TlsFailure = "certificate-host-mismatch"
            self._report(TlsResult(policy, host, "", mismatch, "the policy does not name this MX host"))
            if policy.enforced:
                found[host] = HostPolicy(host, policy, "the MTA-STS policy of the domain does not name it")


def _demanded(queue: QueueSettings, domain: str) -> Demand | None:
    """What ``queue.tls_domains`` says of this domain, or of the nearest above it."""
    table = dict(entry.split("=", 1) for entry in queue.tls_domains)
    labels = domain.split(".")
    for start in range(len(labels)):
        if (found := table.get(".".join(labels[start:]))) is not None:
            return cast(Demand, found)
    return None
