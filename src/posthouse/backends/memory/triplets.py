"""Greylisting's memory in memory, for tests and tools (interfaces/triplets.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from posthouse.base.glob import matches
from posthouse.model.triplet import (
    MOST_NAMES,
    OTHERS,
    PASSED,
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
    column_of,
    day_of,
    step,
)  # fmt: skip


@dataclass(slots=True)
class _Client:
    """``waiting`` and ``valid`` count triplets."""

    waiting: int = 0
    valid: int = 0
    expires_at: float = 0.0


class MemoryTriplets:
    """``interfaces.triplets.Triplets``."""

    def __init__(self) -> None:
        self._kept: dict[Triplet, tuple[Triplet, Standing, float]] = {}
        self._clients: dict[str, _Client] = {}
        self._tallies: dict[tuple[int, TallyKind, str], Tally] = {}
        self._reputations: dict[tuple[str, str], tuple[int, float]] = {}

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        return [self._decide(triplet, at, terms) for triplet in asked]

    def _decide(self, triplet: Triplet, at: float, terms: Terms) -> Outcome:
        client = self._clients.setdefault(triplet.network, _Client())
        if terms.auto_allow and client.valid >= terms.auto_allow and at <= client.expires_at:
            client.expires_at = at + terms.lifetime_s
            self._count(triplet.domain, triplet.network, at, "passed")
            return "allowed"
        _, before, _ = self._kept.get(triplet, (triplet, None, 0.0))
        after, outcome = step(before, at, terms)
        if outcome == "late" and before is not None and not before.valid_at:
            self._count(triplet.domain, triplet.network, before.first_at, "lost")
        if before is None or (outcome == "late" and before.valid_at):
            self._make_room(triplet.network, terms)
            client.waiting += 1
        if outcome == "retried":
            client.waiting, client.valid = client.waiting - 1, client.valid + 1
        if outcome in PASSED:
            client.expires_at = max(client.expires_at, at + terms.lifetime_s)
        self._kept[triplet] = (triplet, after, after.expires_at(terms))
        self._count(triplet.domain, triplet.network, at, column_of(outcome, learning=terms.learning))
        return outcome

    def _make_room(self, network: str, terms: Terms) -> None:
        if self._clients[network].waiting >= terms.most_waiting:
            here = [entry for entry in self._kept.values() if entry[0].network == network and not entry[1].valid_at]
            here.sort(key=lambda entry: (entry[1].first_at, entry[0].sender, entry[0].recipient))
            self._drop(here[: max(terms.most_waiting // 10, 1)])
        if len(self._kept) >= terms.most:
            by_end = sorted(self._kept.values(), key=lambda entry: (entry[2], entry[0].network, entry[0].sender))
            self._drop(by_end[: max(terms.most // 100, 1)])

    def _drop(self, entries: Sequence[tuple[Triplet, Standing, float]]) -> None:
        for triplet, standing, _ in entries:
            del self._kept[triplet]
            if not standing.valid_at:
                self._clients[triplet.network].waiting -= 1
                self._count(triplet.domain, triplet.network, standing.first_at, "lost")

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        for use in uses:
            column = column_of(use.outcome, learning=terms.learning)
            self._count(use.triplet.domain, use.triplet.network, use.at, column, use.count)
            client = self._clients.get(use.triplet.network)
            if use.outcome != "early" and client is not None:
                client.expires_at = max(client.expires_at, use.at + terms.lifetime_s)
            if use.outcome != "allowed" and use.triplet in self._kept:
                triplet, standing, _ = self._kept[use.triplet]
                after = replace(standing, last_at=max(standing.last_at, use.at))
                if use.outcome == "early":
                    after = replace(after, tries=after.tries + use.count)
                else:
                    after = replace(after, passes=after.passes + use.count)
                self._kept[triplet] = (triplet, after, after.expires_at(terms))

    def _count(self, domain: str, network: str, at: float, column: str, count: int = 1) -> None:
        names: tuple[tuple[TallyKind, str], ...] = (("domain", domain), ("network", network))
        for kind, name in names:
            day = day_of(at)
            if (day, kind, name) not in self._tallies:
                today = sum(key[:2] == (day, kind) for key in self._tallies)
                name = name if today < MOST_NAMES else OTHERS
            tally = self._tallies.get((day, kind, name), Tally(name))
            self._tallies[day, kind, name] = replace(tally, **{column: getattr(tally, column) + count})

    async def reputation(self, domain: str, network: str, at: float) -> Reputation:
        held = {key[1]: good for key, (good, until) in self._reputations.items() if key[0] == domain and until >= at}
        return Reputation(held.get(network, 0), sum(held.values()))

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        good, expires_at = self._reputations.get((domain, network), (0, 0.0))
        self._reputations[domain, network] = (good + count, max(expires_at, at + lifetime_s))

    async def find(self, query: TripletQuery) -> Sequence[Kept]:
        found = [Kept(triplet, standing) for triplet, standing, _ in self._kept.values() if _fits(query, triplet, standing)]
        found.sort(key=lambda kept: kept.standing.first_at, reverse=True)
        return found[: max(query.limit, 0)]

    async def statistics(self, kind: TallyKind, since: float) -> Sequence[Tally]:
        sums: dict[str, Tally] = {}
        for (day, counted, name), tally in self._tallies.items():
            if counted == kind and day >= day_of(since):
                sums[name] = _sum(sums.get(name, Tally(name)), tally)
        return sorted(sums.values(), key=lambda tally: (-_attempts(tally), tally.name))

    async def waiting(self) -> int:
        return sum(not standing.valid_at for _, standing, _ in self._kept.values())

    async def forget(self, query: TripletQuery) -> int:
        found = await self.find(query)
        for kept in found:
            del self._kept[kept.triplet]
            client = self._clients[kept.triplet.network]
            if kept.standing.valid_at:
                client.valid = max(client.valid - 1, 0)
            else:
                client.waiting -= 1
        return len(found)

    async def expire(self, now: float, statistics_before: float) -> int:
        gone = [entry for entry in self._kept.values() if entry[2] < now]
        self._drop(gone)
        ended = [name for name, client in self._clients.items() if client.expires_at < now and not client.waiting]
        for network in ended:
            del self._clients[network]
        self._reputations = {key: entry for key, entry in self._reputations.items() if entry[1] >= now}
        first = day_of(statistics_before)
        self._tallies = {key: tally for key, tally in self._tallies.items() if key[0] >= first}
        return len(gone)

    async def close(self) -> None:
        return None


def _fits(query: TripletQuery, triplet: Triplet, standing: Standing) -> bool:
    state = {"": True, "waiting": not standing.valid_at, "valid": bool(standing.valid_at), "learnt": standing.learnt}
    pairs = ((query.network, triplet.network), (query.sender, triplet.sender or "<>"), (query.recipient, triplet.recipient))
    return state[query.state] and all(not pattern or matches(pattern, text) for pattern, text in pairs)


def _sum(one: Tally, other: Tally) -> Tally:
    return Tally(
        one.name,
        one.passed + other.passed,
        one.delayed + other.delayed,
        one.retried + other.retried,
        one.lost + other.lost,
        one.would_wait + other.would_wait,
    )


def _attempts(tally: Tally) -> int:
    return tally.passed + tally.delayed + tally.retried + tally.would_wait
