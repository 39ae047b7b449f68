"""Counts of what aggregate reports will tell, gathered in memory and written down now and then (MON-5).

A crash loses what was not written: a report is a courtesy, not a promise. Bounded: past the bound new kinds of entries are
dropped until the next writing.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

import msgspec

from posthouse.base.clock import Clock
from posthouse.interfaces.mail_reports import ReportBook
from posthouse.model.mail_reports import DmarcSeen, ReportKind, TlsSeen
from posthouse.model.tls_policy import TlsResult

DAY_S = 86_400
MAX_ENTRIES = 20_000

_encoder = msgspec.msgpack.Encoder()
_dmarc_decoder = msgspec.msgpack.Decoder(DmarcSeen)
_tls_decoder = msgspec.msgpack.Decoder(TlsSeen)


_KINDS: dict[str, Literal["sts", "tlsa", "no-policy-found"]] = {"sts": "sts", "dane": "tlsa", "none": "no-policy-found"}


class Tallies:
    """In the steward; ``flush`` writes."""

    def __init__(self, book: ReportBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._counts: dict[tuple[ReportKind, int], Counter[tuple[str, bytes]]] = {}

    def dmarc(self, seen: DmarcSeen) -> None:
        """One message."""
        self._add("dmarc", seen.policy_domain, _encoder.encode(seen))

    def dmarc_encoded(self, octets: bytes) -> None:
        """One message, as a worker sends it. Raises msgspec.DecodeError."""
        self.dmarc(_dmarc_decoder.decode(octets))

    def tls(self, result: TlsResult) -> None:
        """One session with a host under a policy that other sites publish, or of a domain that wants to hear of it without."""
        policy = result.policy
        if (kind := _KINDS.get(policy.kind)) is not None and policy.domain:
            entry = TlsSeen(
                policy.domain,
                kind,
                policy.lines,
                policy.hosts,
                result.host,
                result.address,
                result.failure,
                result.detail[:200],
            )
            self._add("tls", policy.domain, _encoder.encode(entry))

    def _add(self, kind: ReportKind, domain: str, entry: bytes) -> None:
        counts = self._counts.setdefault((kind, int(self._clock.now() // DAY_S)), Counter())
        if (domain, entry) in counts or len(counts) < MAX_ENTRIES:
            counts[domain, entry] += 1

    async def flush(self) -> None:
        """Raises Temporary; then the counts are kept for the next time."""
        for kind, day in list(self._counts):
            counts = self._counts.pop((kind, day))
            try:
                await self._book.note(kind, day, counts)
            except BaseException:
                self._counts.setdefault((kind, day), Counter()).update(counts)
                raise


def encoded(seen: DmarcSeen) -> bytes:
    """As ``dmarc_encoded`` takes it."""
    return _encoder.encode(seen)


def decoded_dmarc(octets: bytes) -> DmarcSeen:
    """As the book gives it."""
    return _dmarc_decoder.decode(octets)


def decoded_tls(octets: bytes) -> TlsSeen:
    """As the book gives it."""
    return _tls_decoder.decode(octets)
