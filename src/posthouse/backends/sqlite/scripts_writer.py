"""Writing scripts, their memory and word lists into ``directory.db`` (interfaces/scripts.py).

In the steward each change is one transaction in the file's writing thread, durable when the call returns
(``SqliteScriptsWriter``). Workers hand theirs over the gate (``RemoteScriptsWriter`` to ``handler``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import apsw
import msgspec

from posthouse.backends.script_checks import IsActive, checked_script, no_script
from posthouse.backends.sqlite.database import DatabaseThread
from posthouse.backends.sqlite.scripts import SELECT_SCRIPT, script_of
from posthouse.base.errors import AlreadyExists, BadValue, NotFound
from posthouse.model.script import Memory, ScriptOwner, StoredScript, normal_script_name

CALL = "scripts"
_METHODS = (
    "put_script", "activate", "deactivate_all", "move_script", "rename_script", "delete_script", "remember", "expire_memories",
    "put_word_list", "delete_word_list",
)  # fmt: skip


class SqliteScriptsWriter:
    """``interfaces.scripts.ScriptsWriter``, in the process that has the writing thread."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def put_script(self, owner: ScriptOwner, name: str, text: str, at: float) -> StoredScript:
        def work(db: apsw.Connection) -> StoredScript:
            rows = _rows(db, owner)
            normal = checked_script(name, text, {row.name: len(row.text.encode("utf-8", "replace")) for row in rows})
            position = len(rows)
            db.execute(
                "INSERT INTO script (scope, owner_id, name, text, active, position, changed_at) VALUES (?, ?, ?, ?, 0, ?, ?)"
                " ON CONFLICT (scope, owner_id, name) DO UPDATE SET text = excluded.text, changed_at = excluded.changed_at",
                (owner.scope, owner.owner_id, normal, _storable(text), position, at),
            )
            return _row(db, owner, normal)

        return await self._database.write(work)

    async def activate(self, owner: ScriptOwner, name: str, *, on: bool = True) -> None:
        def work(db: apsw.Connection) -> None:
            _row(db, owner, name)
            if on and owner.scope == "user":
                _update(db, owner, "active = 0", ())
            _update(db, owner, "active = ?", (on,), name)

        await self._database.write(work)

    async def deactivate_all(self, owner: ScriptOwner) -> None:
        await self._database.write(lambda db: _update(db, owner, "active = 0", ()))

    async def move_script(self, owner: ScriptOwner, name: str, position: int) -> None:
        def work(db: apsw.Connection) -> None:
            names = [row.name for row in _rows(db, owner)]
            if name not in names:
                raise no_script(name)
            names.remove(name)
            names.insert(max(position, 0), name)
            _renumber(db, owner, names)

        await self._database.write(work)

    async def rename_script(self, owner: ScriptOwner, name: str, new_name: str) -> None:
        normal = normal_script_name(new_name)

        def work(db: apsw.Connection) -> None:
            names = [row.name for row in _rows(db, owner)]
            if name not in names:
                raise no_script(name)
            if normal != name and normal in names:
                raise AlreadyExists(f"there is a script {normal!r} already")
            _update(db, owner, "name = ?", (normal,), name)

        await self._database.write(work)

    async def delete_script(self, owner: ScriptOwner, name: str) -> None:
        def work(db: apsw.Connection) -> None:
            if _row(db, owner, name).active:
                raise IsActive(name)
            db.execute("DELETE FROM script WHERE scope = ? AND owner_id = ? AND name = ?", (owner.scope, owner.owner_id, name))
            _renumber(db, owner, [row.name for row in _rows(db, owner)])

        await self._database.write(work)

    async def remember(self, account_id: int, memories: Sequence[Memory]) -> None:
        rows = [(account_id, each.kind, each.key, each.expires_at) for each in memories]

        def work(db: apsw.Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO script_memory VALUES (?, ?, ?, ?)", rows)

        if rows:
            await self._database.write(work)

    async def expire_memories(self, now: float) -> int:
        def work(db: apsw.Connection) -> int:
            db.execute("DELETE FROM script_memory WHERE expires_at <= ?", (now,))
            return db.changes()

        return await self._database.write(work)

    async def put_word_list(self, name: str, text: str) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO word_list VALUES (?, ?)", (name, _storable(text)))

        await self._database.write(work)

    async def delete_word_list(self, name: str) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute("DELETE FROM word_list WHERE name = ?", (name,))
            if db.changes() == 0:
                raise NotFound(f"no word list {name}")

        await self._database.write(work)


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _rows(db: apsw.Connection, owner: ScriptOwner) -> list[StoredScript]:
    rows = db.execute(SELECT_SCRIPT + "ORDER BY position", (owner.scope, owner.owner_id)).fetchall()
    return [script_of(row) for row in rows]


def _row(db: apsw.Connection, owner: ScriptOwner, name: str) -> StoredScript:
    row = db.execute(SELECT_SCRIPT + "AND name = ?", (owner.scope, owner.owner_id, name)).fetchone()
    if row is None:
        raise no_script(name)
    return script_of(row)


def _update(db: apsw.Connection, owner: ScriptOwner, change: str, values: tuple[object, ...], name: str | None = None) -> None:
    where, key = (" AND name = ?", (name,)) if name is not None else ("", ())
    sql = f"UPDATE script SET {change} WHERE scope = ? AND owner_id = ?{where}"
    db.execute(sql, cast("tuple[str | int, ...]", (*values, owner.scope, owner.owner_id, *key)))


def _renumber(db: apsw.Connection, owner: ScriptOwner, names: Sequence[str]) -> None:
    for position, name in enumerate(names):
        _update(db, owner, "position = ?", (position,), name)


class RemoteScriptsWriter:
    """``interfaces.scripts.ScriptsWriter`` in a worker. ``call`` is the gate client's."""

    def __init__(self, call: Callable[[str, Any], Awaitable[Any]]) -> None:
        self._call = call

    async def _ask(self, method: str, *arguments: object, **options: object) -> Any:
        return await self._call(CALL, [method, [msgspec.to_builtins(each) for each in arguments], options])

    async def put_script(self, owner: ScriptOwner, name: str, text: str, at: float) -> StoredScript:
        return msgspec.convert(await self._ask("put_script", owner, name, text, at), StoredScript)

    async def activate(self, owner: ScriptOwner, name: str, *, on: bool = True) -> None:
        await self._ask("activate", owner, name, on=on)

    async def deactivate_all(self, owner: ScriptOwner) -> None:
        await self._ask("deactivate_all", owner)

    async def move_script(self, owner: ScriptOwner, name: str, position: int) -> None:
        await self._ask("move_script", owner, name, position)

    async def rename_script(self, owner: ScriptOwner, name: str, new_name: str) -> None:
        await self._ask("rename_script", owner, name, new_name)

    async def delete_script(self, owner: ScriptOwner, name: str) -> None:
        await self._ask("delete_script", owner, name)

    async def remember(self, account_id: int, memories: Sequence[Memory]) -> None:
        if memories:
            await self._ask("remember", account_id, list(memories))

    async def expire_memories(self, now: float) -> int:
        return cast(int, await self._ask("expire_memories", now))

    async def put_word_list(self, name: str, text: str) -> None:
        await self._ask("put_word_list", name, text)

    async def delete_word_list(self, name: str) -> None:
        await self._ask("delete_word_list", name)


def handler(writer: SqliteScriptsWriter) -> Callable[[Any], Awaitable[Any]]:
    """The steward's end of ``RemoteScriptsWriter``."""

    async def handle(payload: Any) -> Any:
        method, arguments, options = payload
        if method not in _METHODS:
            raise BadValue("There is no such call", cause=f"scripts: {method}")
        if method == "remember":
            arguments = [arguments[0], msgspec.convert(arguments[1], list[Memory])]
        elif arguments and isinstance(arguments[0], dict):
            arguments = [msgspec.convert(arguments[0], ScriptOwner), *arguments[1:]]
        return msgspec.to_builtins(await getattr(writer, method)(*arguments, **options))

    return handle
