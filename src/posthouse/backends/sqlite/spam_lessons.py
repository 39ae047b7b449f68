"""Lessons and weights of the spam scorer in ``spam.db`` (interfaces/spam_lessons.py).

Tokens of a lesson are kept as 32-bit numbers, four octets each, about 1.4 KiB for a message. Readers ask ``Reading``
first, so that nothing is read while nothing was committed. The steward alone writes (``SqliteLessonBook``).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import apsw

from posthouse.backends.sqlite.database import DatabaseThread, mail_errors, open_writer
from posthouse.backends.sqlite.reading import Reading
from posthouse.model.spam_learning import MAX_LESSON_TOKENS, Learnt, Lesson, max_lessons

_VERSION_1 = """
CREATE TABLE lesson (
    lesson INTEGER PRIMARY KEY,
    owner_id INTEGER NOT NULL,
    digest BLOB NOT NULL,
    spam INTEGER NOT NULL,
    at REAL NOT NULL,
    tokens BLOB NOT NULL,
    UNIQUE (owner_id, digest)
) STRICT;
CREATE INDEX lesson_by_age ON lesson (owner_id, spam, at);
CREATE INDEX lesson_by_time ON lesson (at);

CREATE TABLE learnt (
    owner_id INTEGER PRIMARY KEY,
    spam INTEGER NOT NULL DEFAULT 0,
    ham INTEGER NOT NULL DEFAULT 0,
    changes INTEGER NOT NULL DEFAULT 0,
    fitted INTEGER NOT NULL DEFAULT 0,
    fitted_at REAL NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 0,
    weights BLOB NOT NULL DEFAULT x''
) STRICT;

CREATE TABLE rule_set (
    entry INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL,
    at REAL NOT NULL,
    origin TEXT NOT NULL,
    groups BLOB NOT NULL
) STRICT;
CREATE TABLE rules_in_use (entry INTEGER NOT NULL, changes INTEGER NOT NULL, newest INTEGER NOT NULL) STRICT;
INSERT INTO rules_in_use VALUES (0, 0, 0);
"""
MIGRATIONS: tuple[str, ...] = (_VERSION_1,)
CACHED_VERSIONS = 10_000

_LESSONS = "SELECT owner_id, spam, digest, tokens, at FROM lesson "
_LEARNT = "SELECT owner_id, spam, ham, changes, fitted, fitted_at, version FROM learnt "
_CHANGED = "INSERT INTO learnt (owner_id, changes) VALUES (?1, ?2) ON CONFLICT (owner_id) DO UPDATE SET changes = changes + ?2"
_COUNT = """
UPDATE learnt SET
    spam = (SELECT count(*) FROM lesson WHERE owner_id = ?1 AND spam = 1),
    ham = (SELECT count(*) FROM lesson WHERE owner_id = ?1 AND spam = 0)
WHERE owner_id = ?1
"""


def open_spam_file(path: Path) -> DatabaseThread:
    """The writing thread of ``spam.db``; the file is made and brought up to date by its first work."""
    return DatabaseThread(lambda: open_writer(path, MIGRATIONS), "spam-writer")


class SqliteSpamWeights:
    """``interfaces.spam_lessons.SpamWeights``, in every process, on its loop."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._committed = -1
        self._versions: dict[int, int] = {}

    async def version(self, owner_id: int) -> int:
        with mail_errors():
            committed = self._file.changes()
            if committed != self._committed or len(self._versions) > CACHED_VERSIONS:
                self._versions.clear()
                self._committed = committed
            version = self._versions.get(owner_id)
            if version is None:
                row = self._file.db.execute("SELECT version FROM learnt WHERE owner_id = ?", (owner_id,)).fetchone()
                version = self._versions[owner_id] = cast(int, row[0]) if row else 0
            return version

    async def octets(self, owner_id: int) -> bytes:
        with mail_errors():
            row = self._file.db.execute("SELECT weights FROM learnt WHERE owner_id = ?", (owner_id,)).fetchone()
        return cast(bytes, row[0]) if row else b""

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()


