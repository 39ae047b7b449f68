"""What the steward does by the clock: old traces and expired messages go, users are warned, the queue's size is measured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import get_args

from posthouse.admin.context import Context
from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.base.metrics import HELD, QUEUED
from posthouse.directory.leaving import finish_leaving
from posthouse.mailstore.expire import expire_all
from posthouse.mailstore.quota_warnings import QuotaWarnings
from posthouse.model.settings import Settings
from posthouse.model.verdict import QuarantineKind

HOUR_S = 3600.0
DAY_S = 86_400.0
TRIPLETS_S = 300.0
MEASURE_S = 15.0
WARN_S = 5.0
LOOK_S = 300.0
RELEASE_S = 5.0

_log = log.get("chores")


class Chores:
    """``start`` them, ``stop`` them. ``more`` are (seconds between, chore); ``sleep`` waits for the given
    seconds (asyncio.sleep; tests pass their own)."""

    def __init__(
        self,
        context: Context,
        settings: Callable[[], Settings],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        *,
        node_name: str,
        more: Sequence[tuple[float, Callable[[], Awaitable[None]]]] = (),
    ) -> None:
        self._context = context
        self._settings = settings
        self._sleep = sleep
        self._warnings = QuotaWarnings(
            context.store, context.sink, context.directory, context.allowances, context.clock, context.ids, node_name
        )
        self._more = more
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Does each chore now, and then again and again."""
        self._tasks = [
            asyncio.create_task(self._repeat(HOUR_S, self.finish_leaving)),
            asyncio.create_task(self._repeat(HOUR_S, self.expire_traces)),
            asyncio.create_task(self._repeat(MEASURE_S, self.measure_queue)),
            asyncio.create_task(self._repeat(MEASURE_S, self.measure_quarantine)),
            asyncio.create_task(self._repeat(RELEASE_S, self.release_held)),
            asyncio.create_task(self._repeat(HOUR_S, self.expire_held)),
            asyncio.create_task(self._repeat(WARN_S, self.warn_of_quotas)),
            asyncio.create_task(self._repeat(HOUR_S, self.expire_messages)),
            asyncio.create_task(self._repeat(HOUR_S, self.scrub_store)),
            asyncio.create_task(self._repeat(HOUR_S, self.learn_to_compress)),
            asyncio.create_task(self._repeat(DAY_S, self.tidy_store)),
            asyncio.create_task(self._repeat(HOUR_S, self.expire_memories)),
            asyncio.create_task(self._repeat(WARN_S, self.fit_lessons)),
            asyncio.create_task(self._repeat(DAY_S, self.expire_lessons)),
            asyncio.create_task(self._repeat(LOOK_S, self.update_rules)),
            asyncio.create_task(self._repeat(TRIPLETS_S, self.expire_triplets)),
            *(asyncio.create_task(self._repeat(interval_s, chore)) for interval_s, chore in self._more),
        ]

    async def stop(self) -> None:
        """Ends them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def finish_leaving(self) -> None:
        """Forgets the mail of users and domains whose deletion a crash interrupted."""
        context = self._context
        if count := await finish_leaving(context.directory_writer, context.store, *context.junk.forgetting()):
            _log.info("leaving-finished", count=count)

    async def expire_traces(self) -> None:
        """Drops traces older than ``store.trace_days``."""
        before = self._context.clock.now() - self._settings().store.trace_days * DAY_S
        count = await self._context.traces.expire(before)
        if count:
            _log.info("traces-expired", count=count)

    async def expire_memories(self) -> None:
        """Drops what scripts wanted remembered until now: duplicates, answered senders."""
        if count := await self._context.scripts_writer.expire_memories(self._context.clock.now()):
            _log.info("memories-expired", count=count)

    async def expire_triplets(self) -> None:
        """Counts as lost what never came back in greylisting's window, and drops what has ended (GRY-5)."""
        triplets, settings, now = self._context.triplets, self._settings().greylist, self._context.clock.now()
        if triplets is None or (settings.mode == "off" and not await triplets.waiting()):
            return
        if count := await triplets.expire(now, now - settings.statistics_days * DAY_S):
            _log.info("triplets-expired", count=count)

    async def fit_lessons(self) -> None:
        """Makes weights of what was taught about spam."""
        if self._context.scorer is not None:
            await self._context.scorer.school.attend()

    async def expire_lessons(self) -> None:
        """Drops what was taught long ago."""
        if self._context.scorer is not None and (count := await self._context.scorer.school.expire()):
            _log.info("lessons-expired", count=count)

    async def update_rules(self) -> None:
        """Looks for newer rules when it is time to."""
        if self._context.scorer is not None:
            await self._context.scorer.updates.look()

    async def measure_queue(self) -> None:
        """Sets ``posthouse_queue_recipients``."""
        counts = await self._context.spool.count()
        for state in ("waiting", "held"):
            QUEUED.labels(state).set(counts.get(state, 0))

    async def measure_quarantine(self) -> None:
        """Sets ``posthouse_held_messages``."""
        held = dict.fromkeys(get_args(QuarantineKind), 0)
        for count in await self._context.quarantine.counts():
            held[count.kind] += count.messages
        for kind, messages in held.items():
            HELD.labels(kind).set(messages)

    async def release_held(self) -> None:
        """Lets go on what an outbreak check or a filter has held for its time (QTN-1)."""
        if self._context.releases is None:
            return
        while count := await self._context.releases.release_due():
            _log.info("held-mail-released", count=count)

    async def expire_held(self) -> None:
        """Drops held mail that nobody wanted (QTN-2)."""
        if self._context.releases is None:
            return
        wanted = self._settings().quarantine
        lifetimes: dict[QuarantineKind, int] = {
            "junk": wanted.junk_days,
            "filter": wanted.filter_days,
            "virus": wanted.virus_days,
        }
        if count := await self._context.releases.expire(lifetimes):
            _log.info("held-mail-expired", count=count)

    async def warn_of_quotas(self) -> None:
        """Tells users whose mailbox fills up (STO-5)."""
        if count := await self._warnings.send():
            _log.info("quota-warnings", count=count)

    async def expire_messages(self) -> None:
        """Deletes messages that are past their mailbox's expiry (STO-6)."""
        count = await expire_all(self._context.store, self._context.allowances, self._context.clock.now())
        if count:
            _log.info("messages-expired", count=count)

    async def scrub_store(self) -> None:
        """Reads all contents every ``store.scrub_days`` (STO-7)."""
        care, days = self._context.care, self._settings().store.scrub_days
        if care is None or not days:
            return
        state = await care.scrubbing()
        if not state.finished_at and not state.total:
            return
        if self._context.clock.now() - state.finished_at >= days * DAY_S:
            damaged = await care.scrub()
            _log.log(logging.ERROR if damaged else logging.INFO, "store-scrubbed", damaged=len(damaged))

    async def learn_to_compress(self) -> None:
        """Trains a dictionary when there is enough new mail to learn from."""
        if self._context.care is not None and await self._context.care.learn():
            _log.info("dictionary-learnt")

    async def tidy_store(self) -> None:
        """Removes files that nothing names, and forgets what vanished long ago."""
        care, days = self._context.care, self._settings().store.vanished_days
        if care is None:
            return
        swept = await care.sweep()
        forgotten = await care.forget_vanished(self._context.clock.now() - days * DAY_S) if days else 0
        if swept or forgotten:
            _log.info("store-tidied", files=swept, vanished=forgotten)

    async def _repeat(self, interval_s: float, chore: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await chore()
            except MailError as error:
                _log.warning("chore-failed", chore=chore.__name__, cause=error.cause or error.public)
            except Exception:  # noqa: BLE001 - a chore that breaks once is due again all the same
                _log.exception("chore-broken", chore=chore.__name__)
            await self._sleep(interval_s)
