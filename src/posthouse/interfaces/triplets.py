"""Greylisting's memory: triplets, how many each client has, reputations, daily statistics (GRY).

Kept in the node, or shared by several gateways. Whoever calls lets mail in when a call fails: nothing here is worth a lost
message. Each attempt is decided in one round trip; what was decided from a memory of the caller's is told afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.triplet import Kept, Outcome, Reputation, Tally, TallyKind, Terms, Triplet, TripletQuery, Use


class Triplets(Protocol):
    """Bounded as ``Terms`` says. Texts may be any; what cannot be stored as UTF-8 is kept in a form that can.

    Each call raises Temporary when the database does not do it.
    """

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        """One attempt at each triplet, by ``model.triplet.step``, with one outcome for each, in order. A client with
        ``terms.auto_allow`` valid triplets is answered ``allowed`` (a valid triplet of it may still be answered ``valid``), and
        nothing new is kept of it. What let mail through
        survives a crash of the node once it was answered. Counts in the statistics.
        """
        ...

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        """Takes note of attempts answered from memory: last use, tries, statistics. A triplet that is gone stays gone."""
        ...

    async def reputation(self, domain: str, network: str, at: float) -> Reputation:
        """What is known of a domain's signed mail; nothing: zeros."""
        ...

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        """``count`` more signed messages of ``domain`` from ``network`` were taken; forgotten when unused for
        ``lifetime_s``."""
        ...

    async def find(self, query: TripletQuery) -> Sequence[Kept]:
        """Newest first by when they were first seen."""
        ...

    async def statistics(self, kind: TallyKind, since: float) -> Sequence[Tally]:
        """Sums over the days from that of ``since`` on, the busiest name first."""
        ...

    async def waiting(self) -> int:
        """How many triplets wait for their retry now."""
        ...

    async def forget(self, query: TripletQuery) -> int:
        """Deletes at most ``query.limit`` triplets; gives how many. A client that they made allowed is asked anew."""
        ...

    async def expire(self, now: float, statistics_before: float) -> int:
        """Drops what has ended: waiting triplets count as lost, on the day when they were first seen; clients and
        reputations unused for long; statistics of days before that of ``statistics_before``. Gives how many triplets."""
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...
