"""Which rules are in use, in ``spam.db`` (interfaces/rule_book.py). The schema is in ``spam_lessons``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import apsw
import msgspec

from posthouse.backends.sqlite.database import DatabaseThread, mail_errors
from posthouse.backends.sqlite.reading import Reading
from posthouse.backends.sqlite.spam_lessons import MIGRATIONS
from posthouse.base.errors import NotFound
from posthouse.interfaces.rule_book import RulesRow, StoredRules

KEPT = 5
SHIPPED = "comes with the program"

_IN_USE = "SELECT version, at, origin, groups FROM rule_set WHERE entry = (SELECT entry FROM rules_in_use)"
_CHOOSE = "UPDATE rules_in_use SET entry = ?, changes = changes + 1"
_decoder = msgspec.msgpack.Decoder(dict[str, str])


def _stored(row: object) -> StoredRules | None:
    if row is None:
        return None
    version, at, origin, groups = cast("tuple[int, float, str, bytes]", row)
    return StoredRules(version, at, origin, _decoder.decode(groups))


class SqliteRuleBook:
    """``interfaces.rule_book.RuleBook``, in every process, on its loop."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._committed = -1
        self._changes = 0

    async def changes(self) -> int:
        with mail_errors():
            committed = self._file.changes()
            if committed != self._committed:
                self._changes = cast(int, self._file.db.execute("SELECT changes FROM rules_in_use").get)
                self._committed = committed
        return self._changes

    async def in_use(self) -> StoredRules | None:
        with mail_errors():
            return _stored(self._file.db.execute(_IN_USE).fetchone())

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()


class SqliteRuleBookWriter:
    """``interfaces.rule_book.RuleBookWriter``, in the process that has the writing thread."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def changes(self) -> int:
        return await self._database.run(lambda db: cast(int, db.execute("SELECT changes FROM rules_in_use").get))

    async def in_use(self) -> StoredRules | None:
        return _stored(await self._database.run(lambda db: db.execute(_IN_USE).fetchone()))

    async def take_over(self, rules: StoredRules) -> None:
        groups = msgspec.msgpack.encode(dict(rules.groups))

        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM rule_set WHERE entry > (SELECT entry FROM rules_in_use)")
            db.execute(
                "INSERT INTO rule_set (version, at, origin, groups) VALUES (?, ?, ?, ?)",
                (rules.version, rules.at, rules.origin, groups),
            )
            db.execute(_CHOOSE, (db.last_insert_rowid(),))
            db.execute("UPDATE rules_in_use SET newest = max(newest, ?)", (rules.version,))
            db.execute(
                "DELETE FROM rule_set WHERE entry NOT IN (SELECT entry FROM rule_set ORDER BY entry DESC LIMIT ?)", (KEPT,)
            )

        await self._database.write(work)

    async def roll_back(self) -> StoredRules | None:
        def work(db: apsw.Connection) -> object:
            entry = cast(int, db.execute("SELECT entry FROM rules_in_use").get)
            if not entry:
                raise NotFound("the rules that come with the program are in use; there are none before them")
            before = cast("int | None", db.execute("SELECT max(entry) FROM rule_set WHERE entry < ?", (entry,)).get)
            db.execute(_CHOOSE, (before or 0,))
            return db.execute(_IN_USE).fetchone()

        return _stored(await self._database.write(work))

    async def history(self) -> Sequence[RulesRow]:
        sql = (
            "SELECT version, at, origin, entry = (SELECT entry FROM rules_in_use) FROM rule_set UNION ALL"
            " SELECT 0, 0.0, ?, (SELECT entry FROM rules_in_use) = 0 ORDER BY version DESC"
        )
        rows = await self._database.run(lambda db: db.execute(sql, (SHIPPED,)).fetchall())
        found = cast("list[tuple[int, float, str, int]]", rows)
        return [RulesRow(version, at, origin, bool(in_use)) for version, at, origin, in_use in found]

    async def newest(self) -> int:
        return await self._database.run(lambda db: cast(int, db.execute("SELECT newest FROM rules_in_use").get))
