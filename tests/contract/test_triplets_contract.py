"""What interfaces/triplets.py promises, held against every backend."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.backends.memory.triplets import MemoryTriplets
from posthouse.interfaces.triplets import Triplets
from posthouse.model.triplet import Outcome, Reputation, Tally, TallyKind, Terms, Triplet, TripletQuery, Use
from support.triplet_backends import BACKENDS

TERMS = Terms(earliest_s=300, latest_s=43_200, lifetime_s=3_110_400)
T0 = 1_790_000_000.0
DAY = 86_400.0
ONE = Triplet("192.0.2.0/24", "lena@elsewhere.test", "jane@example.test", "example.test")


def other(number: int, network: str = "192.0.2.0/24") -> Triplet:
    return Triplet(network, f"sender{number}@elsewhere.test", "jane@example.test", "example.test")


@pytest.fixture(params=list(BACKENDS))
async def triplets(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Triplets]:
    async with BACKENDS[request.param](tmp_path) as opened:
        yield opened


async def outcome(triplets: Triplets, triplet: Triplet, at: float, terms: Terms = TERMS) -> Outcome:
    [answer] = await triplets.decide([triplet], at, terms)
    return answer


async def total(triplets: Triplets, kind: TallyKind = "domain", since: float = T0) -> Tally:
    [tally] = await triplets.statistics(kind, since)
    return tally


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([0], ["new"]),
        ([0, 10], ["new", "early"]),
        ([0, 299.9], ["new", "early"]),
        ([0, 300], ["new", "retried"]),
        ([0, 10, 300, 301], ["new", "early", "retried", "valid"]),
        ([0, 43_200], ["new", "retried"]),
        ([0, 43_201], ["new", "late"]),
        ([0, 43_201, 43_300], ["new", "late", "early"]),
        ([0, 43_201, 43_501], ["new", "late", "retried"]),
        ([0, 300, 300 + 3_110_400], ["new", "retried", "valid"]),
        ([0, 300, 301 + 3_110_400], ["new", "retried", "late"]),
        ([0, 300, 3_000_000, 6_000_000], ["new", "retried", "valid", "valid"]),
        ([0, 300, 301 + 3_110_400, 700 + 3_110_400], ["new", "retried", "late", "retried"]),
    ],
)
async def test_a_triplet_goes_by_the_clock(triplets: Triplets, attempts: list[float], expected: list[Outcome]) -> None:
    assert [await outcome(triplets, ONE, T0 + at) for at in attempts] == expected


async def test_client_sender_and_recipient_each_make_another_triplet(triplets: Triplets) -> None:
    await outcome(triplets, ONE, T0)
    others = [
        Triplet("192.0.3.0/24", ONE.sender, ONE.recipient, ONE.domain),
        Triplet(ONE.network, "", ONE.recipient, ONE.domain),
        Triplet(ONE.network, ONE.sender, "omar@example.test", ONE.domain),
    ]
    assert list(await triplets.decide(others, T0 + 400, TERMS)) == ["new", "new", "new"]
    assert await outcome(triplets, ONE, T0 + 400) == "retried"


async def test_several_are_decided_at_once_in_order(triplets: Triplets) -> None:
    await triplets.decide([other(1), other(2)], T0, TERMS)
    asked = [other(3), other(2), other(4), other(1)]
    assert list(await triplets.decide(asked, T0 + 400, TERMS)) == ["new", "retried", "new", "retried"]


async def test_one_that_is_asked_twice_at_once_is_new_and_then_early(triplets: Triplets) -> None:
    assert list(await triplets.decide([ONE, ONE], T0, TERMS)) == ["new", "early"]


async def test_a_client_with_enough_valid_triplets_is_allowed(triplets: Triplets) -> None:
    terms = Terms(300, 43_200, 3_110_400, auto_allow=3)
    for at in (T0, T0 + 400):
        await triplets.decide([other(number) for number in range(3)], at, terms)
    assert await outcome(triplets, other(9), T0 + 500, terms) == "allowed"
    assert await outcome(triplets, other(9, "198.51.100.0/24"), T0 + 500, terms) == "new"
    assert await triplets.find(TripletQuery(sender="sender9@*", network="192.0.2.*")) == []


async def test_an_allowed_client_is_asked_anew_after_its_lifetime(triplets: Triplets) -> None:
    terms = Terms(300, 43_200, 100_000, auto_allow=1)
    await outcome(triplets, ONE, T0, terms)
    await outcome(triplets, ONE, T0 + 400, terms)
    assert await outcome(triplets, other(1), T0 + 90_000, terms) == "allowed"
    assert await outcome(triplets, other(1), T0 + 180_000, terms) == "allowed"
    assert await outcome(triplets, other(1), T0 + 400_000, terms) == "new"


async def test_learning_makes_whoever_writes_again_valid_within_the_lifetime(triplets: Triplets) -> None:
    learning = Terms(300, 43_200, 3_110_400, learning=True)
    assert await outcome(triplets, ONE, T0, learning) == "new"
    assert await outcome(triplets, ONE, T0 + 2 * DAY, learning) == "retried"
    assert await outcome(triplets, ONE, T0 + 3 * DAY) == "valid"
    [kept] = await triplets.find(TripletQuery(state="learnt"))
    assert kept.triplet == ONE
    assert (await total(triplets)).would_wait == 1


async def test_statistics_add_up_by_domain_and_by_network(triplets: Triplets) -> None:
    for at in (0, 100, 400, 500):
        await outcome(triplets, ONE, T0 + at)
    await outcome(triplets, other(1, "198.51.100.0/24"), T0 + 600)
    assert await total(triplets) == Tally("example.test", passed=1, delayed=3, retried=1)
    assert list(await triplets.statistics("network", T0)) == [
        Tally("192.0.2.0/24", passed=1, delayed=2, retried=1),
        Tally("198.51.100.0/24", delayed=1),
    ]


async def test_what_never_came_back_is_counted_on_the_day_it_was_first_seen(triplets: Triplets) -> None:
    await triplets.decide([other(1), other(2), other(3)], T0, TERMS)
    await outcome(triplets, other(1), T0 + 400)
    assert await triplets.waiting() == 2
    assert await triplets.expire(T0 + 43_000, T0 - DAY) == 0
    assert await triplets.expire(T0 + 2 * DAY, T0 - DAY) == 2
    assert await triplets.waiting() == 0
    assert await total(triplets) == Tally("example.test", delayed=3, retried=1, lost=2)
    assert list(await triplets.statistics("domain", T0 + DAY)) == []
    [kept] = await triplets.find(TripletQuery())
    assert kept.triplet == other(1)


async def test_coming_back_too_late_counts_as_lost_and_as_delayed_again(triplets: Triplets) -> None:
    await outcome(triplets, ONE, T0)
    await outcome(triplets, ONE, T0 + 50_000)
    tallies = await triplets.statistics("domain", T0 - DAY)
    assert sum(tally.lost for tally in tallies) == 1
    assert sum(tally.delayed for tally in tallies) == 2


async def test_valid_triplets_end_after_their_lifetime_and_are_not_lost(triplets: Triplets) -> None:
    await outcome(triplets, ONE, T0)
    await outcome(triplets, ONE, T0 + 400)
    assert await triplets.expire(T0 + 40 * DAY, T0 - DAY) == 1
    assert (await total(triplets)).lost == 0
    assert await outcome(triplets, ONE, T0 + 40 * DAY) == "new"


async def test_old_statistics_go(triplets: Triplets) -> None:
    await outcome(triplets, ONE, T0)
    await outcome(triplets, ONE, T0 + 3 * DAY)
    await triplets.expire(T0 + 3 * DAY, T0 + 2 * DAY)
    assert (await total(triplets, since=T0 - DAY)).delayed == 1


async def test_one_network_cannot_keep_more_waiting_than_its_share(triplets: Triplets) -> None:
    terms = Terms(300, 43_200, 3_110_400, most_waiting=20)
    await outcome(triplets, other(0, "198.51.100.0/24"), T0, terms)
    for number in range(100):
        await outcome(triplets, other(number), T0 + 1 + number / 10, terms)
    waiting = await triplets.find(TripletQuery(network="192.0.2.0/24", limit=1000))
    assert 18 <= len(waiting) <= 20
    assert await triplets.waiting() == len(waiting) + 1
    assert waiting[0].triplet == other(99)
    assert (await triplets.statistics("network", T0))[0].lost == 100 - len(waiting)
    assert await outcome(triplets, other(99), T0 + 400, terms) == "retried"


async def test_all_networks_together_keep_no_more_than_the_most(triplets: Triplets) -> None:
    terms = Terms(300, 43_200, 3_110_400, most=50)
    await outcome(triplets, ONE, T0 - 1000, terms)
    await outcome(triplets, ONE, T0 - 500, terms)
    for number in range(200):
        await outcome(triplets, other(number, f"10.0.{number}.0/24"), T0 + number, terms)
    kept = await triplets.find(TripletQuery(limit=1000))
    assert len(kept) <= 50
    assert ONE in [each.triplet for each in kept], "what is valid is kept before what waits"


async def test_uses_told_afterwards_renew_and_count(triplets: Triplets) -> None:
    await outcome(triplets, ONE, T0)
    await outcome(triplets, ONE, T0 + 400)
    await triplets.use([Use(ONE, "valid", 7, T0 + 30 * DAY), Use(other(5), "valid", 1, T0)], TERMS)
    [kept] = await triplets.find(TripletQuery())
    assert (kept.standing.passes, kept.standing.last_at) == (8, T0 + 30 * DAY)
    assert await triplets.expire(T0 + 40 * DAY, T0 - DAY) == 0
    assert sum(tally.passed for tally in await triplets.statistics("domain", T0 - DAY)) == 8


async def test_tries_told_afterwards_count_as_delayed(triplets: Triplets) -> None:
    await outcome(triplets, ONE, T0)
    await triplets.use([Use(ONE, "early", 3, T0 + 10)], TERMS)
    [kept] = await triplets.find(TripletQuery())
    assert (kept.standing.tries, kept.standing.last_at) == (4, T0 + 10)
    assert (await total(triplets)).delayed == 4
    assert await outcome(triplets, ONE, T0 + 300) == "retried"


async def test_finding_by_text_and_state(triplets: Triplets) -> None:
    null = Triplet("2001:db8::/64", "", "omar@example.org", "example.org")
    await triplets.decide([ONE], T0, TERMS)
    await triplets.decide([null], T0 + 1, TERMS)
    await outcome(triplets, ONE, T0 + 400)

    async def found(query: TripletQuery) -> list[Triplet]:
        return [kept.triplet for kept in await triplets.find(query)]

    assert await found(TripletQuery()) == [null, ONE]
    assert await found(TripletQuery(limit=1)) == [null]
    assert await found(TripletQuery(sender="<>")) == [null]
    assert await found(TripletQuery(sender="LENA@*")) == [ONE]
    assert await found(TripletQuery(recipient="*@example.org")) == [null]
    assert await found(TripletQuery(network="2001:db8::/64")) == [null]
    assert await found(TripletQuery(state="waiting")) == [null]
    assert await found(TripletQuery(state="valid")) == [ONE]
    assert await found(TripletQuery(sender="%")) == []


async def test_what_is_forgotten_is_new_again(triplets: Triplets) -> None:
    terms = Terms(300, 43_200, 3_110_400, auto_allow=1)
    await triplets.decide([ONE, other(1)], T0, terms)
    await outcome(triplets, ONE, T0 + 400, terms)
    assert await triplets.forget(TripletQuery(sender="lena@*")) == 1
    assert await triplets.forget(TripletQuery(sender="nobody@*")) == 0
    assert await outcome(triplets, ONE, T0 + 500, terms) == "new"
    assert await triplets.forget(TripletQuery()) == 2
    assert await triplets.waiting() == 0


async def test_a_reputation_grows_here_and_anywhere_and_ends(triplets: Triplets) -> None:
    await triplets.praise("elsewhere.test", "192.0.2.0/24", T0, 1000)
    await triplets.praise("elsewhere.test", "192.0.2.0/24", T0 + 1, 1000, 2)
    await triplets.praise("elsewhere.test", "198.51.100.0/24", T0, 1000)
    await triplets.find(TripletQuery())  # a worker's praises are told by now
    assert await triplets.reputation("elsewhere.test", "192.0.2.0/24", T0 + 2) == Reputation(3, 4)
    assert await triplets.reputation("elsewhere.test", "203.0.113.0/24", T0 + 2) == Reputation(0, 4)
    assert await triplets.reputation("another.test", "192.0.2.0/24", T0 + 2) == Reputation()
    assert await triplets.reputation("elsewhere.test", "192.0.2.0/24", T0 + 5000) == Reputation()
    await triplets.expire(T0 + 5000, T0)
    assert await triplets.reputation("elsewhere.test", "192.0.2.0/24", T0 + 2000) in (Reputation(), Reputation(3, 4))


@pytest.mark.parametrize(
    "text", ["jörg@exämple.test", "a%_'\"\\;--@x", "\udce9@x.test", "\x00@x.test", "x" * 400 + "@x", "😀@x"]
)
async def test_strange_texts_are_kept_apart(triplets: Triplets, text: str) -> None:
    strange = Triplet("192.0.2.0/24", text, text, "example.test")
    assert await outcome(triplets, strange, T0) == "new"
    assert await outcome(triplets, ONE, T0) == "new"
    assert await outcome(triplets, strange, T0 + 400) == "retried"
    assert await outcome(triplets, strange, T0 + 401) == "valid"


async def test_a_long_random_story_is_told_as_in_memory(triplets: Triplets) -> None:
    """Whatever the order of attempts, uses and expiry, all backends answer and count alike."""
    oracle, chance, at = MemoryTriplets(), random.Random(7), T0
    terms = Terms(300, 4_000, 20_000, most_waiting=15)
    for _ in range(400):
        at += chance.choice((1, 50, 400, 3000))
        asked = [other(chance.randrange(12), f"10.0.{chance.randrange(4)}.0/24") for _ in range(chance.randrange(1, 4))]
        assert list(await triplets.decide(asked, at, terms)) == list(await oracle.decide(asked, at, terms)), at
        if chance.random() < 0.1:
            assert await triplets.expire(at, T0) == await oracle.expire(at, T0)
    assert await triplets.waiting() == await oracle.waiting()
    for kind in ("domain", "network"):
        ours, theirs = await triplets.statistics(kind, T0), await oracle.statistics(kind, T0)
        assert list(ours) == list(theirs)
