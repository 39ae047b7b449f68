"""Stage ``outbreak``: holds what may be a new virus before there is a signature (CON-7). Stands before antivirus.

Suspicious is an attachment that could do harm (program, script, macros, an archive with such) when the same one comes in many
messages from many places, or when its sender's address has just sent a virus or sends many such. The only action is
Hold: after ``outbreak.hold_s`` it goes through the scanners again. Counts are the node's; if they are lost, only time is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from posthouse.base.clock import Clock
from posthouse.base.metrics import OUTBREAK_HELD
from posthouse.content.archives.entry import shown
from posthouse.content.attachments import Carried
from posthouse.interfaces.counters import Counters
from posthouse.model.networks import client_key, network_list
from posthouse.model.settings import OutbreakSettings, Settings
from posthouse.model.verdict import Continue, Hold, Reason, Verdict
from posthouse.pipeline.attachments import Attachments
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

STAGE = "outbreak"


def who(transaction: Transaction) -> str:
    """Whose behaviour counts: the account that logged in, the author if DMARC confirms the domain (whole providers are not to
    blame for one of their users), else the client's address."""
    session, summary = transaction.session, transaction.summary
    if session.account:
        return session.account
    if _is_confirmed(transaction) and summary is not None and summary.from_addresses:
        return summary.from_addresses[0].lower()
    return client_key(session.client_address)


def virus_key(transaction: Transaction) -> str:
    """The counter of viruses that came from there; the antivirus stage counts."""
    return f"outbreak-virus:{who(transaction)}"


def place(transaction: Transaction) -> str:
    """Where a message is from, for counting how far something has spread: the account, the author's domain if DMARC confirms it
    (large providers send one author's mail from many networks), else the client's network, /24 or /64."""
    session, auth = transaction.session, transaction.auth
    if session.account:
        return session.account
    if auth is not None and auth.dmarc is not None and _is_confirmed(transaction):
        return auth.dmarc.domain
    key = client_key(session.client_address)
    return key.rpartition(".")[0] or key


def _is_confirmed(transaction: Transaction) -> bool:
    auth = transaction.auth
    return auth is not None and auth.dmarc is not None and auth.dmarc.result == "pass"


class Outbreak(Stage):
    name = STAGE
    is_check = True

    def __init__(self, settings: Callable[[], Settings], attachments: Attachments, counters: Counters, clock: Clock) -> None:
        self._settings = settings
        self._attachments = attachments
        self._counters = counters
        self._clock = clock

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        chosen = self._settings().outbreak
        if not chosen.enabled:
            return ()
        session = transaction.session
        risky: dict[str, Carried] = {}
        for form in transaction.forms:
            for each in await self._attachments.of(form, session.client_address):
                if each.fingerprints:
                    risky.setdefault(each.fingerprints[0], each)
        if not risky:
            return ()
        fresh = [each for each in risky.values() if each.fingerprints[0] not in chosen.allowed]
        if not fresh:
            return (Continue(Reason(STAGE, "allowed", "all its risky attachments are known to be harmless")),)
        reason = self._spreading(chosen, place(transaction), fresh) or self._misbehaving(chosen, transaction, fresh)
        if reason is None:
            return ()
        OUTBREAK_HELD.labels(reason.rule).inc()
        return (Hold("outbreak", reason, release_at=self._clock.now() + chosen.hold_s),)

    def _spreading(self, chosen: OutbreakSettings, source: str, risky: Sequence[Carried]) -> Reason | None:
        """Counts all of them, whatever the first one says."""
        found = None
        for each in risky:
            for fingerprint in each.fingerprints:
                if fingerprint in chosen.allowed:
                    continue
                messages, places = self._seen(fingerprint, source, chosen.window_s)
                if found is None and messages >= chosen.spread_messages and places >= chosen.spread_networks:
                    detail = (
                        f"{_named(each)} with fingerprint {fingerprint} is in {messages} messages from {places} places"
                        f" within {_minutes(chosen.window_s)}"
                    )
                    found = Reason(STAGE, "spread", detail)
        return found

    def _seen(self, fingerprint: str, source: str, window_s: float) -> tuple[int, int]:
        """In how many messages, and from how many places, this one included."""
        counters = self._counters
        places = f"outbreak-places:{fingerprint}"
        if counters.hit(f"outbreak-from:{fingerprint}:{source}", window_s) == 1:
            counters.hit(places, window_s)
        return counters.hit(f"outbreak-print:{fingerprint}", window_s), counters.recent(places, window_s)

    def _misbehaving(self, chosen: OutbreakSettings, transaction: Transaction, risky: Sequence[Carried]) -> Reason | None:
        session = transaction.session
        if session.service == "lmtp" or session.client_address in network_list(chosen.exempt_networks):
            return None
        source = who(transaction)
        messages = self._counters.hit(f"outbreak-risky:{source}", chosen.window_s)
        viruses = self._counters.recent(virus_key(transaction), chosen.window_s)
        within = f"within {_minutes(chosen.window_s)}"
        first = f"{_named(risky[0])} with fingerprint {risky[0].fingerprints[0]}"
        if chosen.client_viruses and viruses >= chosen.client_viruses:
            return Reason(STAGE, "client-viruses", f"{first} comes from {source}, which sent {viruses} viruses {within}")
        if chosen.client_messages and messages > chosen.client_messages:
            detail = f"{first} comes from {source}, which sent {messages} messages with risky attachments {within}"
            return Reason(STAGE, "client-messages", detail)
        return None


def _named(carried: Carried) -> str:
    return f"{carried.can_do_harm} {shown(carried.name) or carried.section}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} min"
