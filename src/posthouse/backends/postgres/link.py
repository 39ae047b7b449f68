"""One connection to PostgreSQL, opened when it is needed, opened anew after it broke, never waited for without end.

What the driver raises becomes Temporary, with its words as the private cause; passwords never get into it.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from posthouse.base.errors import Temporary

CONNECT_S = 5
CALL_S = 10.0
"""A statement that takes longer is given up, and the connection with it."""
OPTIONS: dict[str, Any] = {
    "application_name": "posthouse",
    "connect_timeout": CONNECT_S,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class PostgresLink:
    """``run`` one statement at a time; each is a transaction of its own. ``prepare`` are statements of each new connection,
    ``migrations`` make the schema, kept by ``name`` in the table ``posthouse_schema``."""

    def __init__(self, url: str, name: str, migrations: Sequence[str], prepare: Sequence[str] = ()) -> None:
        self._url = url
        self._name = name
        self._migrations = migrations
        self._prepare = prepare
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()

    async def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows, none for a statement that gives none. Raises Temporary."""
        async with self._lock:
            try:
                async with asyncio.timeout(CALL_S):
                    return await self._run(sql, values)
            except TimeoutError:
                await self._drop()
                raise _failed(f"no answer within {CALL_S:g} s") from None
            except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
                await self._drop()
                raise _failed(_words(error)) from error
            except psycopg.Error as error:
                raise _failed(_words(error)) from error
            except asyncio.CancelledError:
                await self._drop()
                raise

    async def _run(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """A connection that died while nobody used it costs one more try, not an answer; what is asked may be done twice."""
        if self._connection is not None:
            try:
                return await _rows(self._connection, sql, values)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                await self._drop()
        return await _rows(await self._opened(), sql, values)

    async def close(self) -> None:
        """Closes the connection."""
        async with self._lock:
            await self._drop()

    async def _opened(self) -> Connection:
        if self._connection is None or self._connection.closed:
            given = conninfo_to_dict(self._url)
            info = make_conninfo(self._url, **{key: value for key, value in OPTIONS.items() if key not in given})
            connection = await psycopg.AsyncConnection.connect(info, autocommit=True)
            try:
                await self._migrate(connection)
                for statement in self._prepare:
                    await connection.execute(statement.encode())
            except BaseException:
                await connection.close()
                raise
            self._connection = connection
        return self._connection

    async def _migrate(self, connection: Connection) -> None:
        """Brings the schema up to date; nodes that start together take turns."""
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (zlib.crc32(self._name.encode()),))
            made = "CREATE TABLE IF NOT EXISTS posthouse_schema (name text PRIMARY KEY, version int NOT NULL)"
            await connection.execute(made)
            cursor = await connection.execute("SELECT version FROM posthouse_schema WHERE name = %s", (self._name,))
            row = await cursor.fetchone()
            version = int(row[0]) if row else 0
            if version > len(self._migrations):
                raise psycopg.OperationalError(f"{self._name} was made by a newer version ({version})")
            for migration in self._migrations[version:]:
                await connection.execute(migration.encode())
            if version != len(self._migrations):
                await connection.execute(
                    "INSERT INTO posthouse_schema VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET version = excluded.version",
                    (self._name, len(self._migrations)),
                )

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def _rows(connection: Connection, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(sql.encode(), values)
    return await cursor.fetchall() if cursor.description else []


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _failed(cause: str) -> Temporary:
    return Temporary("Database trouble, try again later", cause=f"PostgreSQL: {cause}")