class SqliteLessonBook:
    """``interfaces.spam_lessons.LessonBook``, in the process that has the writing thread."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def version(self, owner_id: int) -> int:
        return (await self.learnt(owner_id)).version

    async def octets(self, owner_id: int) -> bytes:
        sql = "SELECT weights FROM learnt WHERE owner_id = ?"
        row = await self._database.run(lambda db: db.execute(sql, (owner_id,)).fetchone())
        return cast(bytes, row[0]) if row else b""

    async def learn(self, lessons: Sequence[Lesson]) -> int:
        rows = [(each.owner_id, each.digest, int(each.spam), each.at, _packed(each.tokens)) for each in lessons]

        def work(db: apsw.Connection) -> int:
            changes: dict[int, int] = {}
            for row in rows:
                db.execute(
                    "INSERT INTO lesson (owner_id, digest, spam, at, tokens) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (owner_id, digest) DO UPDATE SET spam = excluded.spam, at = excluded.at,"
                    " tokens = excluded.tokens WHERE spam <> excluded.spam",
                    row,
                )
                if db.changes():
                    changes[row[0]] = changes.get(row[0], 0) + 1
            for owner_id, count in changes.items():
                for spam in (0, 1):
                    db.execute(
                        "DELETE FROM lesson WHERE lesson IN (SELECT lesson FROM lesson WHERE owner_id = ? AND spam = ?"
                        " ORDER BY at DESC LIMIT -1 OFFSET ?)",
                        (owner_id, spam, max_lessons(owner_id)),
                    )
                _count(db, owner_id, count)
            return sum(changes.values())

        return await self._database.write(work) if rows else 0

    async def unlearn(self, owner_id: int, digests: Sequence[bytes]) -> int:
        def work(db: apsw.Connection) -> int:
            count = 0
            for digest in digests:
                db.execute("DELETE FROM lesson WHERE owner_id = ? AND digest = ?", (owner_id, digest))
                count += db.changes()
            if count:
                _count(db, owner_id, count)
            return count

        return await self._database.write(work)

    async def expire(self, before: float) -> int:
        def work(db: apsw.Connection) -> int:
            sql = "SELECT owner_id, count(*) FROM lesson WHERE at < ? GROUP BY owner_id"
            owners = cast("list[tuple[int, int]]", db.execute(sql, (before,)).fetchall())
            db.execute("DELETE FROM lesson WHERE at < ?", (before,))
            for owner_id, count in owners:
                _count(db, owner_id, count)
            return sum(count for _, count in owners)

        return await self._database.write(work)

    async def forget_owner(self, owner_id: int) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM lesson WHERE owner_id = ?", (owner_id,))
            db.execute("DELETE FROM learnt WHERE owner_id = ?", (owner_id,))

        await self._database.write(work)

    async def learnt(self, owner_id: int) -> Learnt:
        row = await self._database.run(lambda db: db.execute(_LEARNT + "WHERE owner_id = ?", (owner_id,)).fetchone())
        return Learnt(*cast(Any, row)) if row else Learnt(owner_id)

    async def unfitted(self) -> Sequence[Learnt]:
        sql = _LEARNT + "WHERE changes <> fitted ORDER BY owner_id"
        return [Learnt(*cast(Any, row)) for row in await self._database.run(lambda db: db.execute(sql).fetchall())]

    async def lessons(self, owner_id: int) -> Sequence[Lesson]:
        sql = _LESSONS + "WHERE owner_id = ? ORDER BY at, lesson"
        return await self._database.run(lambda db: _lessons(db, sql, (owner_id,)))

    async def newest(self, owner_id: int, count: int) -> Sequence[Lesson]:
        sql = _LESSONS + "WHERE owner_id = ? AND spam = ? ORDER BY at DESC LIMIT ?"
        return await self._database.run(
            lambda db: [each for spam in (1, 0) for each in _lessons(db, sql, (owner_id, spam, count))]
        )

    async def keep_weights(self, owner_id: int, octets: bytes, changes: int, at: float) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute(
                "UPDATE learnt SET weights = ?, fitted = ?, fitted_at = ?, version = version + 1 WHERE owner_id = ?",
                (octets, changes, at, owner_id),
            )

        await self._database.write(work)


def _lessons(db: apsw.Connection, sql: str, values: tuple[int, ...]) -> list[Lesson]:
    rows = cast("list[tuple[int, int, bytes, bytes, float]]", db.execute(sql, values).fetchall())
    return [Lesson(owner_id, bool(spam), digest, _unpacked(tokens), at) for owner_id, spam, digest, tokens, at in rows]


def _count(db: apsw.Connection, owner_id: int, changes: int) -> None:
    db.execute(_CHANGED, (owner_id, changes))
    db.execute(_COUNT, (owner_id,))


def _packed(tokens: Sequence[int]) -> bytes:
    column = array("I", tokens[:MAX_LESSON_TOKENS])
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _unpacked(octets: bytes) -> tuple[int, ...]:
    column = array("I", octets)
    if sys.byteorder == "big":
        column.byteswap()
    return tuple(column)
