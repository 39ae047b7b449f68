"""Triplets that nobody has seen are answered at once, told together, and never hide a database that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from posthouse.backends.known_triplets import KnownTriplets, Peek
from posthouse.backends.memory.triplets import MemoryTriplets
from posthouse.backends.new_triplets import NewTriplets
from posthouse.base.errors import Temporary
from posthouse.model.triplet import Outcome, Terms, Triplet, TripletQuery

TERMS = Terms(earliest_s=300, latest_s=43_200, lifetime_s=3_110_400)
AT = 1_000_000.0


class Recording(MemoryTriplets):
    """Counts how it is asked; fails where it is told to; waits where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.failing = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        self.asked.append(len(asked))
        await self.gate.wait()
        if self.failing:
            raise Temporary("Local trouble, try again later", cause="the disk is full")
        return await super().decide(asked, at, terms)


def _triplet(number: int) -> Triplet:
    return Triplet("192.0.2.0/24", f"s{number}@sender.test", "u@here.test", "here.test")


def _known(inner: Recording) -> KnownTriplets:
    return KnownTriplets(inner, Peek(lambda _: None, lambda _: (0, 0.0)))


async def test_strangers_are_answered_at_once_and_told_in_a_few_calls() -> None:
    inner = Recording()
    known = _known(inner)
    assert await known.decide([_triplet(0)], AT, TERMS) == ["new"]  # asks: nothing is known of the database yet
    for number in range(1, 1001):
        assert await known.decide([_triplet(number)], AT, TERMS) == ["new"]
    found = await known.find(TripletQuery(limit=5000))
    await known.close()
    assert len(found) == 1001
    assert sum(inner.asked) == 1001
    assert len(inner.asked) <= 5
    assert all(each.standing.tries == 1 for each in found)


async def test_one_that_comes_again_before_it_is_told_is_early_and_counted() -> None:
    inner = Recording()
    known = _known(inner)
    await known.decide([_triplet(0)], AT, TERMS)
    assert await known.decide([_triplet(1), _triplet(1)], AT, TERMS) == ["new", "early"]
    [kept] = await known.find(TripletQuery(sender="s1@*"))
    await known.close()
    assert kept.standing.tries == 2


async def test_a_database_that_fails_is_noticed_at_the_next_stranger() -> None:
    inner = Recording()
    known = _known(inner)
    await known.decide([_triplet(0)], AT, TERMS)
    inner.failing = True
    assert await known.decide([_triplet(1)], AT, TERMS) == ["new"]
    await known.tell()
    for number in (1, 2):
        with pytest.raises(Temporary):
            await known.decide([_triplet(number)], AT, TERMS)
    inner.failing = False
    assert await known.decide([_triplet(1)], AT, TERMS) == ["new"]
    await known.close()


async def test_a_database_that_is_slow_is_asked_so_that_the_caller_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.backends.new_triplets.SLOW_S", -1.0)
    inner = Recording()
    known = _known(inner)
    await known.decide([_triplet(0)], AT, TERMS)
    inner.gate.clear()
    assert await known.decide([_triplet(1)], AT, TERMS) == ["new"]
    while len(inner.asked) < 2:
        await asyncio.sleep(0)
    waiting = asyncio.ensure_future(known.decide([_triplet(2)], AT, TERMS))
    while len(inner.asked) < 3:
        await asyncio.sleep(0)
    assert not waiting.done()
    inner.gate.set()
    assert await waiting == ["new"]
    await known.close()


async def test_what_waits_is_bounded() -> None:
    told: list[int] = []

    async def tell(asked: Sequence[Triplet], at: float, terms: Terms) -> None:
        told.append(len(asked))

    new = NewTriplets(tell)
    new.trust()
    taken = [new.take(_triplet(number), AT, TERMS) for number in range(5000)]
    assert taken.count("new") == 2000
    assert taken.count(None) == 3000
    await new.close()
    assert told == [500, 500, 500, 500]


async def test_where_senders_may_come_back_at_once_each_is_decided_by_the_database() -> None:
    inner = Recording()
    known = _known(inner)
    terms = Terms(earliest_s=0, latest_s=43_200, lifetime_s=3_110_400)
    for number in range(3):
        await known.decide([_triplet(number)], AT, terms)
    assert inner.asked == [1, 1, 1]
    await known.close()
