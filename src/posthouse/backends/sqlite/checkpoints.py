"""Moving the write-ahead log into the database file without making units wait.

A thread with a connection of its own copies most of it while groups go on being committed; the writing thread then copies the
few pages that came meanwhile, between two groups, so that the log starts again from its beginning instead of growing. Readers
never hold a transaction open for long, so nothing stands in the way for long (https://www.sqlite.org/wal.html §6).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal

import apsw

from posthouse.backends.sqlite.database import log_pages
from posthouse.base import log

DUE_PAGES = 4_000
REST_PAGES = 500
ROUNDS = 3


class Checkpoints:
    """Made with the writing connection; ``after_commit`` is called by the writing thread between groups."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._pages = 0
        self._due_pages = log_pages(path, DUE_PAGES)
        self._state: Literal["resting", "copying", "copied"] = "resting"
        self._begin = threading.Event()
        self._closing = False
        self._log = log.get("store")
        connection.set_wal_hook(self._count)
        self._thread = threading.Thread(target=self._run, name="mail-checkpoint", daemon=True)
        self._thread.start()

    def _count(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def after_commit(self) -> None:
        """Starts the thread's work when the log is long, or finishes what it left."""
        if self._state == "resting" and self._pages >= self._due_pages:
            self._state = "copying"
            self._begin.set()
        elif self._state == "copied":
            self._pages = self._copy_back(self._connection)
            self._state = "resting"

    def close(self) -> None:
        """Ends the thread; the connection is the caller's to close."""
        self._closing = True
        self._begin.set()
        self._thread.join()

    def _run(self) -> None:
        connection = apsw.Connection(str(self._path))
        connection.execute("PRAGMA synchronous = FULL")
        while self._begin.wait() and not self._closing:
            self._begin.clear()
            for _ in range(ROUNDS):
                if self._copy_back(connection) <= REST_PAGES:
                    break
            self._state = "copied"
        connection.close()

    def _copy_back(self, connection: apsw.Connection) -> int:
        """One passive checkpoint; gives how many pages of the log are not copied yet. A full disk leaves it for later."""
        try:
            total, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            self._log.warning("checkpoint failed", error=repr(error))
            return 0
        return int(total - copied)
