"""The writing side of ``greylist.db``, in the steward: what waited during the last commit shares the next (GRY-3).

synchronous=NORMAL: what was answered survives the death of every process; a power cut may cost the last moments, whose senders
then wait once more. A unit of work that fails is tried alone, so that it fails alone. The day's counts are written every two
seconds: they are not worth more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import apsw

from posthouse.backends.sqlite.database import log_pages, mail_error, mail_errors, open_writer, transaction
from posthouse.backends.sqlite.triplet_rows import MIGRATIONS, TripletTables
from posthouse.base import log
from posthouse.base.errors import BadValue, MailError, Temporary
from posthouse.model.triplet import Outcome, Terms, Triplet, Use, day_of

CALL = "triplets"
MOST_WAITING = 20_000
"""Units of work that wait; more fail, and mail is let in."""
MOST_IN_GROUP = 1_000
COUNTS_S = 2.0
CACHE_KIB = 16_384
CHECKPOINT_PAGES = 4_000

Work = Callable[[TripletTables], Any]
Answer = Callable[[Any, MailError | None], None]
_Unit = tuple[Work, Answer]
_log = log.get("greylist")


class TripletWriter:
    """The one writer of ``path``; the file is made and brought up to date here."""

    def __init__(self, path: Path) -> None:
        self._db = open_writer(path, MIGRATIONS, synchronous="NORMAL")
        with mail_errors():
            self._db.execute(f"PRAGMA wal_autocheckpoint = {log_pages(path, CHECKPOINT_PAGES)}")
            self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._tables = TripletTables(self._db)
        self._units: SimpleQueue[_Unit | None] = SimpleQueue()
        self._counts_at = time.monotonic() + COUNTS_S
        self._thread = Thread(target=self._run, name="triplet-writer", daemon=True)
        self._thread.start()

    def post(self, work: Work, answer: Answer) -> None:
        """Hands in a unit of work; ``answer`` is called once, in the writing thread, when it is committed or has failed."""
        if self._units.qsize() >= MOST_WAITING:
            cause = f"{MOST_WAITING} units of greylisting wait"
            answer(None, Temporary("Too busy, try again later", cause=cause))
            return
        self._units.put((work, answer))

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        """As ``interfaces.triplets.Triplets``."""
        outcomes: Sequence[Outcome] = await self._do(lambda tables: [tables.decide(each, at, terms) for each in asked])
        return outcomes

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        """As ``interfaces.triplets.Triplets``."""
        await self._do(lambda tables: tables.use_all(uses, terms))

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        """As ``interfaces.triplets.Triplets``."""
        await self._do(lambda tables: tables.praise(domain, network, at + lifetime_s, count))

    async def learn_unknown(self, address: str, reply: str, until: float) -> None:
        """As ``interfaces.unknown_recipients.UnknownRecipients``."""
        await self._do(lambda tables: tables.learn_unknown(address, reply, until))

    async def forget_unknown(self, address: str) -> bool:
        """As ``interfaces.unknown_recipients.UnknownRecipients``."""
        known: bool = await self._do(lambda tables: tables.forget_unknown(address))
        return known

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

    async def settle(self) -> None:
        """Returns when all counts are in the file."""
        await self._do(TripletTables.write_counts)

    def close(self) -> None:
        """Writes what waits and closes the file."""
        self._units.put(None)
        self._thread.join()
        self._db.close()

    async def _do(self, work: Work) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def answer(result: Any, error: MailError | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, future, result, error)

        self.post(work, answer)
        return await future

    # The writing thread

    def _run(self) -> None:
        going_on = True
        while going_on:
            group, going_on = self._next_group()
            self._write_all(group)
            self._write_counts_now_and_then()
        self._write([(TripletTables.write_counts, _nobody)])

    def _next_group(self) -> tuple[list[_Unit], bool]:
        """What waits, after a while nothing; and whether more may come."""
        group: list[_Unit] = []
        with suppress(Empty):
            unit = self._units.get(timeout=COUNTS_S)
            while unit is not None:
                group.append(unit)
                if len(group) == MOST_IN_GROUP:
                    return group, True
                unit = self._units.get_nowait()
            return group, False
        return group, True

    def _write_counts_now_and_then(self) -> None:
        if time.monotonic() >= self._counts_at:
            self._counts_at = time.monotonic() + COUNTS_S
            if self._tables.counted:
                self._write([(TripletTables.write_counts, _nobody)])

    def _write_all(self, group: Sequence[_Unit]) -> None:
        if group and not self._write(group):
            for one in group:
                self._write([one], alone=True)

    def _write(self, group: Sequence[_Unit], *, alone: bool = False) -> bool:
        """Whether the group is committed; alone, a failure is the answer."""
        results = []
        try:
            with mail_errors(), transaction(self._db):
                results = [work(self._tables) for work, _ in group]
        except Exception as error:  # noqa: BLE001 - the thread must outlive a unit that breaks
            self._tables.rolled_back()
            failure = _failure(error)
            if alone or group[0][1] is _nobody:
                group[0][1](None, failure)
            return False
        for (_, answer), result in zip(group, results, strict=True):
            answer(result, None)
        return True


def _failure(error: Exception) -> MailError:
    if isinstance(error, MailError):
        return error
    if isinstance(error, apsw.Error):
        return mail_error(error)
    _log.error("unit-broken", exc_info=error)
    return Temporary("The greylisting database failed", cause=repr(error))


def _nobody(_: Any, error: MailError | None) -> None:
    if error is not None:
        _log.warning("counts-not-written", cause=error.cause or error.public)


def _settle(future: asyncio.Future[Any], result: Any, error: MailError | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def handler(writer: TripletWriter) -> Callable[[Any, Answer], None]:
    """The steward's end of ``RemoteTripletWriter`` in a worker: runs on the loop, answered by the writing thread."""

    def handle(payload: Any, answer: Answer) -> None:
        method, arguments = payload
        if method == "decide":
            rows, at, limits = arguments
            terms = Terms(*limits)
            writer.post(lambda tables: [tables.decide(Triplet(*row), at, terms) for row in rows], answer)
        elif method == "use":
            told, limits = arguments
            uses = [Use(Triplet(*row), outcome, count, at) for row, outcome, count, at in told]
            writer.post(lambda tables: tables.use_all(uses, Terms(*limits)), answer)
        elif method == "praise":
            domain, network, at, lifetime_s, count = arguments
            writer.post(lambda tables: tables.praise(domain, network, at + lifetime_s, count), answer)
        elif method == "learn_unknown":
            address, reply, until = arguments
            writer.post(lambda tables: tables.learn_unknown(address, reply, until), answer)
        else:
            answer(None, BadValue("There is no such call", cause=f"triplets: {method}"))

    return handle
