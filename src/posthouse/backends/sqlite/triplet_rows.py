"""Greylisting's tables in ``greylist.db``, and what one transaction does to them (interfaces/triplets.py).

The steps of a triplet are ``model.triplet.step``'s; here they meet rows. Runs in the writing thread of ``triplet_writer.py``.
Counts of the day are gathered in memory during a transaction and written at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import apsw

from posthouse.model.triplet import (
    MOST_NAMES,
    OTHERS,
    Outcome,
    Standing,
    TallyKind,
    Terms,
    Triplet,
    Use,
    column_of,
    day_of,
    step,
)  # fmt: skip

_VERSION_1 = """
CREATE TABLE triplet (
    network TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    domain TEXT NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    valid_at REAL NOT NULL,
    tries INTEGER NOT NULL,
    passes INTEGER NOT NULL,
    learnt INTEGER NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (network, sender, recipient)
) STRICT, WITHOUT ROWID;
CREATE INDEX triplet_by_expiry ON triplet (expires_at);

CREATE TABLE client (
    network TEXT PRIMARY KEY,
    waiting INTEGER NOT NULL,
    valid INTEGER NOT NULL,
    expires_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tally (
    day INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    passed INTEGER NOT NULL,
    delayed INTEGER NOT NULL,
    retried INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    would_wait INTEGER NOT NULL,
    PRIMARY KEY (day, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE reputation (
    domain TEXT NOT NULL,
    network TEXT NOT NULL,
    good INTEGER NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (domain, network)
) STRICT, WITHOUT ROWID;
"""
MIGRATIONS: tuple[str, ...] = (_VERSION_1,)

COLUMNS = ("passed", "delayed", "retried", "lost", "would_wait")
STANDING = "first_at, last_at, valid_at, tries, passes, learnt"
KEY = "network = ? AND sender = ? AND recipient = ?"
SELECT_STANDING = f"SELECT {STANDING} FROM triplet WHERE {KEY}"
SELECT_CLIENT = "SELECT waiting, valid, expires_at FROM client WHERE network = ?"
_PUT = "INSERT OR REPLACE INTO triplet VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_CLIENT = "INSERT OR REPLACE INTO client VALUES (?, ?, ?, ?)"
_ADD_TALLY = "INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, kind, name) DO UPDATE SET " + ", ".join(
    f"{column} = {column} + excluded.{column}" for column in COLUMNS
)
_AT_A_TIME = 1_000


def standing_of(row: Sequence[Any]) -> Standing:
    """Of a row of STANDING."""
    first_at, last_at, valid_at, tries, passes, learnt = row
    return Standing(first_at, last_at, valid_at, tries, passes, bool(learnt))


class TripletTables:
    """One writing connection. Call ``begin``, the work, ``end`` within one transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._counts: dict[tuple[int, TallyKind, str], list[int]] = {}
        self._names: dict[tuple[int, TallyKind], int] = {}
        self._total = cast(int, db.execute("SELECT count(*) FROM triplet").get)

    def begin(self) -> None:
        """Before the work of a transaction."""
        self._counts.clear()

    def end(self) -> None:
        """Writes the counts of the transaction."""
        rows = []
        for (day, kind, name), counts in self._counts.items():
            rows.append((day, kind, self._known_name(day, kind, name), *counts))
        self._db.executemany(_ADD_TALLY, rows)

    def rolled_back(self) -> None:
        """The transaction did not happen."""
        self._total = cast(int, self._db.execute("SELECT count(*) FROM triplet").get)
        self._names.clear()

    def _known_name(self, day: int, kind: TallyKind, name: str) -> str:
        """``name``, or the name for the rest when the day has too many."""
        if self._db.execute("SELECT 1 FROM tally WHERE day = ? AND kind = ? AND name = ?", (day, kind, name)).fetchone():
            return name
        if (day, kind) not in self._names:
            sql = "SELECT count(*) FROM tally WHERE day = ? AND kind = ?"
            self._names[day, kind] = cast(int, self._db.execute(sql, (day, kind)).get)
        if self._names[day, kind] >= MOST_NAMES:
            return OTHERS
        self._names[day, kind] += 1
        return name

    def decide(self, triplet: Triplet, at: float, terms: Terms) -> Outcome:
        """As ``interfaces.triplets.Triplets.decide`` for one."""
        waiting, valid, ends_at = self._client(triplet.network)
        if terms.auto_allow and valid >= terms.auto_allow and at <= ends_at:
            self._db.execute(_PUT_CLIENT, (triplet.network, waiting, valid, at + terms.lifetime_s))
            self._count(triplet, at, "passed")
            return "allowed"
        row = self._db.execute(SELECT_STANDING, (triplet.network, triplet.sender, triplet.recipient)).fetchone()
        before = standing_of(row) if row else None
        after, outcome = step(before, at, terms)
        if outcome == "late" and before is not None and not before.valid_at:
            self._count(triplet, before.first_at, "lost")
        if before is None or (outcome == "late" and before.valid_at):
            waiting = self._make_room(triplet.network, waiting, terms) + 1
        if outcome == "retried":
            waiting, valid = waiting - 1, valid + 1
        if outcome != "early":
            self._db.execute(_PUT_CLIENT, (triplet.network, waiting, valid, max(ends_at, at + terms.lifetime_s)))
        self._put(triplet, after, terms)
        self._total += before is None
        self._count(triplet, at, column_of(outcome, learning=terms.learning))
        return outcome

    def use(self, use: Use, terms: Terms) -> None:
        """As ``interfaces.triplets.Triplets.use`` for one."""
        triplet = use.triplet
        self._count(triplet, use.at, column_of(use.outcome, learning=terms.learning), use.count)
        if use.outcome == "allowed":
            sql = "UPDATE client SET expires_at = max(expires_at, ?) WHERE network = ?"
            self._db.execute(sql, (use.at + terms.lifetime_s, triplet.network))
            return
        row = self._db.execute(SELECT_STANDING, (triplet.network, triplet.sender, triplet.recipient)).fetchone()
        if row is None:
            return
        known = standing_of(row)
        early = use.outcome == "early"
        tries, passes = known.tries + (use.count if early else 0), known.passes + (0 if early else use.count)
        last_at = max(known.last_at, use.at)
        self._put(triplet, Standing(known.first_at, last_at, known.valid_at, tries, passes, known.learnt), terms)

    def praise(self, domain: str, network: str, expires_at: float, count: int) -> None:
        """As ``interfaces.triplets.Triplets.praise``."""
        self._db.execute(
            "INSERT INTO reputation VALUES (?, ?, ?, ?) ON CONFLICT (domain, network) DO UPDATE SET"
            " good = good + excluded.good, expires_at = max(expires_at, excluded.expires_at)",
            (domain, network, count, expires_at),
        )

    def forget(self, keys: Sequence[tuple[str, str, str]]) -> int:
        """Deletes triplets by key."""
        gone = 0
        for key in keys:
            row = self._db.execute(f"DELETE FROM triplet WHERE {KEY} RETURNING valid_at", key).fetchone()
            if row is not None:
                gone += 1
                valid = bool(row[0])
                sql = "UPDATE client SET valid = max(valid - ?, 0), waiting = max(waiting - ?, 0) WHERE network = ?"
                self._db.execute(sql, (valid, not valid, key[0]))
        self._total -= gone
        return gone

    def expire(self, now: float) -> int:
        """Drops some of the triplets that have ended; 0 when none are left."""
        return self._drop("expires_at < ? ORDER BY expires_at LIMIT ?", (now, _AT_A_TIME))

    def expire_rest(self, now: float, first_day: int) -> None:
        """Drops clients, reputations and statistics that have ended."""
        self._db.execute("DELETE FROM client WHERE expires_at < ? AND waiting <= 0", (now,))
        self._db.execute("DELETE FROM reputation WHERE expires_at < ?", (now,))
        self._db.execute("DELETE FROM tally WHERE day < ?", (first_day,))
        self._names.clear()

    def _client(self, network: str) -> tuple[int, int, float]:
        row = self._db.execute(SELECT_CLIENT, (network,)).fetchone()
        return cast("tuple[int, int, float]", row) if row else (0, 0, 0.0)

    def _put(self, triplet: Triplet, standing: Standing, terms: Terms) -> None:
        key = (triplet.network, triplet.sender, triplet.recipient, triplet.domain)
        times = (standing.first_at, standing.last_at, standing.valid_at)
        self._db.execute(
            _PUT, (*key, *times, standing.tries, standing.passes, int(standing.learnt), standing.expires_at(terms))
        )

    def _make_room(self, network: str, waiting: int, terms: Terms) -> int:
        """Forgets the oldest that wait if there are too many; gives how many of ``network`` wait then."""
        if waiting >= terms.most_waiting:
            few = max(terms.most_waiting // 10, 1)
            self._db.execute(_PUT_CLIENT, (network, waiting, *self._client(network)[1:]))
            self._drop("network = ? AND valid_at = 0 ORDER BY first_at, sender, recipient LIMIT ?", (network, few))
            waiting = self._client(network)[0]
        if self._total >= terms.most:
            self._drop("TRUE ORDER BY expires_at, network, sender, recipient LIMIT ?", (max(terms.most // 100, 1),))
            waiting = self._client(network)[0]
        return waiting

    def _drop(self, condition: str, values: tuple[Any, ...]) -> int:
        """Deletes; what waited is lost."""
        select = f"SELECT network, sender, recipient, domain, first_at, valid_at FROM triplet WHERE {condition}"
        rows = cast("list[tuple[Any, ...]]", self._db.execute(select, values).fetchall())
        waited: dict[str, int] = {}
        for network, sender, recipient, domain, first_at, valid_at in rows:
            self._db.execute(f"DELETE FROM triplet WHERE {KEY}", (network, sender, recipient))
            if not valid_at:
                waited[network] = waited.get(network, 0) + 1
                self._count(Triplet(network, sender, recipient, domain), first_at, "lost")
        for network, count in waited.items():
            self._db.execute("UPDATE client SET waiting = max(waiting - ?, 0) WHERE network = ?", (count, network))
        self._total -= len(rows)
        return len(rows)

    def _count(self, triplet: Triplet, at: float, column: str, count: int = 1) -> None:
        day, place = day_of(at), COLUMNS.index(column)
        names: tuple[tuple[TallyKind, str], ...] = (("domain", triplet.domain), ("network", triplet.network))
        for kind, name in names:
            counts = self._counts.get((day, kind, name))
            if counts is None:
                counts = self._counts[day, kind, name] = [0] * len(COLUMNS)
            counts[place] += count
