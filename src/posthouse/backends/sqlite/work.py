"""What a unit of work gets to do its work with: the writing connection inside a transaction, the time, fresh ids.

Units are functions ``(work, arguments) -> result`` registered by kind; they run in the writing thread, one after the other,
each in a savepoint. Arguments and results are what msgpack can carry, since they cross the gate. A unit says what it
changed (``touch``, ``queue_grew``, ``bodies_grew``) so that the thread can tell the node after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import apsw

from posthouse.backends.notices import MailboxNotice
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.base.clock import Clock
from posthouse.base.errors import NotFound, Temporary
from posthouse.base.ids import Ids

Unit = Callable[["Work", Any], Any]
Row = tuple[Any, ...]


class Work:
    """One writing connection with what belongs to it; lives as long as the writing thread. ``now`` is set per group.

    ``fresh_dead``: digests of files whose last name went in this group, see ``upkeep.py``."""

    def __init__(self, connection: apsw.Connection, clock: Clock, blobs: BlobFiles) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.clock = clock
        self.ids = Ids(clock)
        self.blobs = blobs
        self.now = clock.now()
        self.touched: list[MailboxNotice] = []
        self.queue_grew = False
        self.bodies_grew = False
        self.upkeep_due = True
        self.fresh_dead: set[bytes] = set()

    def touch(self, mailbox_id: int, account_id: int, mod_seq: int, *, names: bool = False) -> None:
        """Notes that a mailbox changed, as ``MailboxNotice`` says; ``mod_seq`` 0 when it is gone."""
        self.touched.append(MailboxNotice(mailbox_id, account_id, mod_seq, names))

    def one(self, sql: str, bindings: tuple[Any, ...]) -> Row | None:
        """The first row, or None."""
        row: Row | None = self.execute(sql, bindings).fetchone()
        return row

    def all(self, sql: str, bindings: tuple[Any, ...]) -> list[Row]:
        """All rows."""
        rows: list[Row] = self.execute(sql, bindings).fetchall()
        return rows

    def loosen(self, body_ids: Iterable[int]) -> None:
        """Notes bodies that may have lost their last reference; upkeep looks later."""
        self.executemany("INSERT OR IGNORE INTO loose_body VALUES (?)", ((body_id,) for body_id in body_ids))
        self.upkeep_due = True

    def mailbox(self, mailbox_id: int) -> Row:
        """(account_id, uid_validity, uid_next, mod_seq, keywords, deleted, name). Raises NotFound."""
        row = self.one(
            "SELECT account_id, uid_validity, uid_next, mod_seq, keywords, deleted, name"
            " FROM mailbox WHERE mailbox_id = ? AND selectable",
            (mailbox_id,),
        )
        if row is None:
            raise NotFound("There is no such mailbox")
        return row

    def check_account(self, account_id: int) -> None:
        """Raises NotFound for an account that was deleted."""
        if self.one("SELECT 1 FROM gone_account WHERE account_id = ?", (account_id,)):
            raise NotFound("There is no such account")

    def next_uid_validity(self) -> int:
        """Larger than every one before, and not that of a database that stood here before this one (hence the clock)."""
        row = self.one(
            "UPDATE last_value SET value = max(value + 1, ?) WHERE name = 'uid_validity' RETURNING value", (int(self.now),)
        )
        if row is None:
            raise Temporary("Database trouble, try again later", cause="the row of uid_validity is missing")
        return int(row[0])


def blob_folder(database: Path) -> Path:
    """Where the large contents of a mail database stand."""
    return database.parent / "blobs"
