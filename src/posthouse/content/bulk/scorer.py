"""The engine ``bulk``: points for content that a site sees again and again, and for what its users call spam (CON-9).

Many recipients alone are no crime: newsletters come from few places and sign what they send. Points grow with the number of
places that the same content comes from, and shrink where the author's domain stands behind it. Lists and domains that are
known (``antispam.bulk_known``) are neither counted nor scored. Failing: Temporary, when the table cannot be read.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from functools import lru_cache
from zlib import crc32

from posthouse.base.clock import Clock
from posthouse.content.bulk.fingerprint import SKETCH, signatures_of
from posthouse.formats import headers
from posthouse.interfaces.bulk_signatures import BulkSignatures
from posthouse.model.bulk import CLIENT_BITS, Report, Seen, Sighting, Signatures
from posthouse.model.settings import AntispamSettings
from posthouse.model.spam import RuleHit, ScoredMail, SpamReport
from posthouse.model.summary import Summary

IN_THREAD_BYTES = 8 << 10
ALIKE = 11
"""Of the hashes of a text, how many must have been seen for it to be the same text: more than two thirds of it."""
MANY_CLIENTS = 6.0
SIGNED_SHARE = 0.2
"""What is left of the points where the author's domain stands behind the message."""
MARKUP_POINTS = 5.0
CALLED_SPAM = (0.0, 15.0, 35.0, 60.0)
"""Points by the number of users who called it spam."""


class BulkScorer:
    """``interfaces.scorer.Scorer``; each message that it is asked about is counted."""

    name = "bulk"
    is_here = True

    def __init__(self, table: BulkSignatures, clock: Clock, settings: Callable[[], AntispamSettings]) -> None:
        self._table = table
        self._clock = clock
        self._settings = settings

    async def score(self, mail: ScoredMail) -> SpamReport:
        settings = self._settings()
        if known := known_bulk(mail, settings.bulk_known):
            return SpamReport(self.name, (RuleHit("BULK_KNOWN", 0.0, known),))
        if len(mail.content) > IN_THREAD_BYTES:
            signatures = await asyncio.to_thread(signatures_of, mail.content, mail.summary)
        else:
            signatures = signatures_of(mail.content, mail.summary)
        if not signatures.keys:
            return SpamReport(self.name, ())
        now = self._clock.now()
        seen = await self._table.seen(signatures.keys, now - settings.bulk_window_s)
        if not mail.outgoing:
            self._table.note(Sighting(signatures.keys, max(len(mail.recipients), 1), client_bit(mail.client_address), now))
        return SpamReport(self.name, tuple(hits(signatures, seen, settings, signed=_is_signed(mail))))

    async def reported(self, content: bytes, summary: Summary, account_id: int, spam: bool) -> None:  # noqa: FBT001
        """A user said what a message is."""
        signatures = await asyncio.to_thread(signatures_of, content, summary)
        if keys := (*signatures.text, *signatures.files):
            self._table.report(Report(keys, account_id, spam, self._clock.now()))


def hits(signatures: Signatures, seen: Mapping[int, Seen], settings: AntispamSettings, *, signed: bool) -> list[RuleHit]:
    """What follows from what was seen."""
    found = []
    text = _of_text(signatures, seen)
    files = max((seen.get(key, Seen()) for key in signatures.files), key=lambda each: each.recipients, default=Seen())
    for rule, what, each in (("BULK_TEXT", "text", text), ("BULK_FILE", "attachment", files)):
        if points := _bulk_points(each, settings, signed=signed):
            why = f"the same {what} came {each.messages} times for {each.recipients} from {_clients(each)}"
            found.append(RuleHit(rule, points, why))
    markup = seen.get(signatures.markup, Seen())
    if found and _bulk_points(markup, settings, signed=signed):
        found.append(RuleHit("BULK_MARKUP", MARKUP_POINTS, "its HTML is built like mail that comes in bulk"))
    called = max((text, files), key=lambda each: each.called_spam - each.called_ham)
    if called.called_spam > called.called_ham:
        count = called.called_spam - called.called_ham
        points = CALLED_SPAM[min(count, len(CALLED_SPAM) - 1)]
        found.append(RuleHit("BULK_REPORTED", points, f"{called.called_spam} users called it spam, {called.called_ham} not"))
    elif called.called_ham:
        found = [RuleHit("BULK_WANTED", 0.0, f"{called.called_ham} users called it no spam")]
    return found


def _of_text(signatures: Signatures, seen: Mapping[int, Seen]) -> Seen:
    """What is true of enough of its hashes: the numbers that at least ``ALIKE`` of them reach."""
    each = [seen.get(key, Seen()) for key in signatures.text]
    if len(each) < SKETCH:
        return Seen()

    def reached(values: list[int]) -> int:
        return sorted(values, reverse=True)[ALIKE - 1]

    by_clients = sorted(each, key=lambda one: one.clients.bit_count(), reverse=True)[ALIKE - 1]
    return Seen(
        messages=reached([one.messages for one in each]),
        recipients=reached([one.recipients for one in each]),
        clients=by_clients.clients,
        called_spam=reached([one.called_spam for one in each]),
        called_ham=reached([one.called_ham for one in each]),
    )


def _bulk_points(seen: Seen, settings: AntispamSettings, *, signed: bool) -> float:
    if seen.recipients < settings.bulk_recipients:
        return 0.0
    spread = min(seen.client_count / MANY_CLIENTS, 1.0)
    return round(settings.bulk_points * spread * (SIGNED_SHARE if signed else 1.0), 1)


def _clients(seen: Seen) -> str:
    count = round(seen.client_count)
    return "one network" if count <= 1 else f"about {count} networks"


@lru_cache(1_024)
def client_bit(address: str) -> int:
    """The bit that stands for a client's network: /24, or /64 of IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return 0
    network = ip.packed[:3] if ip.version == 4 else ip.packed[:8]
    return crc32(network) % CLIENT_BITS


def _is_signed(mail: ScoredMail) -> bool:
    return mail.auth is not None and mail.auth.dmarc is not None and mail.auth.dmarc.result == "pass"


def known_bulk(mail: ScoredMail, known: tuple[str, ...]) -> str:
    """Why a message is bulk mail that is wanted: its author's domain is known and proven, or its list is and its signature
    holds; "" otherwise."""
    if not known or mail.auth is None:
        return ""
    signers = mail.auth.signed_by()
    dmarc = mail.auth.dmarc
    author = dmarc.domain if dmarc is not None and dmarc.result == "pass" else ""
    for name in known:
        if author and (author == name or author.endswith(f".{name}")):
            return f"{name} is known and stands behind it"
        if any(signer == name or signer.endswith(f".{name}") for signer in signers):
            return f"{name} is known and has signed it"
    list_id = headers.value_of(mail.content, mail.summary.root, "list-id").rpartition("<")[2].rstrip("> ").lower()
    if list_id in known and any(list_id == signer or list_id.endswith(f".{signer}") for signer in signers):
        return f"the list {list_id} is known and has signed it"
    return ""
