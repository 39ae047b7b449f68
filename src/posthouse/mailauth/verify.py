"""A stranger's message: SPF, DKIM, ARC side by side, then DMARC and BIMI, in one budget of time (MAU-1). Read this first.

What DNS does not answer in time is ``temperror``; nothing here raises, and nothing here refuses: that is the stage's decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import Any

from posthouse.base.clock import Clock
from posthouse.formats import addresslist
from posthouse.formats.headers import unfold
from posthouse.interfaces.resolver import Resolver
from posthouse.mailauth import arc, bimi, dmarc, results
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

Spf = tuple[SpfResult, SpfResult | None]
"""Of MAIL FROM and, where that is another identity, of HELO."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look at. ``trusted_sealers``: domains whose ARC seals may speak for a message that fails DMARC."""

    timeout_s: float
    dmarc: bool = True
    trusted_sealers: tuple[str, ...] = ()
    bimi: bool = False


@dataclass(frozen=True, slots=True)
class Author:
    """The author's domain in A-label form, or "" and what is wrong with From."""

    domain: str
    problem: str = ""


class Verifier:
    """One per process."""

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock

    async def spf(self, client: Client, sender: str, timeout_s: float) -> Spf:
        """SPF of both identities, MAIL FROM first; ``sender`` is "" for the null sender. What is late is ``temperror``.

        One after the other: the message is still coming in meanwhile, and a task for each would cost more than the check.
        """
        main, helo = _late_spf(client, sender), _late_spf(client, "") if sender else None
        try:
            async with asyncio.timeout(timeout_s):
                main = await check_mail_from(self._resolver, client, sender)
                if sender:
                    helo = await check_helo(self._resolver, client)
        except TimeoutError:
            pass
        return main, helo

    async def verify(self, message: Message, author: Author, spf: Awaitable[Spf], wanted: Wanted) -> AuthReport:
        """The whole report. ``spf`` was begun when the envelope came, and ends by itself."""
        ends_at = self._clock.steady() + wanted.timeout_s
        walks = dmarc.TreeWalks(self._resolver)
        dkim_results, chain = await self._signatures(message, wanted.timeout_s, walks, author.domain if wanted.dmarc else "")
        main, helo = await spf
        if not wanted.dmarc:
            return AuthReport(main, helo, dkim_results, chain)
        if author.problem:
            return AuthReport(main, helo, dkim_results, chain, DmarcResult("permerror", detail=author.problem))
        found, picture = DmarcResult("temperror", author.domain, detail=LATE), None
        try:
            async with asyncio.timeout(max(ends_at - self._clock.steady(), 0.0)):
                found = await dmarc.evaluate(author.domain, main, dkim_results, self._resolver, walks)
                if wanted.bimi and found.result == "pass":
                    picture = await bimi.evaluate(message, found, self._resolver, walks)
        except TimeoutError:
            pass
        forwarded_by = trusted_forwarder(found, chain, wanted.trusted_sealers)
        return AuthReport(main, helo, dkim_results, chain, found, forwarded_by, picture)

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


async def _nothing(value: object) -> object:
    return value


def _prepare(signed: Signed) -> None:
    """Hashes a big body in the forms that its signatures ask for, where that does not hold up others."""
    message = signed.fields.message
    for field in message.fields:
        if field.name in (dkim.FIELD, arc.MESSAGE_SIGNATURE) and b"relaxed/relaxed" in message.value(field):
            signed.bodies.sha256("relaxed")
            return
    signed.bodies.sha256("simple")


def author_of(message: Message) -> Author:
    """The one author (RFC 9989 §5.3.1, RFC 5322 §3.6)."""
    found = message.named("from")
    if len(found) != 1:
        return Author("", f"{len(found)} From fields" if found else "no From field")
    entries = addresslist.entries(unfold(message.value(found[0])))
    domains = {domain.lower() for _, _, domain in entries if domain}
    if len(domains) != 1:
        return Author("", "From has authors of several domains" if domains else "From has no address")
    try:
        return Author(normal_domain(domains.pop()))
    except ValueError:
        return Author("", "the domain in From is not valid")


def trusted_forwarder(found: DmarcResult, chain: ArcResult, trusted: tuple[str, ...]) -> str:
    """The trusted sealer that says that the message passed DMARC when it came to it, "" if there is none.

    Sealers are asked from the newest back, as long as they are trusted: who is not could have written all that is older.
    """
    if not trusted or chain.result != "pass" or found.result != "fail":
        return ""
    for sealer, text in zip(reversed(chain.sealers), reversed(chain.results), strict=True):
        if sealer not in trusted:
            return ""
        _, entries = results.parse(text.partition(";")[2])
        for entry in entries:
            author = dict(entry.properties).get("header.from", found.domain).lower()
            if entry.method == "dmarc" and entry.result == "pass" and author == found.domain:
                return sealer
    return ""


def _late_spf(client: Client, sender: str) -> SpfResult:
    if sender:
        return SpfResult("temperror", "mailfrom", sender.rpartition("@")[2], sender, detail=LATE)
    return SpfResult("temperror", "helo", client.helo, f"postmaster@{client.helo}", detail=LATE)


async def _within(timeout_s: float, *coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results in order; None for what is not ready in time, and is ended."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        return [None if task in late else task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
