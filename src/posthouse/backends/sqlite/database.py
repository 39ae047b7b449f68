"""How the embedded backends open SQLite files: WAL, numbered forward-only migrations, one writing thread, errors of ours.

Stands below every file of ``backends/sqlite``; it knows nothing of what the tables are about. A database file has one
process that writes it (``DatabaseThread`` over ``open_writer``); readers open it read-only and lazily, since a worker may
be up before the file is, and since a connection must never cross a fork. Sources: https://www.sqlite.org/wal.html,
pragma.html#pragma_synchronous.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeVar

import apsw

from posthouse.base.errors import MailError, NoSpace, Permanent, Temporary

Result = TypeVar("Result")
Synchronous = Literal["FULL", "NORMAL"]

PAGE_BYTES = 4096
LEAST_LOG_PAGES = 100
LOG_PART = 40
WRITER_BUSY_TIMEOUT_MS = 5_000
READER_BUSY_TIMEOUT_MS = 500
"""Readers of a WAL wait for nothing but its recovery after a crash; some of them run on the event loop."""


def open_writer(
    path: Path, migrations: Sequence[str], *, synchronous: Synchronous = "FULL", prepare: str = ""
) -> apsw.Connection:
    """The writing connection, with the schema brought up to ``len(migrations)`` (kept in ``user_version``).

    ``migrations[n]`` is the SQL that leads from version n to n + 1; released ones never change. Each runs in a
    transaction of its own with the new version, so a crash leaves the one or the other. ``prepare`` is run before them.
    Raises Permanent for a file made by a newer version; Temporary, NoSpace when it cannot be opened or changed.
    """
    with mail_errors():
        connection = apsw.Connection(str(path))
        try:
            path.chmod(0o600)
            connection.set_busy_timeout(WRITER_BUSY_TIMEOUT_MS)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
            if prepare:
                connection.execute(prepare)
            _migrate(connection, migrations, path)
        except BaseException:
            connection.close()
            raise
        return connection


def log_pages(path: Path, most: int) -> int:
    """After how many pages the write-ahead log of the database at ``path`` goes back into it: on a small disk sooner, so that
    logs do not take the room that their own copying back needs."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return most
    pages = disk.f_blocks * disk.f_frsize // PAGE_BYTES
    return max(LEAST_LOG_PAGES, min(most, pages // LOG_PART))


def open_reader(path: Path, migrations: Sequence[str]) -> apsw.Connection:
    """A read-only connection. Raises Temporary while the file is missing or has not been brought up to date yet."""
    with mail_errors():
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(READER_BUSY_TIMEOUT_MS)
            version = user_version(connection)
            if version != len(migrations):
                cause = f"{path.name} has schema {version}, this program {len(migrations)}"
                raise Temporary("The database is not ready", cause=cause)
        except BaseException:
            connection.close()
            raise
        return connection


def user_version(connection: apsw.Connection) -> int:
    """The schema's number; 0 for a fresh file."""
    return int(connection.pragma("user_version"))


def _migrate(connection: apsw.Connection, migrations: Sequence[str], path: Path) -> None:
    while (version := user_version(connection)) != len(migrations):
        if version > len(migrations):
            raise Permanent("The database was made by a newer version", cause=f"{path.name}: schema {version}")
        with transaction(connection):
            # Another process may have been quicker while this one waited for the lock.
            if user_version(connection) == version:
                connection.execute(migrations[version])
                connection.execute(f"PRAGMA user_version = {version + 1}")


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """One write transaction, committed at the end, rolled back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors (disk full); a second ROLLBACK would hide the cause.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class _MailErrors:
    """What ``mail_errors`` gives: one object for all, since look-ups pass it many times a message and it keeps nothing."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _where: TracebackType | None) -> None:
        if isinstance(error, apsw.Error):
            raise mail_error(error) from error


_MAIL_ERRORS = _MailErrors()


def mail_errors() -> _MailErrors:
    """Turns the driver's errors into the house's family: a full disk is NoSpace, everything else Temporary."""
    return _MAIL_ERRORS


def mail_error(error: apsw.Error) -> MailError:
    """What a client may be told of ``error``; the log gets the driver's words."""
    cause = f"{type(error).__name__}: {error}"
    # An index of the write-ahead log that finds no room is said to be an I/O error.
    if isinstance(error, apsw.FullError) or getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE:
        return NoSpace(cause)
    return Temporary("Database trouble, try again later", cause=cause)


def like_pattern(glob: str) -> str:
    """The LIKE pattern of a glob (``*`` any run, ``?`` one character), to be used with ``ESCAPE '\\'``."""
    out = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return out.replace("*", "%").replace("?", "_")


def _nothing(_: apsw.Connection) -> None:
    return None


class DatabaseThread:
    """One connection in one thread of its own: work runs in order, off the event loop, so that no fsync blocks it.

    The connection is opened by ``open``, or the first piece of work. A cancelled caller does not stop its work once begun.
    """

    def __init__(self, opener: Callable[[], apsw.Connection], name: str) -> None:
        self._opener = opener
        self._connection: apsw.Connection | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def open(self) -> None:
        """Opens the connection now, blocking. Raises as the opener does."""
        self._executor.submit(self._do, _nothing).result()

    async def run(self, work: Callable[[apsw.Connection], Result]) -> Result:
        """The result of ``work``. Raises what it raises, the driver's errors as MailError."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._do, work)

    async def write(self, work: Callable[[apsw.Connection], Result]) -> Result:
        """As ``run``, in one transaction; durable when it returns."""

        def inside(connection: apsw.Connection) -> Result:
            with transaction(connection):
                return work(connection)

        return await self.run(inside)

    def _do(self, work: Callable[[apsw.Connection], Result]) -> Result:
        with mail_errors():
            if self._connection is None:
                self._connection = self._opener()
            return work(self._connection)

    def close(self) -> None:
        """Ends the thread after the work under way, and closes the connection."""
        self._executor.submit(self._close)
        self._executor.shutdown(wait=True)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
