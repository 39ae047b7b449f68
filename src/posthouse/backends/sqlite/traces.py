"""The trace log in ``trace.db`` (MON-1): workers buffer and tell, the steward writes, everyone searches.

A record is one row with its msgpack octets and the columns that searches need, and one row for each recipient, lower
case. The file is WAL with synchronous=NORMAL: a power cut may lose the last moments of history, never mail. Recording
never fails a message, so what cannot be written (disk full, a backlog past its bound) is dropped, counted and logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import apsw
import msgspec

from posthouse.backends.sqlite.database import DatabaseThread, like_pattern, open_reader
from posthouse.backends.sqlite.trace_writer import MIGRATIONS, TraceWriter, encode_batch, encode_record, storable_text
from posthouse.base.errors import Permanent
from posthouse.base.glob import is_glob
from posthouse.model.trace import TraceQuery, TraceRecord

BATCH_RECORDS = 64
BATCH_BYTES = 256 << 10
BATCH_DELAY_S = 0.02
NOT_TAKEN = ("refused", "deferred", "aborted")

_decoder = msgspec.msgpack.Decoder(TraceRecord)


class TraceReader:
    """Searching, over a read-only connection in a thread."""

    def __init__(self, path: Path) -> None:
        self._thread = DatabaseThread(lambda: open_reader(path, MIGRATIONS), "trace-reader")

    async def search(self, query: TraceQuery) -> Sequence[TraceRecord]:
        """As ``interfaces.traces.TraceLog.search``."""
        return await self._thread.run(lambda db: _search(db, query))

    def close(self) -> None:
        """Closes the connection."""
        self._thread.close()


class RemoteTraceLog:
    """A worker's ``TraceLog``. ``tell`` takes one batch (msgpack octets) on its way to the steward, which gives it to
    ``TraceWriter.write``; it must not block or fail. While the disk ``is_short`` of room, what was not taken leaves no trace:
    those who are put off try again and again, and the last room is for other things."""

    def __init__(self, tell: Callable[[bytes], None], path: Path, is_short: Callable[[], bool] = bool) -> None:
        self._tell = tell
        self._is_short = is_short
        self._reader = TraceReader(path)
        self._buffer: list[msgspec.Raw] = []
        self._size_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def record(self, record: TraceRecord) -> None:
        if record.outcome in NOT_TAKEN and self._is_short():
            return
        octets = encode_record(record)
        self._buffer.append(octets)
        self._size_bytes += len(octets)
        if len(self._buffer) >= BATCH_RECORDS or self._size_bytes >= BATCH_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(BATCH_DELAY_S, self.flush)

    def flush(self) -> None:
        """Sends what is buffered; also to be called before the process ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._buffer:
            batch, self._buffer, self._size_bytes = self._buffer, [], 0
            self._tell(encode_batch(batch))

    async def search(self, query: TraceQuery) -> Sequence[TraceRecord]:
        self.flush()
        return await self._reader.search(query)

    async def expire(self, before: float) -> int:
        raise Permanent("Traces are dropped by the process that writes them", cause=f"expire({before}) in a worker")

    def close(self) -> None:
        """Flushes, and closes the connection."""
        self.flush()
        self._reader.close()


class LocalTraceLog:
    """The ``TraceLog`` of the process that holds the writer; a search sees all that was recorded before it."""

    def __init__(self, writer: TraceWriter, path: Path) -> None:
        self._writer = writer
        self._reader = TraceReader(path)

    def record(self, record: TraceRecord) -> None:
        self._writer.write(encode_batch([encode_record(record)]))

    async def search(self, query: TraceQuery) -> Sequence[TraceRecord]:
        await self._writer.settle()
        return await self._reader.search(query)

    async def expire(self, before: float) -> int:
        return await self._writer.expire(before)

    def close(self) -> None:
        """Closes the reading side; the writer belongs to who made it."""
        self._reader.close()


def _search(db: apsw.Connection, query: TraceQuery) -> list[TraceRecord]:
    where: list[str] = []
    values: list[str | float] = []

    def text(column: str, wanted: str) -> str:
        wanted = storable_text(wanted)
        values.append(like_pattern(wanted) if is_glob(wanted) else wanted)
        return f"{column} LIKE ? ESCAPE '\\'" if is_glob(wanted) else f"{column} = ?"

    if query.trace_id:
        where.append(text("trace_id", query.trace_id.upper()))
    if query.sender:
        where.append(text("sender", query.sender.lower()))
    if query.message_id:
        where.append(text("message_id", query.message_id.lower()))
    if query.account:
        values.append(storable_text(query.account.lower()))
        where.append("account = ? AND account <> ''")
    if query.recipient:
        condition = text("recipient", query.recipient.lower())
        where.append(f"entry IN (SELECT entry FROM trace_recipient WHERE {condition})")
    if query.since is not None:
        where.append("at >= ?")
        values.append(query.since)
    if query.until is not None:
        where.append("at < ?")
        values.append(query.until)
    condition = " AND ".join(where) or "TRUE"
    sql = f"SELECT record FROM trace WHERE {condition} ORDER BY at DESC, entry DESC LIMIT ?"
    return [_decoder.decode(cast(bytes, row[0])) for row in db.execute(sql, (*values, max(query.limit, 0)))]
