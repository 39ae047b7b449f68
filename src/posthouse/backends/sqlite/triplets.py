"""Greylisting's memory in ``greylist.db`` (interfaces/triplets.py): read in every process, written by the steward alone.

``peek`` answers from a read-only connection on the loop, so that what is known costs no round trip; the rest goes to the
writing thread (``triplet_writer.py``), over the gate from a worker (``RemoteTripletWriter``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import apsw

from posthouse.backends.sqlite.database import DatabaseThread, like_pattern, mail_errors, open_reader
from posthouse.backends.sqlite.triplet_rows import (
    COLUMNS,
    MIGRATIONS,
    SELECT_CLIENT,
    SELECT_STANDING,
    STANDING,
    standing_of,
)  # fmt: skip
from posthouse.backends.sqlite.triplet_writer import CALL
from posthouse.backends.storable import storable, stored
from posthouse.base.errors import Permanent
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

Key = tuple[str, str, str]
ORDER = " + ".join(("sum(passed)", "sum(delayed)", "sum(retried)", "sum(would_wait)"))


class TripletsWriting(Protocol):
    """What writes: ``TripletWriter``, or the way to it."""

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]: ...

    async def use(self, uses: Sequence[Use], terms: Terms) -> None: ...

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None: ...

    async def forget(self, keys: Sequence[Key]) -> int: ...

    async def expire(self, now: float, statistics_before: float) -> int: ...

    async def settle(self) -> None: ...


class RemoteTripletWriter:
    """A worker's way to the writer. ``call`` is the gate client's."""

    def __init__(self, call: Callable[[str, Any], Awaitable[Any]]) -> None:
        self._call = call

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        return cast("list[Outcome]", await self._call(CALL, ["decide", [[_row(each) for each in asked], at, _limits(terms)]]))

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        rows = [(_row(use.triplet), use.outcome, use.count, use.at) for use in uses]
        await self._call(CALL, ["use", [rows, _limits(terms)]])

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        await self._call(CALL, ["praise", [domain, network, at, lifetime_s, count]])

    async def forget(self, keys: Sequence[Key]) -> int:
        raise Permanent("Triplets are deleted by the process that writes them", cause=f"forget({len(keys)}) in a worker")

    async def expire(self, now: float, statistics_before: float) -> int:
        raise Permanent("Triplets are dropped by the process that writes them", cause="expire() in a worker")

    async def settle(self) -> None:
        """What the steward has not written yet is not a worker's business."""


def _row(triplet: Triplet) -> tuple[str, str, str, str]:
    return triplet.network, triplet.sender, triplet.recipient, triplet.domain


def _limits(terms: Terms) -> tuple[float | bool, ...]:
    """The fields of ``terms`` in order: half the octets of their names."""
    times = (terms.earliest_s, terms.latest_s, terms.lifetime_s)
    return (*times, terms.most_waiting, terms.most, terms.auto_allow, terms.learning)


class SqliteTriplets:
    """``interfaces.triplets.Triplets``. ``writer`` belongs to who made it."""

    def __init__(self, path: Path, writer: TripletsWriting) -> None:
        self._path = path
        self._writer = writer
        self._opened: apsw.Connection | None = None
        self._thread = DatabaseThread(lambda: open_reader(path, MIGRATIONS), "triplet-reader")

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        return await self._writer.decide([stored(each) for each in asked], at, terms)

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        await self._writer.use([Use(stored(each.triplet), each.outcome, each.count, each.at) for each in uses], terms)

    def peek(self, triplet: Triplet) -> Standing | None:
        """What is kept of a triplet at this moment. Raises Temporary."""
        key = tuple(map(storable, (triplet.network, triplet.sender, triplet.recipient)))
        with mail_errors():
            row = self._db().execute(SELECT_STANDING, key).fetchone()
        return standing_of(row) if row else None

    def peek_client(self, network: str) -> tuple[int, float]:
        """How many valid triplets a client has, and until when that counts. Raises Temporary."""
        with mail_errors():
            row = self._db().execute(SELECT_CLIENT, (network,)).fetchone()
        return cast("tuple[int, float]", row) if row else (0, 0.0)

    async def reputation(self, domain: str, network: str, at: float) -> Reputation:
        sql = (
            "SELECT coalesce(sum(good) FILTER (WHERE network = ?), 0), coalesce(sum(good), 0)"
            " FROM reputation WHERE domain = ? AND expires_at >= ?"
        )
        with mail_errors():
            here, anywhere = cast("tuple[int, int]", self._db().execute(sql, (network, storable(domain), at)).fetchone())
        return Reputation(here, anywhere)

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        await self._writer.praise(storable(domain), network, at, lifetime_s, count)

    async def find(self, query: TripletQuery) -> Sequence[Kept]:
        where, values = _conditions(query)
        sql = f"SELECT network, sender, recipient, domain, {STANDING} FROM triplet WHERE {where} ORDER BY first_at DESC LIMIT ?"
        rows = await self._rows(sql, (*values, max(query.limit, 0)))
        return [Kept(Triplet(*row[:4]), standing_of(row[4:])) for row in rows]

    async def statistics(self, kind: TallyKind, since: float) -> Sequence[Tally]:
        await self._writer.settle()
        sums = ", ".join(f"sum({column})" for column in COLUMNS)
        sql = f"SELECT name, {sums} FROM tally WHERE kind = ? AND day >= ? GROUP BY name ORDER BY {ORDER} DESC, name"
        return [Tally(*row) for row in await self._rows(sql, (kind, day_of(since)))]

    async def waiting(self) -> int:
        [(count,)] = await self._rows("SELECT count(*) FROM triplet WHERE valid_at = 0", ())
        return cast(int, count)

    async def _rows(self, sql: str, values: tuple[str | int | float, ...]) -> list[tuple[Any, ...]]:
        """In a thread: administrators' questions look through everything."""
        rows = await self._thread.run(lambda db: db.execute(sql, values).fetchall())
        return cast("list[tuple[Any, ...]]", rows)

    async def forget(self, query: TripletQuery) -> int:
        found = await self.find(query)
        return await self._writer.forget(
            [(each.triplet.network, each.triplet.sender, each.triplet.recipient) for each in found]
        )

    async def expire(self, now: float, statistics_before: float) -> int:
        return await self._writer.expire(now, statistics_before)

    async def close(self) -> None:
        self._thread.close()
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _db(self) -> apsw.Connection:
        if self._opened is None:
            self._opened = open_reader(self._path, MIGRATIONS)
        return self._opened


def _conditions(query: TripletQuery) -> tuple[str, list[str]]:
    sender = "" if query.sender == "<>" else query.sender
    texts = [("network", query.network), ("recipient", query.recipient)] + ([("sender", sender)] if sender else [])
    where = ["sender = ''"] if query.sender == "<>" else []
    where += {"": [], "waiting": ["valid_at = 0"], "valid": ["valid_at > 0"], "learnt": ["learnt = 1"]}[query.state]
    values = []
    for column, text in texts:
        if text:
            where.append(f"{column} LIKE ? ESCAPE '\\'")
            values.append(like_pattern(storable(text)))
    return " AND ".join(where) or "TRUE", values
