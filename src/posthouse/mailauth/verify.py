"""A stranger's message: SPF, DKIM, ARC side by side, then DMARC, within one budget of time (MAU-1). Read this file first.

What DNS does not answer in time is ``temperror``; nothing here raises, and nothing here refuses: that is the stage's decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from posthouse.base.clock import Clock
from posthouse.formats import addresslist
from posthouse.formats.headers import unfold
from posthouse.interfaces.resolver import Resolver
from posthouse.mailauth import arc, dmarc, results
from posthouse.mailauth.dkim import verify as dkim
from posthouse.mailauth.dkim.canonical import Bodies
from posthouse.mailauth.dkim.signed_header import Fields
from posthouse.mailauth.dkim.verify import Signed
from posthouse.mailauth.message import Message
from posthouse.mailauth.spf.check import Client, check_helo, check_mail_from
from posthouse.model.address import normal_domain
from posthouse.model.mail_authentication import ArcResult, AuthReport, DkimResult, DmarcResult, SpfResult

HASH_IN_THREAD_BYTES = 512 << 10
LATE = "no answer from DNS within the time for it"

Answer = TypeVar("Answer")
Spf = tuple[SpfResult, SpfResult | None]
"""Of MAIL FROM and, where that is another identity, of HELO."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look at. ``trusted_sealers``: domains whose ARC seals may speak for a message that fails DMARC."""

    timeout_s: float
    dmarc: bool = True
    trusted_sealers: tuple[str, ...] = ()


class Verifier:
    """One per process."""

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock

    async def spf(self, client: Client, sender: str, timeout_s: float) -> Spf:
        """SPF of both identities. ``sender`` is "" for the null sender."""
        checks = [check_mail_from(self._resolver, client, sender)]
        if sender:
            checks.append(check_helo(self._resolver, client))
        found = await _within(timeout_s, *checks)
        main = found[0] or _late_spf(client, sender)
        return main, (found[1] or _late_spf(client, "")) if sender else None

    async def verify(self, message: Message, spf: asyncio.Future[Spf] | None, wanted: Wanted) -> AuthReport:
        """The whole report. ``spf`` was begun when the envelope came, and ends by itself."""
        ends_at = self._clock.steady() + wanted.timeout_s
        walks = dmarc.TreeWalks(self._resolver)
        author, problem = author_domain(message)
        dkim_results, chain = await self._signatures(message, wanted.timeout_s, walks, author if wanted.dmarc else "")
        main, helo = await spf if spf is not None else (None, None)
        report = AuthReport(main, helo, dkim_results, chain)
        if not wanted.dmarc:
            return report
        if problem:
            return replace(report, dmarc=DmarcResult("permerror", detail=problem))
        left_s = max(ends_at - self._clock.steady(), 0.0)
        (found,) = await _within(left_s, dmarc.evaluate(author, main, dkim_results, self._resolver, walks))
        report = replace(report, dmarc=found or DmarcResult("temperror", author, detail=LATE))
        return replace(report, forwarded_by=trusted_forwarder(report, wanted.trusted_sealers))

    async def _signatures(
        self, message: Message, timeout_s: float, walks: dmarc.TreeWalks, author: str
    ) -> tuple[tuple[DkimResult, ...], ArcResult]:
        """DKIM and ARC; the author's policy is fetched meanwhile, so that DNS is waited for once."""
        names = {field.name for field in message.fields}
        signed_by_dkim, sealed = dkim.FIELD in names, not names.isdisjoint((arc.SEAL, arc.MESSAGE_SIGNATURE, arc.RESULTS))
        if not signed_by_dkim and not sealed:
            return (), ArcResult("none")
        signed = Signed(Fields(message), Bodies(message.body))
        if len(message.content) - message.body_start > HASH_IN_THREAD_BYTES:
            await asyncio.to_thread(_prepare, signed)
        now = self._clock.now()
        found = await _within(
            timeout_s,
            dkim.verify_all(signed, self._resolver, now) if signed_by_dkim else _nothing(()),
            arc.verify_chain(signed, self._resolver, now) if sealed else _nothing(ArcResult("none")),
            walks.prefetch(author) if author else _nothing(None),
        )
        late = (DkimResult("temperror", "", "", detail=LATE),)
        return found[0] if found[0] is not None else late, found[1] or ArcResult("temperror", detail=LATE)


async def _nothing(value: Answer) -> Answer:
    return value


def _prepare(signed: Signed) -> None:
    """Hashes a big body in the forms that its signatures ask for, where that does not hold up others."""
    message = signed.fields.message
    for field in message.fields:
        if field.name in (dkim.FIELD, arc.MESSAGE_SIGNATURE) and b"relaxed/relaxed" in message.value(field):
            signed.bodies.sha256("relaxed")
            return
    signed.bodies.sha256("simple")


def author_domain(message: Message) -> tuple[str, str]:
    """The domain of the one author in A-label form, and "" or what is wrong with From (RFC 9989 §5.3.1, RFC 5322 §3.6)."""
    found = message.named("from")
    if len(found) != 1:
        return "", f"{len(found)} From fields" if found else "no From field"
    entries = addresslist.entries(unfold(message.value(found[0])))
    domains = {domain.lower() for _, _, domain in entries if domain}
    if len(domains) != 1:
        return "", "From has authors of several domains" if domains else "From has no address"
    try:
        return normal_domain(domains.pop()), ""
    except ValueError:
        return "", "the domain in From is not valid"


def trusted_forwarder(report: AuthReport, trusted: tuple[str, ...]) -> str:
    """The trusted sealer that says that the message passed DMARC when it came to it, "" if there is none.

    Sealers are asked from the newest back, as long as they are trusted: who is not could have written all that is older.
    """
    if not trusted or report.arc.result != "pass" or report.dmarc is None or report.dmarc.result != "fail":
        return ""
    for sealer, text in zip(reversed(report.arc.sealers), reversed(report.arc.results), strict=True):
        if sealer not in trusted:
            return ""
        _, entries = results.parse(text.partition(";")[2])
        for entry in entries:
            author = dict(entry.properties).get("header.from", report.dmarc.domain).lower()
            if entry.method == "dmarc" and entry.result == "pass" and author == report.dmarc.domain:
                return sealer
    return ""


def _late_spf(client: Client, sender: str) -> SpfResult:
    if sender:
        return SpfResult("temperror", "mailfrom", sender.rpartition("@")[2], sender, detail=LATE)
    return SpfResult("temperror", "helo", client.helo, f"postmaster@{client.helo}", detail=LATE)


async def _within(timeout_s: float, *coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results in order; None for what is not ready in time, and is ended."""
    if len(coroutines) == 1:
        try:
            async with asyncio.timeout(timeout_s):
                return [await coroutines[0]]
        except TimeoutError:
            return [None]
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        return [None if task in late else task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
