"""Lists of senders in ``directory.db`` (interfaces/senders.py). Look-ups go by the primary key; wildcards have an index of
their own, and are cached as long as ``Reading`` says that nothing was committed since.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.sender_checks import check_room
from posthouse.backends.sqlite.database import DatabaseThread, mail_errors
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.model.senders import EntryKind, ListOwner, SenderEntry, has_wildcard

CACHED_OWNERS = 4_096
_SELECT = "SELECT kind, pattern, at FROM sender_entry WHERE scope = ? AND owner = ? "


class SqliteSenders:
    """``interfaces.senders.SenderLists``."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._version = -1
        self._owned = lru_cache(CACHED_OWNERS)(self._read_owned)

    async def having(self, owners: Sequence[ListOwner]) -> Sequence[ListOwner]:
        with mail_errors():
            self._forget_what_is_old()
            return [owner for owner in owners if self._owned(owner) != (False, ())]

    async def candidates(self, owner: ListOwner, keys: Collection[str]) -> Sequence[SenderEntry]:
        with mail_errors():
            self._forget_what_is_old()
            has_plain, wild = self._owned(owner)
            if not has_plain or not keys:
                return wild
            marks = ", ".join("?" * len(keys))
            found = self._file.db.execute(f"{_SELECT} AND NOT wild AND pattern IN ({marks})", (owner.scope, owner.name, *keys))
            return [*_entries(owner, found.fetchall()), *wild]

    async def entries(
        self, owner: ListOwner, *, kind: EntryKind | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[SenderEntry]:
        of_kind = "AND kind = ? " if kind else ""
        values = (owner.scope, owner.name, after, *([kind] if kind else []), limit)
        with mail_errors():
            rows = self._file.db.execute(f"{_SELECT} AND pattern > ? {of_kind} ORDER BY pattern, kind LIMIT ?", values)
            return _entries(owner, rows.fetchall())

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()

    def _forget_what_is_old(self) -> None:
        version = self._file.changes()
        if version != self._version:
            self._owned.cache_clear()
            self._version = version

    def _read_owned(self, owner: ListOwner) -> tuple[bool, tuple[SenderEntry, ...]]:
        """Whether there are entries without wildcards, and all with them."""
        key = (owner.scope, owner.name)
        plain = self._file.db.execute("SELECT 1 FROM sender_entry WHERE scope = ? AND owner = ? AND NOT wild LIMIT 1", key).get
        wild = self._file.db.execute(_SELECT + "AND wild ORDER BY pattern, kind", key).fetchall()
        return plain is not None, tuple(_entries(owner, wild))


class SqliteSendersWriter:
    """``interfaces.senders.SenderListsWriter``, in the process that has the writing thread."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def add(self, entries: Sequence[SenderEntry]) -> int:
        sql = "INSERT OR IGNORE INTO sender_entry (scope, owner, kind, pattern, wild, at) VALUES (?, ?, ?, ?, ?, ?)"
        rows = [(e.owner.scope, e.owner.name, e.kind, e.pattern, has_wildcard(e.pattern), e.at) for e in entries]

        def work(db: apsw.Connection) -> int:
            before = db.total_changes()
            db.executemany(sql, rows)
            added = db.total_changes() - before
            for owner in {entry.owner for entry in entries}:
                counts = "SELECT count(*), coalesce(sum(wild), 0) FROM sender_entry WHERE scope = ? AND owner = ?"
                all_, wild = db.execute(counts, (owner.scope, owner.name)).fetchall()[0]
                check_room(cast(int, all_), cast(int, wild))
            return added

        return await self._database.write(work)

    async def remove(self, owner: ListOwner, kind: EntryKind | None, patterns: Collection[str]) -> int:
        sql = "DELETE FROM sender_entry WHERE scope = ? AND owner = ? AND pattern = ?" + (" AND kind = ?" if kind else "")
        rows = [(owner.scope, owner.name, pattern, *([kind] if kind else [])) for pattern in set(patterns)]

        def work(db: apsw.Connection) -> int:
            before = db.total_changes()
            db.executemany(sql, rows)
            return db.total_changes() - before

        return await self._database.write(work)


def _entries(owner: ListOwner, rows: Sequence[tuple[object, ...]]) -> list[SenderEntry]:
    return [SenderEntry(owner, cast(EntryKind, kind), cast(str, pattern), cast(float, at)) for kind, pattern, at in rows]
