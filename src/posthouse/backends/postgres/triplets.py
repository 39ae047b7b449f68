"""Greylisting's memory in PostgreSQL, shared by several gateways (interfaces/triplets.py, GRY-3).

One connection a process; questions that come together travel together (``known_triplets.py`` stands in front). Commits do not
wait for the server's disk: what the death of that server loses is a delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posthouse.backends.postgres.link import PostgresLink
from posthouse.backends.postgres.triplet_schema import MIGRATIONS
from posthouse.backends.storable import storable, stored
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

_AT_A_TIME = 1_000
_STANDING = "first_at, last_at, valid_at, tries, passes, learnt"
_KEYS = "SELECT array_agg(network), array_agg(sender), array_agg(recipient)"
_ATTEMPTS = "sum(passed) + sum(delayed) + sum(retried) + sum(would_wait)"
_EXPIRED = "SELECT network, sender, recipient FROM greylist_triplet WHERE expires_at < %s ORDER BY expires_at LIMIT %s"
_FIRST = "SELECT network, sender, recipient FROM greylist_triplet ORDER BY expires_at, network, sender, recipient LIMIT %s"


class PostgresTriplets:
    """``interfaces.triplets.Triplets``. ``url`` is a connection URI; several hosts in it are tried in order."""

    def __init__(self, url: str) -> None:
        self._link = PostgresLink(url, "greylist", MIGRATIONS, ("SET synchronous_commit = off",))
        self._fresh = 0

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        sql = (
            "SELECT greylist_decide(%s::text[], %s::text[], %s::text[], %s::text[], %s::float8, %s::float8, %s::float8,"
            " %s::float8, %s::int, %s::int, %s::boolean)"
        )
        limits = (terms.earliest_s, terms.window_end_s, terms.lifetime_s, terms.most_waiting, terms.auto_allow, terms.learning)
        [(outcomes,)] = await self._link.run(sql, (*_columns(asked), at, *limits))
        found: list[Outcome] = outcomes
        await self._make_room(found.count("new"), terms)
        return found

    async def _make_room(self, fresh: int, terms: Terms) -> None:
        """Counts all triplets now and then; past the most, those go that end first."""
        self._fresh += fresh
        few = max(terms.most // 100, 1)
        if self._fresh < few:
            return
        self._fresh = 0
        [(total,)] = await self._link.run("SELECT count(*) FROM greylist_triplet")
        while total > terms.most:
            gone = await self._drop(_FIRST, (min(total - terms.most + few, _AT_A_TIME),), forget=False)
            total = total - gone if gone else 0

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        if not uses:
            return
        sql = (
            "SELECT greylist_use(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::float8[],"
            " %s::float8, %s::boolean)"
        )
        told = [use.outcome for use in uses], [use.count for use in uses], [use.at for use in uses]
        await self._link.run(sql, (*_columns([use.triplet for use in uses]), *told, terms.lifetime_s, terms.learning))

    async def reputation(self, domain: str, network: str, at: float) -> Reputation:
        sql = (
            "SELECT coalesce(sum(good) FILTER (WHERE network = %s), 0)::bigint, coalesce(sum(good), 0)::bigint"
            " FROM greylist_reputation WHERE domain = %s AND expires_at >= %s"
        )
        [(here, anywhere)] = await self._link.run(sql, (network, storable(domain), at))
        return Reputation(here, anywhere)

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        await self._link.run(
            "INSERT INTO greylist_reputation AS r VALUES (%s, %s, %s, %s) ON CONFLICT (domain, network) DO UPDATE"
            " SET good = r.good + excluded.good, expires_at = greatest(r.expires_at, excluded.expires_at)",
            (storable(domain), network, count, at + lifetime_s),
        )

    async def find(self, query: TripletQuery) -> Sequence[Kept]:
        where, values = _conditions(query)
        sql = (
            f"SELECT network, sender, recipient, domain, {_STANDING} FROM greylist_triplet WHERE {where}"
            " ORDER BY first_at DESC LIMIT %s"
        )
        rows = await self._link.run(sql, (*values, max(query.limit, 0)))
        return [Kept(Triplet(*row[:4]), Standing(*row[4:])) for row in rows]

    async def statistics(self, kind: TallyKind, since: float) -> Sequence[Tally]:
        sums = ", ".join(f"sum({name})::bigint" for name in ("passed", "delayed", "retried", "lost", "would_wait"))
        sql = (
            f"SELECT name, {sums} FROM greylist_tally WHERE kind = %s AND day >= %s GROUP BY name"
            f" ORDER BY {_ATTEMPTS} DESC, name"
        )
        return [Tally(*row) for row in await self._link.run(sql, (kind, day_of(since)))]

    async def waiting(self) -> int:
        [(count,)] = await self._link.run("SELECT coalesce(sum(waiting), 0)::bigint FROM greylist_client")
        return int(count)

    async def forget(self, query: TripletQuery) -> int:
        where, values = _conditions(query)
        sql = f"SELECT network, sender, recipient FROM greylist_triplet WHERE {where} ORDER BY first_at DESC LIMIT %s"
        return await self._drop(sql, (*values, max(query.limit, 0)), forget=True)

    async def expire(self, now: float, statistics_before: float) -> int:
        total = 0
        while count := await self._drop(_EXPIRED, (now, _AT_A_TIME), forget=False):
            total += count
        await self._link.run("DELETE FROM greylist_client WHERE expires_at < %s AND waiting <= 0", (now,))
        await self._link.run("DELETE FROM greylist_reputation WHERE expires_at < %s", (now,))
        first = (day_of(statistics_before),)
        await self._link.run("DELETE FROM greylist_tally WHERE day < %s", first)
        await self._link.run("DELETE FROM greylist_names WHERE day < %s", first)
        return total

    async def close(self) -> None:
        await self._link.close()

    async def _drop(self, chosen: str, values: Sequence[Any], *, forget: bool) -> int:
        """Deletes those that ``chosen`` selects; how many."""
        [keys] = await self._link.run(f"{_KEYS} FROM ({chosen}) AS chosen", values)
        if keys[0] is None:
            return 0
        sql = "SELECT greylist_drop(%s::text[], %s::text[], %s::text[], %s::boolean)"
        [(gone,)] = await self._link.run(sql, (*keys, forget))
        return int(gone)


def _columns(triplets: Sequence[Triplet]) -> tuple[list[str], list[str], list[str], list[str]]:
    kept = [stored(triplet) for triplet in triplets]
    return (
        [each.network for each in kept],
        [each.sender for each in kept],
        [each.recipient for each in kept],
        [each.domain for each in kept],
    )


def _conditions(query: TripletQuery) -> tuple[str, list[str]]:
    where = {"": [], "waiting": ["valid_at = 0"], "valid": ["valid_at > 0"], "learnt": ["learnt"]}[query.state]
    values = []
    for column, text in (("network", query.network), ("sender", query.sender), ("recipient", query.recipient)):
        if column == "sender" and text == "<>":
            where = [*where, "sender = ''"]
        elif text:
            where = [*where, f"{column} ILIKE %s ESCAPE '\\'"]
            values.append(_like(storable(text)))
    return " AND ".join(where) or "TRUE", values


def _like(glob: str) -> str:
    out = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return out.replace("*", "%").replace("?", "_")
