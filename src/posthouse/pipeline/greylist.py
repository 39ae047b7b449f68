"""Stage ``greylist``: strangers are asked to come back (GRY-1, GRY-2, GRY-4).

Stands behind envelope, so that unknown recipients and relaying are refused before anything is remembered, and before
authenticate. Whoever is exempt goes on; everyone else is decided by the triplets' database in one round trip at most. Failing:
open. A database that does not answer in time lets mail in, and the trace says so (GRY-3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from posthouse.base.clock import Clock
from posthouse.base.metrics import GREYLIST_DOWN, GREYLISTED
from posthouse.interfaces.triplets import Triplets
from posthouse.model.envelope import Recipient
from posthouse.model.session import Session
from posthouse.model.settings import GreylistSettings, Settings
from posthouse.model.triplet import PASSED, Outcome, Terms, Triplet
from posthouse.model.verdict import Continue, Defer, Reason, Reply, Verdict
from posthouse.pipeline.breaker import Breaker, Unanswered
from posthouse.pipeline.greylist_exempt import exemption
from posthouse.pipeline.greylist_keys import client_network, terms_of, triplet_of
from posthouse.pipeline.spf_begin import SpfCheck
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

WAIT = Reply(450, "4.7.1", "mailbox temporarily unavailable")
RULES: dict[Outcome, str] = {
    "new": "unknown", "early": "early", "late": "late", "retried": "retried", "valid": "known", "allowed": "client"
}  # fmt: skip


class Greylist(Stage):
    """``triplets`` remember; ``spf`` is asked where SPF could let a sender in."""

    name = "greylist"

    def __init__(self, settings: Callable[[], Settings], triplets: Triplets, spf: SpfCheck, clock: Clock) -> None:
        self._settings = settings
        self._triplets = triplets
        self._spf = spf
        self._clock = clock
        self._breaker = Breaker("greylist", clock, lambda up: GREYLIST_DOWN.set(0 if up else 1))

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> Verdict | None:
        settings = self._settings()
        greylist, session = settings.greylist, transaction.session
        if greylist.mode == "off" or session.service != "smtp":
            return None
        if greylist.null_sender == "message" and transaction.sender.address is None:
            return None
        if why := exemption(settings, session, transaction.sender, recipient):
            GREYLISTED.labels("exempt").inc()
            return Continue(Reason(self.name, "exempt", why))
        return await self._decide(greylist, transaction, recipient)

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        """Null senders that were let through to here: callouts are gone by now, bounces wait (``null_sender``)."""
        settings = self._settings()
        greylist, session = settings.greylist, transaction.session
        if greylist.mode == "off" or session.service != "smtp" or transaction.sender.address is not None:
            return ()
        if greylist.null_sender != "message":
            return ()
        found: list[Verdict] = []
        for recipient in transaction.recipients:
            if not exemption(settings, session, transaction.sender, recipient):
                found.append(await self._decide(greylist, transaction, recipient))
        return found

    async def _decide(self, greylist: GreylistSettings, transaction: Transaction, recipient: Recipient) -> Verdict:
        triplet = triplet_of(greylist, transaction.session, transaction.sender, recipient)
        terms, now = terms_of(greylist), self._clock.now()
        try:
            if why := await self._reputed(greylist, transaction, now):
                GREYLISTED.labels("exempt").inc()
                return Continue(Reason(self.name, "reputation", why))
            (outcome,) = await self._breaker.call(lambda: self._triplets.decide((triplet,), now, terms), greylist.timeout_s)
        except Unanswered as error:
            GREYLISTED.labels("failed-open").inc()
            return Continue(Reason(self.name, "fail-open", f"let in without greylisting, no database: {error.cause}"))
        return self._verdict(triplet, outcome, terms)

    def _verdict(self, triplet: Triplet, outcome: Outcome, terms: Terms) -> Verdict:
        shown = f"{triplet.network}, <{triplet.sender}>" + (f", <{triplet.recipient}>" if triplet.recipient else "")
        reason = Reason(self.name, RULES[outcome], _words(shown, outcome, terms))
        if outcome in PASSED:
            GREYLISTED.labels("retried" if outcome == "retried" else "passed").inc()
            return Continue(reason)
        if terms.learning:
            GREYLISTED.labels("would-wait").inc()
            return Continue(Reason(self.name, "learning", f"would have waited: {reason.detail}"))
        GREYLISTED.labels("delayed").inc()
        return Defer(WAIT, reason)

    async def _reputed(self, greylist: GreylistSettings, transaction: Transaction, now: float) -> str:
        """Why the sender's domain need not wait, "" if it may have to (GRY-2). A name in MAIL FROM proves nothing by itself:
        it counts where its mail came from before, or where SPF says that this client may use it. Raises Unanswered."""
        address, session = transaction.sender.address, transaction.session
        if address is None or not (greylist.exempt_spf or greylist.exempt_reputation):
            return ""
        anywhere = 0
        if greylist.exempt_reputation:
            network = _network(greylist, session)
            found = await self._breaker.call(
                lambda: self._triplets.reputation(address.domain, network, now), greylist.timeout_s
            )
            if found.here >= greylist.exempt_reputation:
                return f"{found.here} messages signed by {address.domain} came from {network} before"
            anywhere = found.anywhere
        reputed = bool(greylist.exempt_reputation) and anywhere >= greylist.exempt_reputation
        if not (greylist.exempt_spf or reputed) or not await self._passes_spf(greylist, transaction):
            return ""
        known = f", and {anywhere} messages signed by {address.domain} came before" if reputed else ""
        return f"SPF of {address.domain} lets {session.client_address} send{known}"

    async def _passes_spf(self, greylist: GreylistSettings, transaction: Transaction) -> bool:
        """Whether SPF passes in time; a check that is late goes on for those that need it later."""
        check = self._spf.of(transaction)
        await asyncio.wait((check,), timeout=greylist.spf_timeout_s)
        return check.done() and not check.cancelled() and check.exception() is None and check.result()[0].result == "pass"


def _network(greylist: GreylistSettings, session: Session) -> str:
    return client_network(session.client_address, greylist.ipv4_bits, greylist.ipv6_bits)


def _words(shown: str, outcome: Outcome, terms: Terms) -> str:
    if outcome == "new":
        return f"{shown} is new; a retry {_span(terms.earliest_s)} to {_span(terms.latest_s)} from now is let in"
    if outcome == "early":
        return f"{shown} came back sooner than {_span(terms.earliest_s)} after it was first seen"
    if outcome == "late":
        return f"{shown} came back after its time was over, and begins anew"
    if outcome == "allowed":
        return f"the client {shown.partition(',')[0]} has {terms.auto_allow} valid triplets or more"
    return f"{shown} " + ("came back in time and is valid now" if outcome == "retried" else "is valid")


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"
