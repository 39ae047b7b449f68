"""Reading scripts, their memory and word lists from ``directory.db`` (interfaces/scripts.py): in every process, on its loop.

Active scripts and word lists are cached as long as ``Reading`` says that nothing was committed since. The writing side is
``scripts_writer.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, cast

import apsw

from posthouse.backends.sqlite.database import mail_error, mail_errors
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.model.script import MemoryKind, ScriptOwner, StoredScript, StoredWordList

CACHED_OWNERS = 1_024
SELECT_SCRIPT = "SELECT name, text, active, position, changed_at FROM script WHERE scope = ? AND owner_id = ? "

Key = TypeVar("Key")
Answer = TypeVar("Answer")


class SqliteScripts:
    """``interfaces.scripts.Scripts``."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)
        self._version = -1
        self._active = lru_cache(CACHED_OWNERS)(self._read_active)
        self._word_list = lru_cache(64)(self._read_word_list)

    async def active(self, owner: ScriptOwner) -> Sequence[StoredScript]:
        return self._fresh(self._active, owner)

    async def script(self, owner: ScriptOwner, name: str) -> StoredScript | None:
        return next((script for script in await self.scripts(owner) if script.name == name), None)

    async def scripts(self, owner: ScriptOwner) -> Sequence[StoredScript]:
        with mail_errors():
            rows = self._file.db.execute(SELECT_SCRIPT + "ORDER BY position", (owner.scope, owner.owner_id)).fetchall()
        return [script_of(row) for row in rows]

    async def remembered(self, account_id: int, kind: MemoryKind, key: str, now: float) -> bool:
        sql = "SELECT 1 FROM script_memory WHERE account_id = ? AND kind = ? AND key = ? AND expires_at > ?"
        with mail_errors():
            return self._file.db.execute(sql, (account_id, kind, key, now)).fetchone() is not None

    async def word_list(self, name: str) -> StoredWordList | None:
        return self._fresh(self._word_list, name)

    async def word_lists(self) -> Sequence[StoredWordList]:
        with mail_errors():
            rows = self._file.db.execute("SELECT name, text FROM word_list ORDER BY name").fetchall()
        return [StoredWordList(cast(str, name), cast(str, text)) for name, text in rows]

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()

    def _fresh(self, read: Callable[[Key], Answer], key: Key) -> Answer:
        """``read(key)`` through its cache, which is emptied first if anything was committed since the last look-up."""
        try:
            version = self._file.changes()
            if version != self._version:
                self._active.cache_clear()
                self._word_list.cache_clear()
                self._version = version
            return read(key)
        except apsw.Error as error:
            raise mail_error(error) from error

    def _read_active(self, owner: ScriptOwner) -> tuple[StoredScript, ...]:
        rows = self._file.db.execute(SELECT_SCRIPT + "AND active ORDER BY position", (owner.scope, owner.owner_id))
        return tuple(script_of(row) for row in rows)

    def _read_word_list(self, name: str) -> StoredWordList | None:
        row = self._file.db.execute("SELECT name, text FROM word_list WHERE name = ?", (name,)).fetchone()
        return StoredWordList(cast(str, row[0]), cast(str, row[1])) if row else None


def script_of(row: tuple[object, ...]) -> StoredScript:
    """The script of a row of SELECT_SCRIPT."""
    name, text, active, position, changed_at = row
    return StoredScript(cast(str, name), cast(str, text), bool(active), cast(int, position), cast(float, changed_at))
