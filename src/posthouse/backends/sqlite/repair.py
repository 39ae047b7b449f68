"""Puts a damaged store right (``store repair``, STO-1): looks in a thread, changes by units (``units_repair.py``).

Nothing is guessed and nothing thrown away: counters are made anew from what they count; what belongs to nothing, and what
cannot be read, is first kept as a file in the folder ``damaged``. Damage of the database file itself is beyond it, but for
indexes.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from posthouse.backends.sqlite import check, flag_check, usage_schema
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.coding import Damaged, Decoder
from posthouse.backends.sqlite.content_check import COLUMNS, damage
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.parcels import IN_FILE_BYTES, parcel
from posthouse.backends.sqlite.reader import MailReading
from posthouse.backends.sqlite.work import blob_folder
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError, Temporary
from posthouse.formats.damaged import Lost, compose
from posthouse.formats.mime import Limits, summarise

BATCH = 100
FOLDER = "damaged"
_MAILBOXES = (
    "SELECT mailbox_id FROM vanished JOIN message USING (mailbox_id, uid)"
    " UNION SELECT mailbox_id FROM message AS m JOIN body AS b USING (body_id) WHERE m.size_bytes <> b.size_bytes"
)
_TWINS = "SELECT uid_validity FROM mailbox GROUP BY uid_validity HAVING count(*) > 1"
_ORPHANS = (
    "SELECT mailbox_id, uid, body_id FROM message WHERE mailbox_id NOT IN"
    " (SELECT mailbox_id FROM mailbox UNION ALL SELECT mailbox_id FROM doomed_mailbox) LIMIT ?"
)
_QUEUED = (
    "SELECT queue_id FROM queued WHERE body_id NOT IN (SELECT body_id FROM body) OR queue_id NOT IN"
    " (SELECT queue_id FROM queued_recipient WHERE state IN ('waiting', 'held'))"
)
_HELD = "SELECT held_id FROM held AS h LEFT JOIN body AS b USING (body_id) WHERE h.size_bytes IS NOT b.size_bytes"
_NO_BODY = (
    "SELECT body_id FROM message WHERE body_id NOT IN (SELECT body_id FROM body)"
    " UNION SELECT body_id FROM held WHERE body_id NOT IN (SELECT body_id FROM body)"
)
_NO_MESSAGE = "SELECT body_id FROM content WHERE body_id NOT IN (SELECT body_id FROM body)"
_NO_CONTENT = (
    "SELECT body_id FROM damaged_body UNION SELECT b.body_id FROM body AS b LEFT JOIN content AS c USING (body_id)"
    " WHERE NOT in_file AND (octets IS NULL OR (coding = 0 AND length(octets) <> size_bytes)"
    " OR (coding >= 2 AND coding NOT IN (SELECT dictionary_id FROM dictionary)))"
)
_LOOSE = (
    "SELECT body_id FROM body WHERE body_id NOT IN (SELECT body_id FROM message UNION ALL SELECT body_id FROM queued"
    " UNION ALL SELECT body_id FROM held UNION ALL SELECT body_id FROM loose_body)"
)
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


class Repair:
    """``reading`` is used by way of ``in_thread`` only; ``shown`` gives the texts of a ready-made envelope, subject first."""

    def __init__(
        self,
        gate: Gate,
        path: Path,
        clock: Clock,
        in_thread: InThread,
        reading: MailReading,
        shown: Callable[[bytes], list[str]],
    ) -> None:
        self._gate = gate
        self._path = path
        self._clock = clock
        self._in_thread = in_thread
        self._reading = reading
        self._shown = shown
        self._blobs = BlobFiles(blob_folder(path))
        self._decoder = Decoder(reading.dictionary)
        self._aside = path.parent / FOLDER

    async def run(self) -> list[str]:
        """Lines of what was done, and of what is left. Raises Temporary when the database cannot be read."""
        done = await self._indexes()
        done += await self._orphans()
        done += await self._bodies()
        for body_id in await self._ids(_NO_CONTENT):
            done += await self._content(body_id)
        for body_id in await self._in_thread(self._missing_files):
            done += await self._content(body_id)
        done += await self._gate.call("repair_rows", [])
        done += await self._gate.call("repair_queued", await self._ids(_QUEUED))
        done += await self._gate.call("repair_held", await self._ids(_HELD))
        for uid_validity in await self._ids(_TWINS):
            done += await self._gate.call("repair_uid_validity", [uid_validity])
        wrong = {mailbox_id for mailbox_id, _ in await self._in_thread(lambda: list(flag_check.problems(self._reading.all)))}
        for mailbox_id in sorted(wrong.union(await self._ids(_MAILBOXES))):
            done += await self._gate.call("repair_mailbox", [mailbox_id])
        done += await self._gate.call("repair_loose", await self._ids(_LOOSE))
        if any([await self._ids(sql) for _, sql in usage_schema.RULES]):
            done.append(f"sums of {await self._gate.call('quota_recount', [])} accounts and domains counted anew")
        left = (await self._in_thread(lambda: check.check(self._path))).problems
        return done + [f"not repaired: {problem}" for problem in left]

    async def _ids(self, sql: str) -> list[Any]:
        return [row[0] for row in await self._in_thread(lambda: self._reading.all(sql, ()))]

    async def _indexes(self) -> list[str]:
        found = await self._in_thread(lambda: self._reading.all("PRAGMA integrity_check(20)", ()))
        if not any("index" in line for (line,) in found):
            return []
        await self._gate.call("reindex", [])
        return ["the indexes of the database were damaged and made anew"]

    async def _orphans(self) -> list[str]:
        done: list[str] = []
        while rows := await self._in_thread(lambda: self._reading.all(_ORPHANS, (BATCH,))):
            for mailbox_id, uid, body_id in rows:
                kept = await self._in_thread(lambda: self._keep(body_id, f"{mailbox_id}-{uid}"))  # noqa: B023 - awaited here
                done.append(f"mailbox {mailbox_id}, message {uid}: " + (f"kept as {kept}" if kept else "nothing to keep"))
            done += await self._gate.call("repair_orphans", [row[:2] for row in rows])
        return done

    async def _bodies(self) -> list[str]:
        """Bodies whose row is missing: made anew from the content, if that is there, else replaced."""
        done: list[str] = []
        wanted = set(await self._ids(_NO_BODY))
        for body_id in await self._ids(_NO_MESSAGE):
            content = await self._in_thread(lambda: self._readable(body_id)) if body_id in wanted else None  # noqa: B023
            if content is not None:
                wanted.discard(body_id)
                done += await self._gate.call("repair_body", [body_id, parcel(content, summarise(content, Limits()), 0, None)])
            else:
                await self._in_thread(lambda: self._keep(body_id, f"body-{body_id}"))  # noqa: B023
                done += await self._gate.call("repair_content", [body_id])
        for body_id in sorted(wanted):
            done += await self._replace(body_id, Lost(bytes(32), 0, (), self._clock.now(), ""), "nothing is left of it")
        return done

    def _missing_files(self) -> list[int]:
        rows = self._reading.all("SELECT body_id, digest, size_bytes FROM body WHERE in_file", ())
        return [body_id for body_id, digest, size_bytes in rows if not self._blobs.has(digest, size_bytes)]

    def _readable(self, body_id: int) -> bytes | None:
        try:
            return self._reading.content(body_id)
        except MailError:
            return None

    async def _content(self, body_id: int) -> list[str]:
        """One body whose content may be damaged: looked for elsewhere, else replaced."""
        rows = await self._in_thread(lambda: self._reading.all(COLUMNS + "WHERE b.body_id = ?", (body_id,)))
        if not rows:
            return []
        _, digest, size_bytes, in_file, coding, octets = rows[0]
        in_database = await self._wrong(body_id, digest, size_bytes, False, coding, octets)
        as_file = await self._wrong(body_id, digest, size_bytes, True, None, None)
        why = as_file if in_file else in_database
        if not why:
            await self._gate.call("note_damaged", [body_id, body_id, []])
            return []
        if not as_file or not in_database:
            done: list[str] = await self._gate.call("repair_in_file", [body_id, not as_file])
            return done
        kept = await self._in_thread(lambda: self._keep(body_id, f"body-{body_id}"))
        envelope = await self._in_thread(lambda: self._reading.all("SELECT envelope FROM body WHERE body_id = ?", (body_id,)))
        try:
            known = self._shown(envelope[0][0])
        except (ValueError, IndexError):
            known = []
        return await self._replace(body_id, Lost(digest, size_bytes, known, self._clock.now(), kept), why)

    async def _wrong(self, *row: Any) -> str:
        why: str = await self._in_thread(lambda: damage(row, self._decoder, self._blobs))
        return why

    async def _replace(self, body_id: int, lost: Lost, why: str) -> list[str]:
        content = compose(lost)
        packed = parcel(content, summarise(content, Limits()), 0, content)
        done: list[str] = []
        more = True
        while more:
            more, lines = await self._gate.call("repair_replace", [body_id, packed, why])
            done += lines
        return done

    def _keep(self, body_id: int, name: str) -> str:
        """Writes what is left of a content to the folder ``damaged``; gives the file's name there, "" if nothing is left."""
        rows = self._reading.all("SELECT digest FROM body WHERE body_id = ?", (body_id,))
        stored = self._reading.all("SELECT coding, octets FROM content WHERE body_id = ?", (body_id,))
        suffix = ".eml"
        try:
            if stored:
                coding, octets = stored[0]
                try:
                    octets = self._decoder.decode(coding, octets, IN_FILE_BYTES)
                except Damaged:
                    suffix = f".zst{coding}"
            elif rows:
                path = self._blobs.path(rows[0][0])
                octets, suffix = path.read_bytes(), path.suffix or ".eml"
            else:
                return ""
        except OSError:
            return ""
        return self._write(name + suffix, octets)

    def _write(self, name: str, octets: bytes) -> str:
        try:
            self._aside.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self._aside / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise Temporary("The store could not be repaired", cause=str(error)) from error
        return f"{FOLDER}/{name}"
