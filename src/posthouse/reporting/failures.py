"""Messages of which their authors' domains want to be told that they failed, until the reports go out (MON-5): one report for
all that are alike, and no more in an hour than settings allow. In memory: a report is a courtesy, not a promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from posthouse.base.clock import Clock
from posthouse.model.mail_reports import FailureSeen

HOUR_S = 3600.0
MAX_WAITING = 1_000
"""Kinds of failures that wait; others are passed over until there is room."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(FailureSeen)


@dataclass(slots=True)
class _Waiting:
    seen: FailureSeen
    count: int
    since: float


class Failures:
    """In the steward. ``take`` gives what may be told now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[tuple[str, str, str, str], _Waiting] = {}
        self._hour = 0
        self._told = 0
        self._told_domain: Counter[str] = Counter()

    def seen(self, failure: FailureSeen) -> None:
        """One message."""
        key = (failure.policy_domain, failure.author, failure.failure, failure.client)
        if key in self._waiting:
            self._waiting[key].count += 1
        elif len(self._waiting) < MAX_WAITING:
            self._waiting[key] = _Waiting(failure, 1, self._clock.now())

    def encoded(self, octets: bytes) -> None:
        """One message, as a worker sends it. Raises msgspec.DecodeError."""
        self.seen(_decoder.decode(octets))

    def take(self, for_domain: int, in_all: int) -> Sequence[tuple[FailureSeen, int]]:
        """Failures to be told of, each with how many messages it stands for; at most so many in an hour for a domain (the one
        that asks, and the one that its addresses lie in) and for all. What waited an hour in vain is forgotten."""
        hour = int(self._clock.now() // HOUR_S)
        if hour != self._hour:
            self._hour, self._told, self._told_domain = hour, 0, Counter()
        taken = []
        for key, waiting in list(self._waiting.items()):
            names = {waiting.seen.policy_domain, *(_host(uri) for uri in waiting.seen.to)}
            if self._told < in_all and all(self._told_domain[name] < for_domain for name in names):
                self._told += 1
                self._told_domain.update(names)
                taken.append((waiting.seen, waiting.count))
            elif self._clock.now() - waiting.since < HOUR_S:
                continue
            del self._waiting[key]
        return taken


def encoded(failure: FailureSeen) -> bytes:
    """As ``Failures.encoded`` takes it."""
    return _encoder.encode(failure)


def _host(uri: str) -> str:
    return uri.partition("!")[0].partition("?")[0].rpartition("@")[2].lower()
