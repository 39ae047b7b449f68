"""MTA-STS policies of recipients' domains: when to fetch one, how long it holds (RFC 8461 §3.3, §5.1).

Failing: a policy that was kept holds to its end whatever happens meanwhile; without one, a fetch that fails leaves the domain
without a policy, and is not tried again for some minutes. Who could keep us from a site when its policy ends could take TLS
away with it; so policies of domains that mail goes to are fetched anew well before (§10.2).
"""

from __future__ import annotations

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.formats.mta_sts import MAX_POLICY_BYTES, BadPolicy, StsPolicy, parse, record_id
from posthouse.interfaces.resolver import Resolver
from posthouse.interfaces.sts_policies import KeptPolicy, StsPolicies
from posthouse.interfaces.web_fetch import WebFetch
from posthouse.model.tls_policy import TlsFailure

PATH = "/.well-known/mta-sts.txt"
FAILED_S = 300.0
DAY_S = 86_400.0
IDLE_S = 30 * DAY_S
"""Policies of domains that no mail goes to any more end."""
MAX_LISTED = 5_000
MAX_REFRESHED = 200
"""In one go."""
MAX_FAILED = 10_000

_log = log.get("queue")


class Sts:
    """``policy`` of a domain; None where there is none."""

    def __init__(self, resolver: Resolver, web: WebFetch, policies: StsPolicies, clock: Clock) -> None:
        self._resolver = resolver
        self._web = web
        self._policies = policies
        self._clock = clock
        self._failed: dict[str, tuple[float, TlsFailure]] = {}
        self._idle_since: dict[str, float] = {}

    async def policy(self, domain: str) -> tuple[StsPolicy | None, TlsFailure | None]:
        """The policy in force, and what went wrong if none could be had."""
        now = self._clock.now()
        self._idle_since.pop(domain, None)
        kept = await self._policies.kept(domain)
        if kept is not None and kept.until <= now:
            kept = None
        current = await self._announced(domain)
        if current and (kept is None or kept.policy_id != current):
            fresh, failure = await self._fetched(domain, current, now)
            if fresh is None and kept is None:
                return None, failure
            kept = fresh or kept
        return (kept.policy if kept is not None and kept.policy.mode != "none" else None), None

    async def refresh(self) -> None:
        """Fetches again what was fetched a day ago, or has lived half its time; one after the other."""
        now = self._clock.now()
        listed = [
            (domain, kept) for domain, kept in await self._policies.in_force(now, MAX_LISTED) if kept.policy.mode != "none"
        ]
        self._idle_since = {domain: self._idle_since.get(domain, now) for domain, _ in listed}
        due = [
            (domain, kept)
            for domain, kept in listed
            if now - kept.fetched_at >= min(DAY_S, kept.policy.max_age_s / 2) and now - self._idle_since[domain] < IDLE_S
        ]
        for domain, kept in due[:MAX_REFRESHED]:
            await self._fetched(domain, await self._announced(domain) or kept.policy_id, now)

    async def _announced(self, domain: str) -> str:
        try:
            return record_id(await self._resolver.txt(f"_mta-sts.{domain}"))
        except MailError:
            return ""

    async def _fetched(self, domain: str, policy_id: str, now: float) -> tuple[KeptPolicy | None, TlsFailure]:
        failed_until, failure = self._failed.get(domain, (0.0, "sts-policy-fetch-error"))
        if failed_until > now:
            return None, failure
        try:
            policy = parse(await self._web.get(f"mta-sts.{domain}", PATH, limit_bytes=MAX_POLICY_BYTES))
        except MailError as error:
            return None, self._note_failure(domain, now, "sts-policy-fetch-error", error.cause)
        except BadPolicy as error:
            return None, self._note_failure(domain, now, "sts-policy-invalid", str(error))
        self._failed.pop(domain, None)
        kept = KeptPolicy(policy_id, policy, now + policy.max_age_s)
        await self._policies.keep(domain, kept)
        return kept, "sts-policy-fetch-error"

    def _note_failure(self, domain: str, now: float, failure: TlsFailure, cause: str) -> TlsFailure:
        _log.warning("sts-policy-not-had", domain=domain, why=cause)
        if len(self._failed) >= MAX_FAILED:
            self._failed.pop(next(iter(self._failed)))
        self._failed[domain] = (now + FAILED_S, failure)
        return failure
