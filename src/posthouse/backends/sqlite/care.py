"""Looks after the store on SQLite (``interfaces.store_care``): in the steward, in one thread of low priority beside the mail.

Reads go over a connection of its own, step by step with rests between them; what is to change goes through the gate as units
that take a few milliseconds each.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from posthouse.backends.sqlite import learning, recoding, scrub
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.coding import Encoder
from posthouse.backends.sqlite.local_gate import Gate
from posthouse.backends.sqlite.reader import MailReading
from posthouse.backends.sqlite.repair import Repair
from posthouse.backends.sqlite.work import blob_folder
from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.metrics import DAMAGED
from posthouse.interfaces.store_care import Scrubbing, StoreSpace

NICE = 10
NOTE_S = 20.0
REST_MIN_S = 0.002
DAY_S = 86_400.0
SHRINK_PAGES = 64
Result = TypeVar("Result")


class SqliteStoreCare:
    """For the database at ``path``; ``compress``: whether the store's contents are to be compressed; ``shown``: the texts of a
    ready-made envelope, subject first."""

    def __init__(
        self,
        gate: Gate,
        path: Path,
        clock: Clock,
        compress: Callable[[], bool],
        shown: Callable[[bytes], list[str]],
    ) -> None:
        self._gate = gate
        self._path = path
        self._clock = clock
        self._compress = compress
        self._reading = MailReading(path)
        self._blobs = BlobFiles(blob_folder(path))
        self._repair = Repair(gate, path, clock, self._in_thread, self._reading, shown)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-care", initializer=_be_nice)
        self._scrub: asyncio.Task[Sequence[str]] | None = None
        self._done = 0
        self._log = log.get("store")

    def close(self) -> None:
        """Ends after the step under way."""
        if self._scrub:
            self._scrub.cancel()
        self._thread.submit(self._reading.close)
        self._thread.shutdown()

    # --- scrubbing

    async def scrubbing(self) -> Scrubbing:
        def look() -> Scrubbing:
            ((damaged,),) = self._reading.all("SELECT count(*) FROM damaged_body", ())
            DAMAGED.set(damaged)
            total = learning.newest_body(self._reading)
            return Scrubbing(self._scrub is not None, self._done, total, damaged, self._value("scrubbed_at"))

        return await self._in_thread(look)

    async def scrub(self) -> Sequence[str]:
        if self._scrub is None:
            self._scrub = asyncio.create_task(self._scrub_all())
            self._scrub.add_done_callback(self._scrub_ended)
        return await asyncio.shield(self._scrub)

    def _scrub_ended(self, task: asyncio.Task[Sequence[str]]) -> None:
        self._scrub = None
        if not task.cancelled():
            task.exception()  # told to those who wait, or nobody waits

    async def _scrub_all(self) -> Sequence[str]:
        """Goes on where the last one was interrupted."""
        loop = asyncio.get_running_loop()
        begun_at = after = int(await self._in_thread(lambda: self._value("scrub_next")))
        note_at = loop.time() + NOTE_S
        used: set[int] = set()
        while True:
            self._done = after
            started_at, last = loop.time(), after
            step = await self._in_thread(lambda: scrub.step(self._reading, self._blobs, last))  # noqa: B023 - awaited here
            if step is None:
                break
            used |= step.codings
            if step.renote:
                await self._gate.call("note_damaged", [after + 1, step.last, list(step.damaged)])
            for body_id, why in step.damaged:
                self._log.error("content-damaged", body_id=body_id, cause=why)
            after = step.last
            if loop.time() >= note_at:
                note_at = loop.time() + NOTE_S
                await self._gate.call("note_values", [["scrub_next", after]])
            await self._rest(loop.time() - started_at)
        await self._gate.call("note_damaged", [after + 1, 1 << 60, []])
        await self._gate.call("note_values", [["scrub_next", 0], ["scrubbed_at", int(self._clock.now())]])
        if not begun_at:
            await self._drop_dictionaries(used)
        await self.scrubbing()
        return await self._in_thread(self._damaged)

    async def _drop_dictionaries(self, used: set[int]) -> None:
        """Those that no content needs; young ones may be needed by contents under way."""
        sql = "SELECT dictionary_id FROM dictionary WHERE made_at < ? ORDER BY dictionary_id DESC LIMIT -1 OFFSET 1"
        old = await self._in_thread(lambda: self._reading.all(sql, (self._clock.now() - DAY_S,)))
        unused = [dictionary_id for (dictionary_id,) in old if dictionary_id not in used]
        if unused:
            await self._gate.call("drop_dictionaries", [unused])

    def _damaged(self) -> list[str]:
        rows = self._reading.all("SELECT body_id, cause FROM damaged_body ORDER BY body_id", ())
        return [f"body {body_id}: {cause}" for body_id, cause in rows]

    # --- repair

    async def repair(self) -> Sequence[str]:
        done = await self._repair.run()
        for line in done:
            self._log.warning("store-repaired", what=line)
        await self.scrubbing()
        return done

    # --- room

    async def space(self) -> StoreSpace:
        def look() -> StoreSpace:
            database_bytes, free_bytes = self._database_bytes()
            ((dictionaries,),) = self._reading.all("SELECT count(*) FROM dictionary", ())
            files = sum(self._blobs.stored_bytes(digest) for digest in self._blobs.digests())
            return StoreSpace(database_bytes, free_bytes, files, dictionaries)

        return await self._in_thread(look)

    async def compact(self) -> int:
        before, _ = await self._in_thread(self._database_bytes)
        if self._compress():
            await self._recode()
        free, left = 0, -1
        while left != free:
            started_at = asyncio.get_running_loop().time()
            free, left = left, await self._gate.call("shrink", [SHRINK_PAGES])
            await self._rest(asyncio.get_running_loop().time() - started_at)
        after, _ = await self._in_thread(self._database_bytes)
        return max(before - after, 0)

    async def _recode(self) -> None:
        found = await self._in_thread(lambda: self._reading.newest_dictionary(0))
        encoder = Encoder(*found) if found else Encoder()
        after = 0
        while True:
            started_at, last = asyncio.get_running_loop().time(), after
            step = await self._in_thread(lambda: recoding.step(self._reading, self._blobs, encoder, last))  # noqa: B023
            if step is None:
                return
            after, recoded = step
            if recoded:
                await self._gate.call("recode", recoded, sum(len(row[3]) for row in recoded))
            await self._rest(asyncio.get_running_loop().time() - started_at)

    async def learn(self) -> bool:
        since = int(await self._in_thread(lambda: self._value("learnt_until")))
        if not self._compress() or not await self._in_thread(lambda: learning.enough(self._reading, since)):
            return False
        newest = await self._in_thread(lambda: learning.newest_body(self._reading))
        dictionary = await self._in_thread(lambda: learning.learnt(self._reading, random.Random(newest)))  # noqa: S311 - a sample
        if dictionary is not None:
            await self._gate.call("add_dictionary", [dictionary], len(dictionary))
        await self._gate.call("note_values", [["learnt_until", newest]])
        return dictionary is not None

    async def sweep(self) -> int:
        def suspects() -> list[bytes]:
            self._blobs.remove_half_written(self._clock.now())
            known = {digest for (digest,) in self._reading.all("SELECT digest FROM body WHERE in_file", ())}
            return [digest for digest in self._blobs.digests() if digest not in known]

        removed: int = await self._gate.call("bury_files", [await self._in_thread(suspects)])
        more = removed
        while more:
            more = await self._gate.call("bury_files", [[]])
            removed += more
        return removed

    async def forget_vanished(self, before: float) -> int:
        forgotten: int = 0
        mailbox_id = 0
        while True:
            mailbox_id, count = await self._gate.call("forget_vanished", [mailbox_id, int(before // DAY_S)])
            forgotten += count
            if mailbox_id < 0:
                return forgotten
            await asyncio.sleep(REST_MIN_S)

    # --- how

    def _database_bytes(self) -> tuple[int, int]:
        """All of it, and what is free in it."""
        sql = "SELECT page_size, page_count, freelist_count FROM pragma_page_size, pragma_page_count, pragma_freelist_count"
        ((page_bytes, pages, free),) = self._reading.all(sql, ())
        return int(page_bytes * pages), int(page_bytes * free)

    def _value(self, name: str) -> float:
        rows = self._reading.all("SELECT value FROM last_value WHERE name = ?", (name,))
        return float(rows[0][0]) if rows else 0.0

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _rest(self, worked_s: float) -> None:
        """As long as the work took, so that the other half of the time belongs to the mail."""
        await asyncio.sleep(max(worked_s, REST_MIN_S))


def _be_nice() -> None:
    """The scheduler's priority of this thread alone (Linux)."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
    except OSError:
        log.get("store").warning("priority not lowered")
