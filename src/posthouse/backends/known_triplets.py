"""What a worker knows of triplets, in front of any of their backends, so that known senders cost no round trip.

Bounded memory: valid triplets and allowed clients are remembered for five minutes, then asked anew. What is answered from
memory, or from ``peek`` where the backend can, is told afterwards in batches. Losing a batch costs statistics, never mail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from posthouse.backends.gathering import Gathering
from posthouse.backends.new_triplets import NewTriplets
from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.interfaces.triplets import Triplets
from posthouse.model.triplet import (
    Kept,
    Outcome,
    Reputation,
    Standing,
    Tally,
    TallyKind,
    Terms,
    Triplet,
    TripletQuery,
    Use,
    step,
)  # fmt: skip

REMEMBERED = 10_000
REMEMBERED_S = 300.0
MOST_USES = 20_000
TELL_S = 1.0
TELL_AT = 1_000

_log = log.get("greylist")
_Question = tuple[Triplet, float, Terms]
Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Peek:
    """Quick looks into the database, on the loop. See ``SqliteTriplets``."""

    triplet: Callable[[Triplet], Standing | None]
    client: Callable[[str], tuple[int, float]]


class KnownTriplets:
    """``interfaces.triplets.Triplets`` in front of ``inner``."""

    def __init__(self, inner: Triplets, peek: Peek | None = None) -> None:
        self._inner = inner
        self._peek = peek
        self._valid: dict[Triplet, float] = {}
        self._allowed: dict[str, float] = {}
        self._reputations: dict[tuple[str, str], tuple[Reputation, float]] = {}
        self._uses: dict[tuple[Triplet, Outcome], tuple[int, float]] = {}
        self._praises: dict[tuple[str, str], tuple[int, float, float]] = {}
        self._terms: Terms | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._telling: asyncio.Task[None] | None = None
        self._gathering: Gathering[_Question, Outcome] = Gathering(self._ask)
        self._new = NewTriplets(inner.decide)

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        outcomes = [self._from_memory(triplet, at, terms) for triplet in asked]
        unknown = [(triplet, at, terms) for triplet, outcome in zip(asked, outcomes, strict=True) if outcome is None]
        answers = iter(await self._gathering.ask(unknown) if unknown else ())
        return [next(answers) if outcome is None else outcome for outcome in outcomes]

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        for use in uses:
            self._note(use.triplet, use.outcome, use.at, terms, use.count)

    async def reputation(self, domain: str, network: str, at: float) -> Reputation:
        known = self._reputations.get((domain, network))
        if known is not None and known[1] > at:
            return known[0]
        found = await self._inner.reputation(domain, network, at)
        _keep(self._reputations, (domain, network), (found, at + REMEMBERED_S))
        return found

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        before, last_at, _ = self._praises.get((domain, network), (0, at, 0.0))
        if before or len(self._praises) < MOST_USES:
            self._praises[domain, network] = (before + count, max(at, last_at), lifetime_s)
        self._tell_later()

    async def find(self, query: TripletQuery) -> Sequence[Kept]:
        await self.tell()
        return await self._inner.find(query)

    async def statistics(self, kind: TallyKind, since: float) -> Sequence[Tally]:
        await self.tell()
        return await self._inner.statistics(kind, since)

    async def waiting(self) -> int:
        await self._new.settle()
        return await self._inner.waiting()

    async def forget(self, query: TripletQuery) -> int:
        self.clear()
        await self._new.settle()
        return await self._inner.forget(query)

    async def expire(self, now: float, statistics_before: float) -> int:
        return await self._inner.expire(now, statistics_before)

    async def close(self) -> None:
        await self._gathering.close()
        if self._telling is not None:
            await asyncio.gather(self._telling, return_exceptions=True)
        await self._new.close()
        await self.tell()
        if self._timer is not None:
            self._timer.cancel()
        await self._inner.close()

    def clear(self) -> None:
        """Remembers nothing: something was deleted or changed elsewhere."""
        self._valid.clear()
        self._allowed.clear()
        self._reputations.clear()

    async def tell(self) -> None:
        """Tells what is to be told now; what cannot be is dropped."""
        await self._new.settle()
        uses, self._uses = self._uses, {}
        praises, self._praises = self._praises, {}
        told = [Use(triplet, outcome, count, at) for (triplet, outcome), (count, at) in uses.items()]
        try:
            if told and self._terms is not None:
                await self._inner.use(told, self._terms)
            for (domain, network), (count, at, lifetime_s) in praises.items():
                await self._inner.praise(domain, network, at, lifetime_s, count)
        except MailError as error:
            _log.warning("uses-not-told", count=len(told) + len(praises), cause=error.cause or error.public)

    def _from_memory(self, triplet: Triplet, at: float, terms: Terms) -> Outcome | None:
        outcome: Outcome | None = None
        if self._valid.get(triplet, 0.0) > at:
            outcome = "valid"
        elif terms.auto_allow and self._allowed.get(triplet.network, 0.0) > at:
            outcome = "allowed"
        elif self._peek is not None:
            outcome = self._peeked(self._peek, triplet, at, terms)
            self._remember(triplet, outcome, at, terms)
        if outcome is not None and outcome != "new":
            self._note(triplet, outcome, at, terms)
        return outcome

    def _peeked(self, peek: Peek, triplet: Triplet, at: float, terms: Terms) -> Outcome | None:
        try:
            standing = peek.triplet(triplet)
            if standing is not None and standing.valid_at and at - standing.last_at <= terms.lifetime_s:
                return "valid"
            if terms.auto_allow:
                valid, expires_at = peek.client(triplet.network)
                if valid >= terms.auto_allow and at <= expires_at:
                    return "allowed"
        except MailError:
            return None  # the writer will say what is wrong
        if standing is None:
            return self._new.take(triplet, at, terms)
        outcome = step(standing, at, terms)[1]
        return outcome if outcome == "early" else None

    async def _ask(self, questions: Sequence[_Question]) -> Sequence[Outcome]:
        """Those that came together, by the newest settings and the latest time among them."""
        _, _, terms = questions[-1]
        outcomes = await self._inner.decide([triplet for triplet, _, _ in questions], max(at for _, at, _ in questions), terms)
        self._new.trust()
        for (triplet, at, _), outcome in zip(questions, outcomes, strict=True):
            self._remember(triplet, outcome, at, terms)
        return outcomes

    def _remember(self, triplet: Triplet, outcome: Outcome | None, at: float, terms: Terms) -> None:
        until = at + min(REMEMBERED_S, terms.lifetime_s / 2)
        if outcome in ("valid", "retried"):
            _keep(self._valid, triplet, until)
        elif outcome == "allowed":
            _keep(self._allowed, triplet.network, until)

    def _note(self, triplet: Triplet, outcome: Outcome, at: float, terms: Terms, count: int = 1) -> None:
        before, last_at = self._uses.get((triplet, outcome), (0, at))
        if before or len(self._uses) < MOST_USES:
            self._uses[triplet, outcome] = (before + count, max(last_at, at))
        self._terms = terms
        self._tell_later()

    def _tell_later(self) -> None:
        if len(self._uses) >= TELL_AT and self._telling is None:
            self._tell_soon()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_S, self._tell_soon)

    def _tell_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._telling is None:
            self._telling = asyncio.get_running_loop().create_task(self.tell())
            self._telling.add_done_callback(self._told)

    def _told(self, _: asyncio.Task[None]) -> None:
        self._telling = None


def _keep(entries: dict[Key, Value], key: Key, value: Value) -> None:
    """At most REMEMBERED entries, the oldest go first."""
    entries.pop(key, None)
    if len(entries) >= REMEMBERED:
        del entries[next(iter(entries))]
    entries[key] = value
