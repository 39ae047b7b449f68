"""Settings, their history, and the audit trail in ``directory.db`` (ADM-5).

A value is kept as JSON under its key, only once it was set; what is absent has the catalogue's default. The snapshot's
version is the highest one in the history. ``SqliteConfigurationReader`` serves every process; the writing half runs in
the steward, through the same thread as the directory's writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import apsw
import msgspec

from posthouse.backends.sqlite.database import DatabaseThread, open_reader
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.base import log
from posthouse.base.errors import BadValue, NotFound
from posthouse.base.settings import Value
from posthouse.interfaces.configuration import AuditEntry, SettingChange
from posthouse.model.settings import Settings, spec_of

_log = log.get("settings")


class SqliteConfigurationReader:
    """What workers need: the snapshot, and the two histories. Reads run in a thread of their own."""

    def __init__(self, path: Path) -> None:
        self._reader = DatabaseThread(lambda: open_reader(path, MIGRATIONS), "settings-reader")

    async def load(self) -> Settings:
        """As ``interfaces.configuration.Configuration.load``."""
        return await self._reader.run(_consistent_load)

    async def history(self, *, key: str = "", limit: int = 100) -> Sequence[SettingChange]:
        """As ``Configuration.history``."""
        sql = "SELECT version, at, who, key, before, after FROM setting_change "
        sql += "WHERE key = :key ORDER BY change_id DESC LIMIT :limit" if key else "ORDER BY change_id DESC LIMIT :limit"
        values = {"key": key.lower(), "limit": max(limit, 0)}
        return await self._reader.run(lambda db: [_change_of(row) for row in db.execute(sql, values)])

    async def audited(self, *, limit: int = 100) -> Sequence[AuditEntry]:
        """As ``Configuration.audited``."""
        sql = "SELECT at, who, via, operation, arguments, outcome FROM audit ORDER BY audit_id DESC LIMIT ?"
        return await self._reader.run(lambda db: [_entry_of(row) for row in db.execute(sql, (max(limit, 0),))])

    def close(self) -> None:
        """Closes the connection; the writing thread belongs to who made it."""
        self._reader.close()


class SqliteConfiguration(SqliteConfigurationReader):
    """``interfaces.configuration.Configuration``, whole."""

    def __init__(self, path: Path, database: DatabaseThread) -> None:
        super().__init__(path)
        self._database = database

    async def put(self, changes: Sequence[tuple[str, Value]], *, who: str, at: float) -> Settings:
        """As ``Configuration.put``; no changes at all give the snapshot as it is."""

        def work(db: apsw.Connection) -> Settings:
            before = _load(db)
            after = before
            for key, value in changes:
                after = after.with_value(key.lower(), value)
            version = before.version + bool(changes)
            for key in dict.fromkeys(key.lower() for key, _ in changes):
                _put_one(db, key, before.get(key), after.get(key), (version, at, who))
            return replace(after, version=version)

        return await self._database.write(work)

    async def audit(self, entry: AuditEntry) -> None:
        """As ``Configuration.audit``."""
        row = (entry.at, entry.who, entry.via, entry.operation, entry.arguments, entry.outcome)
        sql = "INSERT INTO audit (at, who, via, operation, arguments, outcome) VALUES (?, ?, ?, ?, ?, ?)"
        await self._database.write(lambda db: db.execute(sql, row))


def _load(db: apsw.Connection) -> Settings:
    settings = Settings(version=cast(int, db.execute("SELECT coalesce(max(version), 0) FROM setting_change").get))
    for key, text in db.execute("SELECT key, value FROM setting ORDER BY key"):
        try:
            settings = settings.with_value(cast(str, key), _decode(cast(str, key), cast(str, text)))
        except (BadValue, NotFound, msgspec.DecodeError) as error:
            _log.warning("setting ignored, its default holds", key=key, value=text, cause=str(error))
    return settings


def _consistent_load(db: apsw.Connection) -> Settings:
    db.execute("BEGIN")
    try:
        return _load(db)
    finally:
        db.execute("ROLLBACK")


def _decode(key: str, text: str) -> Value:
    value = msgspec.json.decode(text)
    if isinstance(value, list):
        return tuple(str(word) for word in value)
    return float(value) if spec_of(key).kind is float and type(value) is int else cast(Value, value)


def _put_one(db: apsw.Connection, key: str, before: Value, after: Value, stamp: tuple[int, float, str]) -> None:
    text = msgspec.json.encode(after).decode()
    db.execute("INSERT INTO setting VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, text))
    spec = spec_of(key)
    db.execute(
        "INSERT INTO setting_change (version, at, who, key, before, after) VALUES (?, ?, ?, ?, ?, ?)",
        (*stamp, key, spec.render(before), spec.render(after)),
    )


def _change_of(row: tuple[object, ...]) -> SettingChange:
    return SettingChange(*cast("tuple[int, float, str, str, str, str]", row))


def _entry_of(row: tuple[object, ...]) -> AuditEntry:
    return AuditEntry(*cast("tuple[float, str, str, str, str, str]", row))
