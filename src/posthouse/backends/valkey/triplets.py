"""Greylisting's memory in Valkey or Redis, shared by several gateways (interfaces/triplets.py, GRY-3).

Every step is a script on the server (``triplet_scripts.py``). Whether triplets survive that server's death is its own settings'
business (appendonly); what it loses is a delay. Lists for administrators look through all triplets.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, cast

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from posthouse.backends.storable import storable, stored
from posthouse.backends.valkey.triplet_scripts import DECIDE, EXPIRE, FORGET, PRAISE, PREFIX, SEPARATOR, USE
from posthouse.base.errors import Temporary
from posthouse.base.glob import matches
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
    day_of,
)  # fmt: skip

CALL_S = 10.0
PAGE = 1_000
MOST_FOUND = 100_000
_FIELDS = ("f", "l", "v", "n", "p", "k", "d")
_COLUMNS = ("passed", "delayed", "retried", "lost", "would_wait")


class ValkeyTriplets:
    """``interfaces.triplets.Triplets``. ``url``: redis://, rediss://, valkey:// or valkeys://."""

    def __init__(self, url: str) -> None:
        address = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        options: dict[str, Any] = {"socket_timeout": CALL_S, "socket_connect_timeout": 5, "max_connections": 4}
        # A connection that died while nobody used it costs one more try, not an answer.
        options |= {"retry": Retry(NoBackoff(), 1), "retry_on_error": [redis.exceptions.ConnectionError]}
        self._server = redis.asyncio.Redis.from_url(address, decode_responses=True, **options)
        script = self._server.register_script
        self._decide, self._use, self._forget = script(DECIDE), script(USE), script(FORGET)
        self._expire, self._praise = script(EXPIRE), script(PRAISE)

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        limits = (terms.most_waiting, terms.most, terms.auto_allow, int(terms.learning))
        values: list[Any] = [repr(at), terms.earliest_s, terms.window_end_s, terms.lifetime_s, *limits]
        for triplet in map(stored, asked):
            values += (_member(triplet), triplet.network, triplet.domain)
        return cast("list[Outcome]", await _answer(self._decide(args=values)))

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        values: list[Any] = [terms.lifetime_s, int(terms.learning)]
        for use in uses:
            triplet = stored(use.triplet)
            values += (_member(triplet), triplet.network, triplet.domain, use.outcome, use.count, repr(use.at))
        if uses:
            await _answer(self._use(args=values))

    async def reputation(self, domain: str, network: str, at: float) -> Reputation:
        known = await _answer(self._server.hgetall(f"{PREFIX}r:{storable(domain)}"))
        pairs = {name: text.split() for name, text in known.items()}
        good = {name: int(count) for name, (count, ends) in pairs.items() if float(ends) >= at}
        return Reputation(good.get(network, 0), sum(good.values()))

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        await _answer(self._praise(args=[storable(domain), network, count, repr(at + lifetime_s)]))

    async def find(self, query: TripletQuery) -> Sequence[Kept]:
        found = [each async for each in self._fitting(query)]
        return [kept for kept, _ in heapq.nlargest(max(query.limit, 0), found, key=lambda each: each[0].standing.first_at)]

    async def statistics(self, kind: TallyKind, since: float) -> Sequence[Tally]:
        sums: dict[str, dict[str, int]] = {}
        for day in await _answer(self._server.smembers(f"{PREFIX}days")):
            if int(day) >= day_of(since):
                for field, count in (await _answer(self._server.hgetall(f"{PREFIX}s:{day}:{kind}"))).items():
                    name, _, column = field.rpartition(SEPARATOR)
                    columns = sums.setdefault(name, dict.fromkeys(_COLUMNS, 0))
                    columns[column] += int(count)
        tallies = [Tally(name, **columns) for name, columns in sums.items()]
        return sorted(tallies, key=lambda each: (-(each.passed + each.delayed + each.retried + each.would_wait), each.name))

    async def waiting(self) -> int:
        return max(int(await _answer(self._server.get(f"{PREFIX}waiting")) or 0), 0)

    async def forget(self, query: TripletQuery) -> int:
        found = [each async for each in self._fitting(query)]
        chosen = heapq.nlargest(max(query.limit, 0), found, key=lambda each: each[0].standing.first_at)
        members, gone = [member for _, member in chosen], 0
        for at in range(0, len(members), PAGE):
            gone += int(await _answer(self._forget(args=members[at : at + PAGE])))
        return gone

    async def expire(self, now: float, statistics_before: float) -> int:
        total = 0
        while count := int(await _answer(self._expire(args=[repr(now), day_of(statistics_before)]))):
            total += count
        return total

    async def close(self) -> None:
        await self._server.aclose()

    async def _fitting(self, query: TripletQuery) -> AsyncIterator[tuple[Kept, str]]:
        """The triplets that fit, with their members; at most MOST_FOUND, so that memory is bounded."""
        cursor, found = 0, 0
        while found < MOST_FOUND:
            cursor, page = await _answer(self._server.zscan(f"{PREFIX}expiry", cursor, count=PAGE))
            members = [member for member, _ in page if _names_fit(query, member)]
            for member, fields in zip(members, await self._fields(members), strict=True):
                if fields[0] is not None:
                    kept = _kept(member, fields)
                    if _state_fits(query, kept.standing):
                        found += 1
                        yield kept, member
            if not cursor:
                return

    async def _fields(self, members: Sequence[str]) -> Sequence[Sequence[str | None]]:
        if not members:
            return []
        pipe = self._server.pipeline(transaction=False)
        for member in members:
            pipe.hmget(f"{PREFIX}t:{member}", _FIELDS)
        return cast("list[list[str | None]]", await _answer(pipe.execute()))


async def _answer(call: Awaitable[Any] | Any) -> Any:
    """What the server says. Raises Temporary."""
    try:
        async with asyncio.timeout(CALL_S):
            return await call
    except TimeoutError:
        raise _failed(f"no answer within {CALL_S:g} s") from None
    except (redis.exceptions.RedisError, OSError) as error:
        raise _failed(" ".join(str(error).split())[:300] or type(error).__name__) from error


def _failed(cause: str) -> Temporary:
    return Temporary("Database trouble, try again later", cause=f"Valkey: {cause}")


def _member(triplet: Triplet) -> str:
    return SEPARATOR.join((triplet.network, triplet.sender, triplet.recipient))


def _names_fit(query: TripletQuery, member: str) -> bool:
    network, sender, recipient = member.split(SEPARATOR)
    pairs = ((query.network, network), (query.sender, sender or "<>"), (query.recipient, recipient))
    return all(not pattern or matches(storable(pattern), text) for pattern, text in pairs)


def _state_fits(query: TripletQuery, standing: Standing) -> bool:
    states = {"": True, "waiting": not standing.valid_at, "valid": bool(standing.valid_at), "learnt": standing.learnt}
    return states[query.state]


def _kept(member: str, fields: Sequence[str | None]) -> Kept:
    first_at, last_at, valid_at, tries, passes, learnt, domain = (field or "0" for field in fields)
    standing = Standing(float(first_at), float(last_at), float(valid_at), int(tries), int(passes), learnt == "1")
    network, sender, recipient = member.split(SEPARATOR)
    return Kept(Triplet(network, sender, recipient, domain), standing)
