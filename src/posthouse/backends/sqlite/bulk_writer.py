"""The writing side of ``bulk.db``, in the steward: what workers tell becomes counts, many messages in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import apsw
import msgspec

from posthouse.backends.sqlite.database import mail_errors, open_writer, transaction
from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.model.bulk import Report, Sighting, slot_of

_VERSION_1 = """
CREATE TABLE sighting (
    key INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    clients INTEGER NOT NULL,
    PRIMARY KEY (key, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX sighting_by_slot ON sighting (slot);

CREATE TABLE report (
    key INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    spam INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (key, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_by_time ON report (at);
"""
MIGRATIONS: tuple[str, ...] = (_VERSION_1,)
MOST_WAITING = 20_000
EXPIRE_AT_A_TIME = 2_000
MAX_KEYS = 64
_ADD = (
    "INSERT INTO sighting (key, slot, messages, recipients, clients) VALUES (?, ?, 1, ?, ?) ON CONFLICT (key, slot) DO UPDATE"
    " SET messages = messages + 1, recipients = recipients + excluded.recipients, clients = clients | excluded.clients"
)
_SAY = "INSERT OR REPLACE INTO report (key, account_id, spam, at) VALUES (?, ?, ?, ?)"
_log = log.get("bulk")


class BulkWriter:
    """The one writer of ``path``; the file is made and brought up to date here."""

    def __init__(self, path: Path) -> None:
        self._db = open_writer(path, MIGRATIONS, synchronous="NORMAL")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="bulk-writer")
        self._lock = Lock()
        self._waiting: list[Sighting | Report] = []
        self._dropped = 0

    def told(self, payload: Any) -> None:
        """One sighting or report, as ``msgspec.to_builtins`` makes them; returns at once. Too many are dropped."""
        what: Sighting | Report
        try:
            is_report = isinstance(payload, dict) and "account_id" in payload
            what = msgspec.convert(payload, Report) if is_report else msgspec.convert(payload, Sighting)
        except msgspec.ValidationError:
            _log.error("not-understood", payload=repr(payload)[:200])
            return
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                self._dropped += 1
                return
            first = not self._waiting
            self._waiting.append(what)
        if first:
            self._thread.submit(self._write_all)

    async def settle(self) -> None:
        """Returns when all that was told before is in the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, int)

    async def expire(self, before: float, reports_before: float) -> int:
        """Drops what is older, some rows in each transaction so that writing goes on between."""
        loop, total = asyncio.get_running_loop(), 0
        while count := await loop.run_in_executor(self._thread, self._expire_some, before, reports_before):
            total += count
        return total

    def close(self) -> None:
        """Writes what waits and closes the file."""
        self._thread.shutdown(wait=True)
        self._db.close()

    def _write_all(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, 0
        if dropped:
            _log.warning("dropped", count=dropped)
        try:
            with mail_errors(), transaction(self._db):
                _write(self._db, waiting)
        except MailError as error:
            _log.error("not-written", count=len(waiting), cause=error.cause or error.public)

    def _expire_some(self, before: float, reports_before: float) -> int:
        sightings = "DELETE FROM sighting WHERE (key, slot) IN (SELECT key, slot FROM sighting WHERE slot < ? LIMIT ?)"
        reports = "DELETE FROM report WHERE (key, account_id) IN (SELECT key, account_id FROM report WHERE at < ? LIMIT ?)"
        with mail_errors(), transaction(self._db):
            start = self._db.total_changes()
            self._db.execute(sightings, (slot_of(before), EXPIRE_AT_A_TIME))
            self._db.execute(reports, (reports_before, EXPIRE_AT_A_TIME))
            return self._db.total_changes() - start


def _write(db: apsw.Connection, waiting: Sequence[Sighting | Report]) -> None:
    for what in waiting:
        keys = what.keys[:MAX_KEYS]
        if isinstance(what, Sighting):
            bit = 1 << max(0, min(what.client_bit, 61))
            db.executemany(_ADD, [(key, slot_of(what.at), what.recipients, bit) for key in keys])
        else:
            db.executemany(_SAY, [(key, what.account_id, what.spam, what.at) for key in keys])
