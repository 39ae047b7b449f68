"""Bulk signatures in ``bulk.db`` (interfaces/bulk_signatures.py): every process reads, workers tell the steward what they saw.

Counts are of the past, so a lost moment is no harm: synchronous=NORMAL, and what is told is at most once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec

from posthouse.backends.sqlite.bulk_writer import MIGRATIONS, BulkWriter
from posthouse.backends.sqlite.database import mail_errors, open_reader
from posthouse.base.errors import Permanent
from posthouse.model.bulk import Report, Seen, Sighting, slot_of

TELL = "bulk"
MAX_KEYS = 100


class SqliteBulk:
    """``interfaces.bulk_signatures.BulkSignatures``. ``tell`` takes what was noted on its way to the writer, which this process
    has (``writer``) or not."""

    def __init__(self, path: Path, tell: Callable[[Any], None], writer: BulkWriter | None = None) -> None:
        self._path = path
        self._tell = tell
        self._writer = writer
        self._opened: apsw.Connection | None = None

    async def seen(self, keys: Collection[int], since: float) -> Mapping[int, Seen]:
        chosen = list(keys)[:MAX_KEYS]
        marks = ", ".join("?" * len(chosen))
        sql = f"SELECT key, messages, recipients, clients FROM sighting WHERE key IN ({marks}) AND slot >= ?"
        reports = f"SELECT key, spam, count(*) FROM report WHERE key IN ({marks}) GROUP BY key, spam"
        sums: dict[int, list[int]] = {}
        with mail_errors():
            db = self._db()
            for row in db.execute(sql, (*chosen, slot_of(since))):
                key, messages, recipients, clients = cast("tuple[int, int, int, int]", row)
                known_sum = sums.setdefault(key, [0, 0, 0])
                known_sum[0] += messages
                known_sum[1] += recipients
                known_sum[2] |= clients
            found = {key: Seen(messages=each[0], recipients=each[1], clients=each[2]) for key, each in sums.items()}
            for row in db.execute(reports, chosen):
                key, spam, count = cast("tuple[int, int, int]", row)
                known = found.get(key, Seen())
                found[key] = replace(known, called_spam=count) if spam else replace(known, called_ham=count)
        return found

    def note(self, sighting: Sighting) -> None:
        self._tell(msgspec.to_builtins(sighting))

    def report(self, report: Report) -> None:
        self._tell(msgspec.to_builtins(report))

    async def expire(self, before: float, reports_before: float) -> int:
        if self._writer is None:
            raise Permanent("Bulk signatures expire where they are written")
        return await self._writer.expire(before, reports_before)

    def close(self) -> None:
        """Closes the connection."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _db(self) -> apsw.Connection:
        if self._opened is None:
            self._opened = open_reader(self._path, MIGRATIONS)
        return self._opened
