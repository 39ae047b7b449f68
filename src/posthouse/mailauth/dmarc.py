"""DMARC: does the author's domain stand behind the message, and what does its owner ask for if not (RFC 9989)?

Organizational domains are found by the DNS tree walk of the successor of RFC 7489; no list of public suffixes is needed.
Failing: without an answer from DNS, and nothing that aligns, the result is ``temperror``, and no policy is applied.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.base.errors import Temporary
from posthouse.interfaces.resolver import Resolver
from posthouse.mailauth import dmarc_record
from posthouse.mailauth.dmarc_record import Record
from posthouse.model.mail_authentication import DkimResult, DmarcResult, Policy, SpfResult

MAX_WALK_LABELS = 7
MILDER: dict[Policy, Policy] = {"reject": "quarantine", "quarantine": "none", "none": "none"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a tree walk gave: the records by domain, longest name first, and the organizational domain."""

    records: tuple[tuple[str, Record], ...]
    organizational: str


class TreeWalks:
    """Walks of one message's domains, each taken once (RFC 9989 §4.10)."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._found: dict[str, Found] = {}

    async def of(self, domain: str) -> Found:
        """Raises Temporary."""
        found = self._found.get(domain)
        if found is None:
            found = self._found[domain] = await self._walk(domain)
        return found

    async def prefetch(self, domain: str) -> None:
        """Takes a walk that will be needed; whether it fails, ``of`` will tell."""
        with contextlib.suppress(Temporary):
            await self.of(domain)

    async def _walk(self, start: str) -> Found:
        records: list[tuple[str, Record]] = []
        for domain in walk_names(start):
            record = dmarc_record.choose(await self._resolver.txt(f"_dmarc.{domain}"))
            if record is None:
                continue
            records.append((domain, record))
            if record.public_suffix != "u":
                break
        return Found(tuple(records), organizational_domain(start, records))


def walk_names(start: str) -> list[str]:
    """Where records are looked for, in order: at most eight names (RFC 9989 §4.10)."""
    labels = start.split(".")
    shorter = labels[1:] if len(labels) <= MAX_WALK_LABELS else labels[-MAX_WALK_LABELS:]
    return [start, *(".".join(shorter[index:]) for index in range(len(shorter)))]


def organizational_domain(start: str, records: Sequence[tuple[str, Record]]) -> str:
    """RFC 9989 §4.10.2; ``records`` with the longest name first."""
    for domain, record in records:
        if record.public_suffix == "n":
            return domain
        if record.public_suffix == "y" and domain != start:
            below = start[: -len(domain) - 1].rpartition(".")[2]
            return f"{below}.{domain}"
    return records[-1][0] if records else start


async def evaluate(
    author: str, spf: SpfResult | None, dkim: Sequence[DkimResult], resolver: Resolver, walks: TreeWalks
) -> DmarcResult:
    """The result for the author's domain, in A-label form and lower case."""
    try:
        found = await walks.of(author)
        policy_domain, record = _policy_record(author, found)
        if record is None:
            return DmarcResult("none", author, detail=f"{author} publishes no DMARC policy")
        aligned = await _aligned(author, record, spf, dkim, walks)
        policy = await _policy(author, policy_domain, record, resolver) if not aligned else record.policy
    except Temporary as error:
        return DmarcResult("temperror", author, detail=f"no answer from DNS: {error.cause or error.public}")
    if aligned:
        return DmarcResult("pass", author, policy, policy_domain, record.text, aligned, " and ".join(aligned))
    if _may_still_pass(spf, dkim):
        late = "no answer from DNS about what could align"
        return DmarcResult("temperror", author, policy, policy_domain, record.text, detail=late)
    milder = ", in testing" if record.testing else ""
    detail = f"neither SPF nor DKIM speaks for {author}; {policy_domain} asks for {policy}{milder}"
    shown = MILDER[policy] if record.testing else policy
    return DmarcResult("fail", author, shown, policy_domain, record.text, detail=detail)


def _policy_record(author: str, found: Found) -> tuple[str, Record | None]:
    """The record that applies: the author's own, its organization's, its public suffix's (RFC 9989 §4.10.1)."""
    by_domain = dict(found.records)
    for domain in (author, found.organizational):
        if domain in by_domain:
            return domain, by_domain[domain]
    for domain, record in found.records:
        if record.public_suffix == "y":
            return domain, record
    return "", None


async def _policy(author: str, policy_domain: str, record: Record, resolver: Resolver) -> Policy:
    """p=, sp= or np= (RFC 9989 §4.7)."""
    if policy_domain == author:
        return record.policy
    if record.non_existent != record.subdomains and not await _exists(author, resolver):
        return record.non_existent
    return record.subdomains


async def _exists(domain: str, resolver: Resolver) -> bool:
    """Whether there is an A, AAAA or MX record (RFC 9989 §3.2.13)."""
    return bool(await resolver.addresses(domain)) or bool(await resolver.mx(domain))


async def _aligned(
    author: str, record: Record, spf: SpfResult | None, dkim: Sequence[DkimResult], walks: TreeWalks
) -> tuple[str, ...]:
    """The authenticated identities that align with the author (RFC 9989 §4.4). Raises Temporary only if none does."""
    candidates = [("dkim", entry.domain, record.strict_dkim) for entry in dkim if entry.result == "pass"]
    if spf is not None and spf.result == "pass":
        candidates.append(("spf", spf.domain.lower().rstrip("."), record.strict_spf))
    aligned: list[str] = []
    failure: Temporary | None = None
    for method, domain, strict in dict.fromkeys(candidates):
        try:
            if domain == author or (not strict and await _same_organization(author, domain, walks)):
                aligned.append(f"{method} {domain}")
        except Temporary as error:
            failure = error
    if failure is not None and not aligned:
        raise failure
    return tuple(aligned)


async def _same_organization(author: str, domain: str, walks: TreeWalks) -> bool:
    if author.rpartition(".")[2] != domain.rpartition(".")[2]:
        return False  # Not even the top level is shared: spares the walk.
    return (await walks.of(author)).organizational == (await walks.of(domain)).organizational


def _may_still_pass(spf: SpfResult | None, dkim: Sequence[DkimResult]) -> bool:
    """Whether DNS owes an answer about an identity, so that a failure is not final (RFC 9989 §5.3.5)."""
    if spf is not None and spf.result == "temperror":
        return True
    return any(entry.result == "temperror" for entry in dkim)
