"""Greylisting's tables in ``greylist.db``, and what one transaction does to them (interfaces/triplets.py).

The steps of a triplet are ``model.triplet.step``'s; here they meet rows. Runs in the writing thread of ``triplet_writer.py``.
Counts of the day are gathered in memory and written now and then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import apsw

from posthouse.model.triplet import (
    MOST_NAMES,
    OTHERS,
    PASSED,
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
_VERSION_2 = """
CREATE TABLE unknown_recipient (
    address TEXT PRIMARY KEY,
    reply TEXT NOT NULL,
    until REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX unknown_recipient_by_end ON unknown_recipient (until);
"""
MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2)

COLUMNS = ("passed", "delayed", "retried", "lost", "would_wait")
STANDING = "first_at, last_at, valid_at, tries, passes, learnt"
KEY = "network = ? AND sender = ? AND recipient = ?"
SELECT_STANDING = f"SELECT {STANDING} FROM triplet WHERE {KEY}"
SELECT_CLIENT = "SELECT valid, expires_at FROM client WHERE network = ?"
_PUT = "INSERT OR REPLACE INTO triplet VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_CLIENT = "INSERT OR REPLACE INTO client VALUES (?, ?, ?)"
_COUNT_WAITING = "SELECT count(*) FROM (SELECT 1 FROM triplet WHERE network = ? AND valid_at = 0 LIMIT ?)"
_ADD_TALLY = "INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (day, kind, name) DO UPDATE SET " + ", ".join(
    f"{column} = {column} + excluded.{column}" for column in COLUMNS
)
MOST_UNKNOWN = 100_000
_AT_A_TIME = 1_000
_BUSY_NETWORKS = 10_000
_DAYS_KNOWN = 8
_PLACES = {column: place for place, column in enumerate(COLUMNS)}
_Counts = dict[tuple[int, TallyKind, str], list[int]]


def standing_of(row: Sequence[Any]) -> Standing:
    """Of a row of STANDING."""
    first_at, last_at, valid_at, tries, passes, learnt = row
    return Standing(first_at, last_at, valid_at, tries, passes, bool(learnt))


class TripletTables:
    """One writing connection, and what is known of its tables without asking. Each call is inside a transaction."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._counts: _Counts = {}
        self._names: dict[tuple[int, TallyKind], set[str]] = {}
        self._waiting: dict[str, int] = {}
        self._total = cast(int, db.execute("SELECT count(*) FROM triplet").get)

    @property
    def counted(self) -> bool:
        """Whether there are counts to be written."""
        return bool(self._counts)

    def write_counts(self) -> None:
        """Puts the counts into the file."""
        counts, self._counts = self._counts, {}
        rows = [(day, kind, self._counted_name(day, kind, name), *each) for (day, kind, name), each in counts.items()]
        self._db.executemany(_ADD_TALLY, rows)

    def rolled_back(self) -> None:
        """A transaction did not happen: what is known may be wrong."""
        self._total = cast(int, self._db.execute("SELECT count(*) FROM triplet").get)
        self._names.clear()
        self._waiting.clear()

    def _counted_name(self, day: int, kind: TallyKind, name: str) -> str:
        """``name``, or the name for the rest when the day has too many."""
        names = self._names.get((day, kind))
        if names is None:
            found = self._db.execute("SELECT name FROM tally WHERE day = ? AND kind = ?", (day, kind))
            names = self._names[day, kind] = {cast(str, row[0]) for row in found}
            if len(self._names) > _DAYS_KNOWN:
                del self._names[next(iter(self._names))]
        if name not in names:
            if len(names) >= MOST_NAMES:
                return OTHERS
            names.add(name)
        return name

    def decide(self, triplet: Triplet, at: float, terms: Terms) -> Outcome:
        """As ``interfaces.triplets.Triplets.decide`` for one."""
        if terms.auto_allow:
            valid, ends_at = self._client(triplet.network)
            if valid >= terms.auto_allow and at <= ends_at:
                self._db.execute(_PUT_CLIENT, (triplet.network, valid, at + terms.lifetime_s))
                self._count(triplet, at, "passed")
                return "allowed"
        row = self._db.execute(SELECT_STANDING, (triplet.network, triplet.sender, triplet.recipient)).fetchone()
        before = standing_of(row) if row else None
        after, outcome = step(before, at, terms)
        if outcome == "late" and before is not None and not before.valid_at:
            self._count(triplet, before.first_at, "lost")
        if before is None or (outcome == "late" and before.valid_at):
            self._make_room(triplet.network, terms)
            self._more_waiting(triplet.network, 1)
        if outcome == "retried":
            self._more_waiting(triplet.network, -1)
        if outcome in PASSED:
            valid, ends_at = self._client(triplet.network)
            more = int(outcome == "retried")
            self._db.execute(_PUT_CLIENT, (triplet.network, valid + more, max(ends_at, at + terms.lifetime_s)))
        self._put(triplet, after, terms)
        self._total += before is None
        self._count(triplet, at, column_of(outcome, learning=terms.learning))
        return outcome

    def use_all(self, uses: Sequence[Use], terms: Terms) -> None:
        """As ``interfaces.triplets.Triplets.use``."""
        for use in uses:
            self._use(use, terms)

    def _use(self, use: Use, terms: Terms) -> None:
        triplet = use.triplet
        self._count(triplet, use.at, column_of(use.outcome, learning=terms.learning), use.count)
        if use.outcome != "early":
            sql = "UPDATE client SET expires_at = max(expires_at, ?) WHERE network = ?"
            self._db.execute(sql, (use.at + terms.lifetime_s, triplet.network))
        if use.outcome == "allowed":
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

    def learn_unknown(self, address: str, reply: str, until: float) -> None:
        """As ``interfaces.unknown_recipients.UnknownRecipients.learn``."""
        self._db.execute("INSERT OR REPLACE INTO unknown_recipient VALUES (?, ?, ?)", (address, reply, until))
        if cast(int, self._db.execute("SELECT count(*) FROM unknown_recipient").get) > MOST_UNKNOWN:
            few = "SELECT address FROM unknown_recipient ORDER BY until LIMIT 100"
            self._db.execute(f"DELETE FROM unknown_recipient WHERE address IN ({few})")

    def forget_unknown(self, address: str) -> bool:
        """Whether it was known."""
        self._db.execute("DELETE FROM unknown_recipient WHERE address = ?", (address,))
        return self._db.changes() > 0

    def forget(self, keys: Sequence[tuple[str, str, str]]) -> int:
        """Deletes triplets by key."""
        gone = 0
        for key in keys:
            row = self._db.execute(f"DELETE FROM triplet WHERE {KEY} RETURNING valid_at", key).fetchone()
            if row is not None:
                gone += 1
                self._waiting.pop(key[0], None)
                if row[0]:
                    self._db.execute("UPDATE client SET valid = max(valid - 1, 0) WHERE network = ?", (key[0],))
        self._total -= gone
        return gone

    def expire(self, now: float) -> int:
        """Drops some of the triplets that have ended; 0 when none are left."""
        return self._drop("expires_at < ? ORDER BY expires_at LIMIT ?", (now, _AT_A_TIME))

    def expire_rest(self, now: float, first_day: int) -> None:
        """Drops clients, reputations and statistics that have ended."""
        self._db.execute("DELETE FROM client WHERE expires_at < ?", (now,))
        self._db.execute("DELETE FROM reputation WHERE expires_at < ?", (now,))
        self._db.execute("DELETE FROM unknown_recipient WHERE until < ?", (now,))
        self.write_counts()
        self._db.execute("DELETE FROM tally WHERE day < ?", (first_day,))
        self._names.clear()

    def _client(self, network: str) -> tuple[int, float]:
        row = self._db.execute(SELECT_CLIENT, (network,)).fetchone()
        return cast("tuple[int, float]", row) if row else (0, 0.0)

    def _put(self, triplet: Triplet, standing: Standing, terms: Terms) -> None:
        key = (triplet.network, triplet.sender, triplet.recipient, triplet.domain)
        times = (standing.first_at, standing.last_at, standing.valid_at)
        self._db.execute(
            _PUT, (*key, *times, standing.tries, standing.passes, int(standing.learnt), standing.expires_at(terms))
        )

    def _more_waiting(self, network: str, count: int) -> None:
        if network in self._waiting:
            self._waiting[network] = max(self._waiting[network] + count, 0)

    def _waiting_of(self, network: str, at_most: int) -> int:
        """How many of a network wait, known for those that were asked about of late."""
        waiting = self._waiting.pop(network, None)
        if waiting is None:
            waiting = cast(int, self._db.execute(_COUNT_WAITING, (network, at_most)).get)
            if len(self._waiting) >= _BUSY_NETWORKS:
                del self._waiting[next(iter(self._waiting))]
        self._waiting[network] = waiting
        return waiting

    def _make_room(self, network: str, terms: Terms) -> None:
        """Forgets the oldest that wait if there are too many."""
        if self._waiting_of(network, terms.most_waiting) >= terms.most_waiting:
            few = max(terms.most_waiting // 10, 1)
            self._drop("network = ? AND valid_at = 0 ORDER BY first_at, sender, recipient LIMIT ?", (network, few))
        if self._total >= terms.most:
            few = max(terms.most // 100, 1)
            self._drop("TRUE ORDER BY expires_at, network, sender, recipient LIMIT ?", (few,))

    def _drop(self, condition: str, values: tuple[Any, ...]) -> int:
        """Deletes; what waited is lost."""
        select = f"SELECT network, sender, recipient, domain, first_at, valid_at FROM triplet WHERE {condition}"
        rows = cast("list[tuple[Any, ...]]", self._db.execute(select, values).fetchall())
        for network, sender, recipient, domain, first_at, valid_at in rows:
            self._db.execute(f"DELETE FROM triplet WHERE {KEY}", (network, sender, recipient))
            if not valid_at:
                self._more_waiting(network, -1)
                self._count(Triplet(network, sender, recipient, domain), first_at, "lost")
        self._total -= len(rows)
        return len(rows)

    def _count(self, triplet: Triplet, at: float, column: str, count: int = 1) -> None:
        day, place, counts = day_of(at), _PLACES[column], self._counts
        domain: tuple[int, TallyKind, str] = (day, "domain", triplet.domain)
        network: tuple[int, TallyKind, str] = (day, "network", triplet.network)
        (counts.get(domain) or counts.setdefault(domain, [0] * len(COLUMNS)))[place] += count
        (counts.get(network) or counts.setdefault(network, [0] * len(COLUMNS)))[place] += count
