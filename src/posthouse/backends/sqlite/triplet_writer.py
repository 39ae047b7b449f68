"""The writing side of ``greylist.db``, in the steward: what waited during the last commit shares the next (GRY-3).

synchronous=NORMAL: what was answered survives the death of every process; a power cut may cost the last moments, whose senders
then wait once more. A unit of work that fails is tried alone, so that it fails alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import apsw
import msgspec

from posthouse.backends.sqlite.database import mail_error, mail_errors, open_writer, transaction
from posthouse.backends.sqlite.triplet_rows import MIGRATIONS, TripletTables
from posthouse.base.errors import BadValue, MailError, Temporary
from posthouse.model.triplet import Outcome, Terms, Triplet, Use, day_of

CALL = "triplets"
MOST_WAITING = 20_000
"""Units of work that wait; more fail, and mail is let in."""
CACHE_KIB = 16_384
CHECKPOINT_PAGES = 4_000

Work = Callable[[TripletTables], Any]
_Waiting = tuple[Work, "Future[Any]"]


class TripletWriter:
    """The one writer of ``path``; the file is made and brought up to date here."""

    def __init__(self, path: Path) -> None:
        self._db = open_writer(path, MIGRATIONS, synchronous="NORMAL")
        with mail_errors():
            self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._tables = TripletTables(self._db)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="triplet-writer")
        self._lock = Lock()
        self._waiting: list[_Waiting] = []

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        """As ``interfaces.triplets.Triplets``."""
        outcomes: Sequence[Outcome] = await self._do(lambda tables: [tables.decide(each, at, terms) for each in asked])
        return outcomes

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        """As ``interfaces.triplets.Triplets``."""

        def work(tables: TripletTables) -> None:
            for use in uses:
                tables.use(use, terms)

        await self._do(work)

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        """As ``interfaces.triplets.Triplets``."""
        await self._do(lambda tables: tables.praise(domain, network, at + lifetime_s, count))

    async def forget(self, keys: Sequence[tuple[str, str, str]]) -> int:
        """Deletes triplets by network, sender and recipient; gives how many."""
        gone: int = await self._do(lambda tables: tables.forget(keys))
        return gone

    async def expire(self, now: float, statistics_before: float) -> int:
        """As ``interfaces.triplets.Triplets``, in small transactions."""
        total = 0
        while count := await self._do(lambda tables: tables.expire(now)):
            total += count
        await self._do(lambda tables: tables.expire_rest(now, day_of(statistics_before)))
        return total

    def close(self) -> None:
        """Writes what waits and closes the file."""
        self._thread.shutdown(wait=True)
        self._db.close()

    async def _do(self, work: Work) -> Any:
        future: Future[Any] = Future()
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise Temporary("Too busy, try again later", cause=f"{MOST_WAITING} units of greylisting wait")
            first = not self._waiting
            self._waiting.append((work, future))
        if first:
            self._thread.submit(self._write_all)
        return await asyncio.wrap_future(future)

    def _write_all(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting, []
        if not self._write(group):
            for one in group:
                self._write([one], alone=True)

    def _write(self, group: Sequence[_Waiting], *, alone: bool = False) -> bool:
        """Whether the group is committed; alone, a failure is the answer."""
        results = []
        try:
            with mail_errors(), transaction(self._db):
                self._tables.begin()
                results = [work(self._tables) for work, _ in group]
                self._tables.end()
        except (MailError, apsw.Error) as error:
            self._tables.rolled_back()
            if alone:
                _answer(group[0][1], None, error if isinstance(error, MailError) else mail_error(error))
            return False
        for (_, future), result in zip(group, results, strict=True):
            _answer(future, result, None)
        return True


def _answer(future: Future[Any], result: Any, error: MailError | None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def handler(writer: TripletWriter) -> Callable[[Any], Awaitable[Any]]:
    """The steward's end of ``SqliteTriplets`` in a worker."""

    async def handle(payload: Any) -> Any:
        method, arguments = payload
        if method == "decide":
            rows, at, terms = arguments
            return await writer.decide([Triplet(*row) for row in rows], at, msgspec.convert(terms, Terms))
        if method == "use":
            uses, terms = arguments
            told = [Use(Triplet(*row), outcome, count, at) for row, outcome, count, at in uses]
            return await writer.use(told, msgspec.convert(terms, Terms))
        if method == "praise":
            return await writer.praise(*arguments)
        raise BadValue("There is no such call", cause=f"triplets: {method}")

    return handle
