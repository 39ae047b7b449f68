"""The reject list in ``directory.db`` (NET-3). It may have 100,000 entries, so nothing of it is kept in memory: a network is
found by one step in an index for each length of prefix that is listed, a domain by one for each label of its name, written
backwards so that what lies below a name stands behind it. What lengths there are is looked up anew when anything in the file
has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.sqlite.database import DatabaseThread, like_pattern, mail_errors
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.model.networks import plain_ip
from posthouse.model.reject import RejectEntry, covering

_NETWORK = "SELECT target, note, added_at FROM reject_network WHERE version = ? AND bits = ? AND first = ?"
_DOMAIN = "SELECT target, note, added_at FROM reject_domain WHERE reversed = ?"
_BELOW = "SELECT 1 FROM reject_domain WHERE reversed > ? AND reversed < ? LIMIT 1"
_LIST = """
SELECT target, note, added_at FROM (
    SELECT target, note, added_at FROM reject_network UNION ALL SELECT target, note, added_at FROM reject_domain
) WHERE target > ? AND target LIKE ? ESCAPE '\\' ORDER BY target LIMIT ?
"""
_CHANGED = "UPDATE list_serial SET serial = max(serial + 1, unixepoch()) WHERE name = 'reject'"


class SqliteRejectList:
    """``interfaces.reject_list.RejectList``."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._version = -1
        self._lengths: dict[int, tuple[int, ...]] = {}
        self._domains = False

    async def network_of(self, address: str) -> RejectEntry | None:
        ip = plain_ip(address)
        if ip is None:
            return None
        with mail_errors():
            db = self._fresh()
            width, number = ip.max_prefixlen, int(ip)
            for bits in self._lengths[ip.version]:
                first = (number >> (width - bits) << (width - bits)).to_bytes(width // 8)
                if (row := db.execute(_NETWORK, (ip.version, bits, first)).fetchone()) is not None:
                    return _entry(row)
        return None

    async def domain_of(self, name: str) -> RejectEntry | None:
        with mail_errors():
            db = self._fresh()
            for one in covering(name) if self._domains else ():
                if (row := db.execute(_DOMAIN, (_reversed(one),)).fetchone()) is not None:
                    return _entry(row)
        return None

    async def has_domains(self) -> bool:
        with mail_errors():
            self._fresh()
        return self._domains

    async def lies_above(self, name: str) -> bool:
        start = _reversed(name.lower().strip("."))
        with mail_errors():
            return self._fresh().execute(_BELOW, (start + ".", start + "/")).fetchone() is not None

    async def serial(self) -> int:
        with mail_errors():
            return cast(int, self._fresh().execute("SELECT serial FROM list_serial WHERE name = 'reject'").get)

    async def entries(self, *, pattern: str = "*", after: str = "", limit: int = 1000) -> Sequence[RejectEntry]:
        with mail_errors():
            rows = self._fresh().execute(_LIST, (after, like_pattern(pattern.lower()), limit)).fetchall()
        return [_entry(row) for row in rows]

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()

    def _fresh(self) -> apsw.Connection:
        """The connection; ``_lengths`` and ``_domains`` are of what it sees."""
        db = self._file.db
        version = self._file.changes()
        if version != self._version:
            self._lengths = {4: _lengths(db, 4), 6: _lengths(db, 6)}
            self._domains = db.execute("SELECT 1 FROM reject_domain LIMIT 1").fetchone() is not None
            self._version = version
        return db


class SqliteRejectListWriter:
    """``interfaces.reject_list.RejectListWriter``."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def add(self, entries: Sequence[RejectEntry]) -> int:
        def work(db: apsw.Connection) -> int:
            before = _count(db)
            for entry in entries:
                values = (entry.target, entry.note, entry.added_at)
                if (network := entry.network) is not None:
                    key = (network.version, network.prefixlen, network.network_address.packed)
                    db.execute("INSERT OR REPLACE INTO reject_network VALUES (?, ?, ?, ?, ?, ?)", (*key, *values))
                else:
                    db.execute("INSERT OR REPLACE INTO reject_domain VALUES (?, ?, ?, ?)", (_reversed(entry.target), *values))
            db.execute(_CHANGED)
            return _count(db) - before

        return await self._database.write(work)

    async def remove(self, targets: Sequence[str]) -> int:
        def work(db: apsw.Connection) -> int:
            before = _count(db)
            for target in targets:
                if (network := RejectEntry(target).network) is not None:
                    key = (network.version, network.prefixlen, network.network_address.packed)
                    db.execute("DELETE FROM reject_network WHERE version = ? AND bits = ? AND first = ?", key)
                else:
                    db.execute("DELETE FROM reject_domain WHERE reversed = ?", (_reversed(target),))
            db.execute(_CHANGED)
            return before - _count(db)

        return await self._database.write(work)


def _lengths(db: apsw.Connection, version: int) -> tuple[int, ...]:
    """The lengths of prefix that are listed, the longest first; one step in the index for each."""
    found: list[int] = []
    bits = -1
    while True:
        next_one = db.execute("SELECT min(bits) FROM reject_network WHERE version = ? AND bits > ?", (version, bits)).get
        if next_one is None:
            return tuple(reversed(found))
        bits = cast(int, next_one)
        found.append(bits)


def _count(db: apsw.Connection) -> int:
    return cast(int, db.execute("SELECT (SELECT count(*) FROM reject_network) + (SELECT count(*) FROM reject_domain)").get)


def _reversed(domain: str) -> str:
    """``com.example.mail`` of ``mail.example.com``."""
    return ".".join(reversed(domain.split(".")))


def _entry(row: tuple[object, ...]) -> RejectEntry:
    return RejectEntry(cast(str, row[0]), cast(str, row[1]), cast(float, row[2]))
