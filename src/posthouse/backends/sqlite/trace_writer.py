"""The writing side of ``trace.db``, in the steward: batches from all workers become rows, many in one transaction.

``write`` returns at once; one thread takes all that comes in a moment, so transactions grow with load, and the pages that all
records touch are written once for many. Whoever searches does not wait for that moment to pass. See ``traces.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock
from typing import cast

import msgspec

from posthouse.backends.sqlite.database import log_pages, mail_errors, open_writer, transaction
from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.model.trace import TraceRecord

_VERSION_1 = """
CREATE TABLE trace (
    entry INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL,
    at REAL NOT NULL,
    outcome TEXT NOT NULL,
    sender TEXT NOT NULL,
    client TEXT NOT NULL,
    message_id TEXT NOT NULL,
    record BLOB NOT NULL
) STRICT;
CREATE INDEX trace_by_id ON trace (trace_id);
CREATE INDEX trace_by_time ON trace (at);
CREATE INDEX trace_by_sender ON trace (sender, at);
CREATE INDEX trace_by_message ON trace (message_id);

CREATE TABLE trace_recipient (
    recipient TEXT NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (recipient, entry)
) STRICT, WITHOUT ROWID;
"""
_VERSION_2 = """
ALTER TABLE trace ADD COLUMN account TEXT NOT NULL DEFAULT '';
CREATE INDEX trace_by_account ON trace (account, at) WHERE account <> '';
"""
MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2)

BACKLOG_BYTES = 64 << 20
GATHER_S = 0.05
EXPIRE_AT_A_TIME = 500
CHECKPOINT_PAGES = 4_000
CACHE_KIB = 8_192

_INSERT = "INSERT INTO trace VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_encoder = msgspec.msgpack.Encoder()
_batch_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_record_decoder = msgspec.msgpack.Decoder(TraceRecord)
_log = log.get("traces")


class _Facts(msgspec.Struct):
    """What of a record stands in columns; its steps, the most of it, are passed over."""

    trace_id: str
    at: float
    client: str
    account: str
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    outcome: str


_facts_decoder = msgspec.msgpack.Decoder(_Facts)


def encode_record(record: TraceRecord) -> msgspec.Raw:
    """One record as it is kept and sent: msgpack, a map by field names."""
    try:
        return msgspec.Raw(_encoder.encode(record))
    except UnicodeEncodeError:
        return msgspec.Raw(_encoder.encode(_without_surrogates(record)))


def encode_batch(records: Sequence[msgspec.Raw]) -> bytes:
    """What ``TraceWriter.write`` takes."""
    return _encoder.encode(records)


class TraceWriter:
    """The one writer of ``path``; the file is made and brought up to date here."""

    def __init__(self, path: Path) -> None:
        self._db = open_writer(path, MIGRATIONS, synchronous="NORMAL")
        with mail_errors():
            # Rarer checkpoints and room for the upper pages of the indexes: a quarter less work for each record.
            self._db.execute(f"PRAGMA wal_autocheckpoint = {log_pages(path, CHECKPOINT_PAGES)}")
            self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trace-writer")
        self._lock = Lock()
        self._hurry = Event()
        self._batches: list[bytes] = []
        self._backlog_bytes = 0
        self._dropped = 0

    def write(self, batch: bytes) -> None:
        """Takes the msgpack octets of one batch; returns at once. Past a backlog of 64 MiB batches are dropped."""
        with self._lock:
            if self._backlog_bytes + len(batch) > BACKLOG_BYTES:
                self._dropped += 1
                return
            first = not self._batches
            self._batches.append(batch)
            self._backlog_bytes += len(batch)
        if first:
            self._thread.submit(self._write_all)

    async def settle(self) -> None:
        """Returns when all that was given to ``write`` before is in the file."""
        self._hurry.set()
        await asyncio.get_running_loop().run_in_executor(self._thread, int)

    async def expire(self, before: float) -> int:
        """Drops records older than ``before``, a few hundred in each transaction so that writing goes on between."""
        loop = asyncio.get_running_loop()
        total = 0
        while count := await loop.run_in_executor(self._thread, self._expire_some, before):
            total += count
        return total

    def close(self) -> None:
        """Writes what is left and closes the file."""
        self._hurry.set()
        self._thread.shutdown(wait=True)
        self._db.close()

    def _write_all(self) -> None:
        self._hurry.wait(GATHER_S)
        self._hurry.clear()
        with self._lock:
            batches, self._batches, self._backlog_bytes = self._batches, [], 0
            dropped, self._dropped = self._dropped, 0
        if dropped:
            _log.error("trace batches dropped", batches=dropped, cause="backlog too long")
        try:
            with mail_errors(), transaction(self._db):
                for batch in batches:
                    self._insert_batch(batch)
        except MailError as error:
            _log.error("trace batches dropped", batches=len(batches), cause=error.cause)

    def _insert_batch(self, batch: bytes) -> None:
        try:
            pairs = [(_facts_decoder.decode(raw), bytes(raw)) for raw in _batch_decoder.decode(batch)]
        except msgspec.DecodeError as error:
            _log.error("trace batches dropped", batches=1, cause=str(error))
            return
        entry = cast(int, self._db.execute("SELECT coalesce(max(entry), 0) FROM trace").get)
        rows: list[tuple[int, str, float, str, str, str, str, bytes, str]] = []
        recipients: list[tuple[str, int]] = []
        for record, octets in pairs:
            entry += 1
            sender, message_id = record.sender.lower() or "<>", record.message_id.lower()
            facts = (entry, record.trace_id, record.at, record.outcome, sender, record.client, message_id, octets)
            rows.append((*facts, record.account.lower()))
            recipients += [(recipient, entry) for recipient in {recipient.lower() for recipient in record.recipients}]
        self._db.executemany(_INSERT, rows)
        self._db.executemany("INSERT INTO trace_recipient VALUES (?, ?)", recipients)

    def _expire_some(self, before: float) -> int:
        sql = "SELECT entry, record FROM trace WHERE at < ? ORDER BY at LIMIT ?"
        with mail_errors(), transaction(self._db):
            old = cast("list[tuple[int, bytes]]", self._db.execute(sql, (before, EXPIRE_AT_A_TIME)).fetchall())
            for entry, octets in old:
                recipients = {recipient.lower() for recipient in _record_decoder.decode(octets).recipients}
                pairs = [(recipient, entry) for recipient in recipients]
                self._db.executemany("DELETE FROM trace_recipient WHERE recipient = ? AND entry = ?", pairs)
                self._db.execute("DELETE FROM trace WHERE entry = ?", (entry,))
        return len(old)


def _without_surrogates(record: TraceRecord) -> TraceRecord:
    """``record`` with lone surrogates (octets that were not UTF-8) spelled out: strangers' text may hold any."""
    return msgspec.convert(_storable(msgspec.to_builtins(record)), TraceRecord)


def _storable(value: object) -> object:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {key: _storable(entry) for key, entry in value.items()}
    return [_storable(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def storable_text(text: str) -> str:
    """``text`` as it is kept and searched."""
    return text.encode("utf-8", "backslashreplace").decode()
