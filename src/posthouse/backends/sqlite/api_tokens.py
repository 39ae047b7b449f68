"""API tokens and sessions in ``directory.db`` (interfaces/api_tokens.py), which only the node's user may read.

Read in the workers, written by the steward: for operations by ``SqliteApiTokensWriter``, for the workers over the gate
(``RemoteApiTokensWriter`` to ``handler``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec

from posthouse.backends.api_token_checks import too_many, twice
from posthouse.backends.sqlite.database import DatabaseThread, mail_errors
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.reading import Reading
from posthouse.base.errors import BadValue, NotFound
from posthouse.interfaces.api_tokens import MOST_SESSIONS, MOST_TOKENS
from posthouse.model.api_token import ApiToken, Kind

CALL = "api-tokens"
_COLUMNS = "token_id, kind, account_id, name, digest, scopes, made_at, expires_at, seen_at, mark"
_DROP_OLDEST = (
    "DELETE FROM api_token WHERE token_id IN (SELECT token_id FROM api_token WHERE kind = 'session' AND account_id = ?"
    " ORDER BY seen_at DESC, token_id DESC LIMIT -1 OFFSET ?)"
)


class SqliteApiTokens:
    """``interfaces.api_tokens.ApiTokens``."""

    def __init__(self, file: Path | Reading) -> None:
        self._file = Reading.of(file, MIGRATIONS)

    async def api_token(self, token_id: str) -> ApiToken | None:
        with mail_errors():
            sql = f"SELECT {_COLUMNS} FROM api_token WHERE token_id = ?"
            row = self._file.db.execute(sql, (token_id,)).fetchone()
        return _token_of(row) if row is not None else None

    async def api_tokens(self, kind: Kind) -> Sequence[ApiToken]:
        with mail_errors():
            sql = f"SELECT {_COLUMNS} FROM api_token WHERE kind = ? ORDER BY made_at, token_id"
            return [_token_of(row) for row in self._file.db.execute(sql, (kind,)).fetchall()]

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()


class SqliteApiTokensWriter:
    """``interfaces.api_tokens.ApiTokensWriter``, in the process that has the writing thread."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def add_api_token(self, token: ApiToken) -> None:
        def work(db: apsw.Connection) -> None:
            if db.execute("SELECT 1 FROM account WHERE account_id = ?", (token.account_id,)).get is None:
                raise NotFound("there is no such account")
            if token.kind == "token":
                _check_room(db, token)
            else:
                over = "DELETE FROM api_token WHERE kind = 'session' AND expires_at <> 0 AND expires_at <= ?"
                db.execute(over, (token.made_at,))
                db.execute(_DROP_OLDEST, (token.account_id, MOST_SESSIONS - 1))
            db.execute(f"INSERT INTO api_token ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _row_of(token))

        await self._database.write(work)

    async def seen_api_token(self, token_id: str, at: float, expires_at: float) -> None:
        def work(db: apsw.Connection) -> None:
            db.execute("UPDATE api_token SET seen_at = ?, expires_at = ? WHERE token_id = ?", (at, expires_at, token_id))

        await self._database.write(work)

    async def delete_api_token(self, token_id: str) -> bool:
        def work(db: apsw.Connection) -> bool:
            db.execute("DELETE FROM api_token WHERE token_id = ?", (token_id,))
            return db.changes() > 0

        return await self._database.write(work)


class RemoteApiTokensWriter:
    """``interfaces.api_tokens.ApiTokensWriter`` in a worker. ``call`` is the gate client's."""

    def __init__(self, call: Callable[[str, Any], Awaitable[Any]]) -> None:
        self._call = call

    async def add_api_token(self, token: ApiToken) -> None:
        await self._call(CALL, ["add", msgspec.to_builtins(token, builtin_types=(bytes,))])

    async def seen_api_token(self, token_id: str, at: float, expires_at: float) -> None:
        await self._call(CALL, ["seen", token_id, at, expires_at])

    async def delete_api_token(self, token_id: str) -> bool:
        return cast(bool, await self._call(CALL, ["delete", token_id]))


def handler(writer: SqliteApiTokensWriter) -> Callable[[Any], Awaitable[Any]]:
    """The steward's end of ``RemoteApiTokensWriter``."""

    async def handle(payload: Any) -> Any:
        method, *arguments = payload
        if method == "add":
            token = msgspec.convert(arguments[0], ApiToken, builtin_types=(bytes,))
            return await writer.add_api_token(token)
        if method == "seen":
            return await writer.seen_api_token(*arguments)
        if method == "delete":
            return await writer.delete_api_token(*arguments)
        raise BadValue("There is no such call", cause=f"api tokens: {method}")

    return handle


def _check_room(db: apsw.Connection, token: ApiToken) -> None:
    own = db.execute("SELECT name FROM api_token WHERE kind = 'token' AND account_id = ?", (token.account_id,)).fetchall()
    if (token.name,) in own:
        raise twice(token.name)
    if len(own) >= MOST_TOKENS:
        raise too_many()


def _row_of(token: ApiToken) -> tuple[str | int | float | bytes, ...]:
    return (
        token.token_id,
        token.kind,
        token.account_id,
        token.name,
        token.digest,
        " ".join(token.scopes),
        token.made_at,
        token.expires_at,
        token.seen_at,
        token.mark,
    )


def _token_of(row: tuple[Any, ...]) -> ApiToken:
    token_id, kind, account_id, name, digest, scopes, made_at, expires_at, seen_at, mark = row
    return ApiToken(
        token_id, kind, account_id, name, digest, tuple(scopes.split()), made_at, expires_at, seen_at, mark
    )  # fmt: skip
