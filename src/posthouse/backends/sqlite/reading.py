"""The look-ups of a process in a database file that another process, or another connection of this one, writes.

One read-only connection, shared by all that look into the file on the event loop, and the answer to the question that their
caches ask: was anything committed since? SQLite is asked at most once in a turn of the loop, since each time takes and gives
back a lock: a message asks twenty times. That is exact for whoever is outside: what a client sends once it knows of a commit is
read between two turns and handled in a later one. Sources: https://www.sqlite.org/pragma.html#pragma_data_version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.sqlite.database import open_reader


class Reading:
    """For the loop's own thread. The connection is opened at first use, since it must not cross a fork."""

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        self.path = path
        self._migrations = migrations
        self._opened: apsw.Connection | None = None
        self._committed = -1
        self._changes = 0
        self._asked = False

    @classmethod
    def of(cls, file: Path | Reading, migrations: Sequence[str]) -> Reading:
        """``file`` itself if it is shared with others, else one of its own."""
        return file if isinstance(file, Reading) else cls(file, migrations)

    @property
    def db(self) -> apsw.Connection:
        """The connection. Raises Temporary while the file is missing or has not been brought up to date."""
        if self._opened is None:
            self._opened = open_reader(self.path, self._migrations)
        return self._opened

    def changes(self) -> int:
        """A number that grows with whatever is committed, from 1 on: what was read while it was the same is still true.

        Raises Temporary as ``db`` does, apsw.Error.
        """
        if not self._asked:
            committed = cast(int, self.db.execute("PRAGMA data_version").get)
            if committed != self._committed:
                self._committed = committed
                self._changes += 1
            asyncio.get_running_loop().call_soon(self._turn_over)
            self._asked = True
        return self._changes

    def _turn_over(self) -> None:
        self._asked = False

    def close(self) -> None:
        """Closes the connection; another look-up would open it again, and would take all for changed."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None
            self._committed = -1
            self._asked = False
