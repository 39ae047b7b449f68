"""Reports in ``outgoing.db``, the steward's alone (interfaces/mail_reports.py)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from posthouse.backends.sqlite.database import DatabaseThread
from posthouse.interfaces.suppressions import SuppressionsWriter
from posthouse.model.mail_reports import ReceivedReport, ReportKind

REPORT_CALL = "report"
SEEN_TELL = "dmarc-seen"
FAILED_TELL = "dmarc-failed"
MAX_ENTRIES = 10_000
"""Of one report; a flood of forged addresses grows no further."""

MAX_READ_BYTES = 16 << 20
"""Of reports that are looked at together; older ones are left out."""
_PACKED = b"\x78"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ReceivedReport)
_NOTE = (
    "INSERT INTO report_seen SELECT ?1, ?2, ?3, ?4, ?5 WHERE (SELECT count(*) FROM report_seen WHERE kind = ?1 AND day = ?2"
    f" AND domain = ?3) < {MAX_ENTRIES} ON CONFLICT DO UPDATE SET count = count + ?5"
)


class SqliteReportBook:
    def __init__(self, database: DatabaseThread) -> None:
        self._database = database

    async def note(self, kind: ReportKind, day: int, counts: Mapping[tuple[str, bytes], int]) -> None:
        rows = [(kind, day, domain, entry, count) for (domain, entry), count in counts.items()]
        await self._database.write(lambda db: db.executemany(_NOTE, rows))

    async def due(self, kind: ReportKind, before_day: int) -> Sequence[tuple[int, str]]:
        sql = "SELECT DISTINCT day, domain FROM report_seen WHERE kind = ? AND day < ? ORDER BY day, domain"
        rows = await self._database.run(lambda db: db.execute(sql, (kind, before_day)).fetchall())
        return [(cast(int, day), cast(str, domain)) for day, domain in rows]

    async def entries(self, kind: ReportKind, day: int, domain: str) -> Sequence[tuple[bytes, int]]:
        sql = "SELECT entry, count FROM report_seen WHERE kind = ? AND day = ? AND domain = ? ORDER BY entry"
        rows = await self._database.run(lambda db: db.execute(sql, (kind, day, domain)).fetchall())
        return [(cast(bytes, entry), cast(int, count)) for entry, count in rows]

    async def drop(self, kind: ReportKind, day: int, domain: str) -> None:
        sql = "DELETE FROM report_seen WHERE kind = ? AND day = ? AND domain = ?"
        await self._database.write(lambda db: db.execute(sql, (kind, day, domain)))

    async def receive(self, report: ReceivedReport) -> bool:
        sql = "INSERT OR IGNORE INTO report_received VALUES (?, ?, ?, ?, ?, ?) RETURNING 1"
        row = (
            report.kind,
            report.organisation,
            report.report_id,
            report.domain,
            report.ends_at,
            await asyncio.to_thread(_packed, report),
        )
        return bool(await self._database.write(lambda db: db.execute(sql, row).fetchall()))

    async def received(
        self, kind: ReportKind | None = None, domain: str = "", *, since: float = 0.0, limit: int = 100
    ) -> Sequence[ReceivedReport]:
        sql = (
            "SELECT record FROM report_received WHERE (?1 IS NULL OR kind = ?1) AND (?2 = '' OR domain = ?2) AND ends_at >= ?3"
            " ORDER BY ends_at DESC LIMIT ?4"
        )
        return await self._database.run(lambda db: _read(db.execute(sql, (kind, domain, since, limit))))

    async def expire(self, before: float) -> int:
        sql = "DELETE FROM report_received WHERE ends_at < ? RETURNING 1"
        return len(await self._database.write(lambda db: db.execute(sql, (before,)).fetchall()))


def _packed(report: ReceivedReport) -> bytes:
    """Strangers send what packs a thousandfold: it is kept as small as it came."""
    return zlib.compress(_encoder.encode(report), 3)


def _read(rows: Iterable[tuple[Any, ...]]) -> list[ReceivedReport]:
    """As many as may be held at a time. Records of the first versions are not packed."""
    found: list[ReceivedReport] = []
    size = 0
    for (record,) in rows:
        octets = zlib.decompress(record) if record[:1] == _PACKED else record
        size += len(octets)
        if found and size > MAX_READ_BYTES:
            break
        found.append(_decoder.decode(octets))
    return found


def handler(book: SqliteReportBook, suppressions: SuppressionsWriter) -> Callable[[Any], Awaitable[Any]]:
    """The steward's end of ``receiver``. Who has complained gets no more from lists, if their own site says so and has proven
    that it is that site."""

    async def handle(payload: Any) -> bool:
        report = _decoder.decode(payload)
        new = await book.receive(report)
        if new and report.kind == "feedback" and report.trusted:
            for row in report.rows:
                if row.source and not row.passed and _is_of(row.source, report.sender):
                    why = f"complained ({row.result}), as {report.sender} reports"
                    await suppressions.suppress(row.source, why, report.ends_at)
        return new

    return handle


def _is_of(address: str, site: str) -> bool:
    """A site speaks for its own users: another's word would let anyone take anyone off a list."""
    domain = address.rpartition("@")[2]
    return domain == site or domain.endswith(f".{site}") or site.endswith(f".{domain}")


def receiver(call: Callable[[str, Any], Awaitable[Any]]) -> Callable[[ReceivedReport], Awaitable[bool]]:
    """``ReportBook.receive`` in a worker. ``call`` is the gate client's."""

    async def receive(report: ReceivedReport) -> bool:
        return bool(await call(REPORT_CALL, _encoder.encode(report)))

    return receive
