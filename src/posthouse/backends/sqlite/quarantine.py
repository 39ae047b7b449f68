"""Quarantines on SQLite (``interfaces.quarantine``): what is found by index is read at once, lists and counts in a thread.

Writes are units of ``units_held``."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from posthouse.backends.sqlite.accepting import accept_arguments
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.database import like_pattern
from posthouse.backends.sqlite.held_rows import COLUMNS, held_message
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.packing import Packer
from posthouse.backends.sqlite.reader import MailReading
from posthouse.backends.sqlite.sink import LIFETIME_S
from posthouse.backends.sqlite.work import blob_folder
from posthouse.base.clock import SystemClock
from posthouse.base.ids import Ids
from posthouse.model.held import HeldCount, HeldMessage, HeldQuery
from posthouse.model.plan import Acceptance
from posthouse.model.verdict import QuarantineKind

_SELECT = f"SELECT {COLUMNS} FROM held WHERE "
_COUNTS = (
    "SELECT kind, iif(kind = 'junk', '', name), count(*), sum(size_bytes), min(held_at) FROM held"
    " WHERE address LIKE ? ESCAPE '\\' GROUP BY 1, 2 ORDER BY 1, 2"
)


class SqliteQuarantine:
    """``gate`` leads to the writing thread of the database at ``path``; ``lifetime_s`` is of what goes into the queue."""

    def __init__(
        self,
        gate: Gate,
        path: Path,
        *,
        lifetime_s: Callable[[], float] = lambda: LIFETIME_S,
        ids: Ids | None = None,
        packer: Packer | None = None,
    ) -> None:
        self._gate = gate
        self._reading, self._searching = MailReading(path), MailReading(path)
        self._looking = threading.Lock()
        self._blobs = BlobFiles(blob_folder(path))
        self._packer = packer or Packer(path)
        self._lifetime_s = lifetime_s
        self._ids = ids or Ids(SystemClock())

    def close(self) -> None:
        """Closes the connections."""
        self._reading.close()
        with self._looking:
            self._searching.close()

    # --- reading

    async def listing(self, query: HeldQuery) -> Sequence[HeldMessage]:
        conditions, bindings = _conditions(query)
        sql = _SELECT + " AND ".join(conditions) + " ORDER BY held_id DESC LIMIT ?"
        return [held_message(row) for row in await asyncio.to_thread(self._look, sql, (*bindings, query.limit))]

    async def get(self, held_id: int) -> HeldMessage | None:
        found = self._messages("held_id = ?", (held_id,))
        return found[0] if found else None

    async def content(self, body_id: int) -> bytes:
        octets = self._reading.content(body_id)
        if octets is None:
            octets = await asyncio.to_thread(self._blobs.read, self._reading.file_digest(body_id))
        return octets

    async def counts(self, domain: str = "") -> Sequence[HeldCount]:
        pattern = f"%@{_literal(domain.lower())}" if domain else "%"
        return [HeldCount(*row) for row in await asyncio.to_thread(self._look, _COUNTS, (pattern,))]

    async def due(self, now: float, limit: int) -> Sequence[HeldMessage]:
        return self._messages("release_at > 0 AND release_at <= ? ORDER BY release_at, held_id LIMIT ?", (now, limit))

    async def next_due(self) -> float | None:
        rows = self._reading.all("SELECT min(release_at) FROM held WHERE release_at > 0", ())
        found: float | None = rows[0][0]
        return found

    def _look(self, sql: str, bindings: tuple[Any, ...]) -> list[Any]:
        """What may take long: in a thread, one at a time."""
        with self._looking:
            return self._searching.all(sql, bindings)

    def _messages(self, condition: str, bindings: tuple[Any, ...]) -> list[HeldMessage]:
        return [held_message(row) for row in self._reading.all(_SELECT + condition, bindings)]

    # --- writing

    async def release(self, held_id: int, acceptances: Sequence[Acceptance]) -> bool:
        def arguments(parcels: list[list[Any]]) -> list[Any]:
            units = zip(acceptances, parcels, strict=True)
            return [held_id, [accept_arguments(each, parcel, self._ids, self._lifetime_s()) for each, parcel in units]]

        contents = [(each.content, each.summary) for each in acceptances]
        released: bool = await self._packer.call(self._gate, "held_release", contents, arguments)
        return released

    async def delete(self, held_ids: Sequence[int]) -> int:
        count: int = await self._gate.call("held_delete", list(held_ids))
        return count

    async def postpone(self, held_id: int, release_at: float) -> None:
        await self._gate.call("held_postpone", [held_id, release_at])

    async def expire(self, kind: QuarantineKind, before: float, limit: int) -> Sequence[HeldMessage]:
        found = self._messages("kind = ? AND held_at < ? AND release_at = 0 ORDER BY held_at LIMIT ?", (kind, before, limit))
        await self._gate.call("held_delete", [each.held_id for each in found])
        return found


def _conditions(query: HeldQuery) -> tuple[list[str], list[Any]]:
    """For WHERE, with their bindings."""
    given: list[tuple[str, Sequence[Any], bool]] = [
        ("kind = ?", [query.kind], query.kind is not None),
        ("name = ?", [query.name], bool(query.name)),
        ("account_id = ?", [query.account_id], query.account_id is not None),
        ("trace_id = ?", [query.trace_id], bool(query.trace_id)),
        ("held_at >= ?", [query.since], query.since is not None),
        ("held_at < ?", [query.until], query.until is not None),
        ("held_id < ?", [query.before_id], query.before_id > 0),
    ]
    if query.recipient:
        pattern = like_pattern(query.recipient.lower())
        given.append(("(address LIKE ? ESCAPE '\\' OR account LIKE ? ESCAPE '\\')", [pattern, pattern], True))
    if query.domain:
        given.append(("address LIKE ? ESCAPE '\\'", [f"%@{_literal(query.domain.lower())}"], True))
    if query.text:
        pattern = f"%{_literal(query.text)}%"
        fields = "(subject LIKE ? ESCAPE '\\' OR author LIKE ? ESCAPE '\\' OR sender_text LIKE ? ESCAPE '\\')"
        given.append((fields, [pattern] * 3, True))
    used = [(condition, bindings) for condition, bindings, wanted in given if wanted]
    return [condition for condition, _ in used] or ["1"], [each for _, bindings in used for each in bindings]


def _literal(text: str) -> str:
    """Text within a LIKE pattern."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
