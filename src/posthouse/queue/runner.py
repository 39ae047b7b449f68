"""Drives the queue: takes what is due from the spool into the lines, and starts attempts (OUT-6).

One recipient is under way at most once. What is in memory is bounded: a window of recipients, read page by page. Nothing here
must survive a crash: the spool has it all, and an attempt that was not recorded is made again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from posthouse.base import log
from posthouse.base.errors import MailError, Temporary
from posthouse.model.queued import QueuedMessage, QueuedRecipient
from posthouse.queue import pushback
from posthouse.queue.attempt import Result, Tools, attempt
from posthouse.queue.dead_destinations import PAUSE_S, DeadDestinations
from posthouse.queue.lines import Job, Lines
from posthouse.queue.putting_off import CHUNK, Hopeless, put_off
from posthouse.queue.window import Window

PAGE = 500
PAGES = 20
"""Pages read in one look; the rest at the next, soon."""
TRANSACTION_RECIPIENTS = 100
"""What every host must take in one transaction (RFC 5321 §4.5.3.1.8)."""
POLL_S = 30.0
GAP_S = 0.01
CALM = 5
"""Between two looks at the spool lies at least this many times what the last one took, so that looking costs little."""
SOON_S = 0.1
"""Until the next look when one saw mail that is due again while its last attempt has not ended here yet."""
FURTHER_S = 1.0
"""While there is no room for more, the spool is looked through this seldom for mail of those who have little under way."""
BARREN_PAGES = 5
"""So many pages in one look may bring little: behind a dead destination a million may wait, others are served meanwhile."""
HARDLY = 20
"""A page brings little when less than one in so many of it found a place."""
LATEST = 250
"""New mail is looked for among so many first, and among ``PAGE`` if the older half of them is not known yet. A half, since mail
that took long to come in is queued behind what came later."""
APART_S = pushback.FIRST_S / 2
"""Connections that a host turns away at the same time are one too many; after its rest it is asked by a single one."""
BROKEN_S = 300.0
"""A job that broke in an unforeseen way is left alone for this long."""

_log = log.get("queue")


class QueueRunner:
    """``run`` until cancelled; ``wake`` when new mail is there or an operation changed something."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._lines = Lines(tools.settings, tools.clock.steady)
        self._woken = asyncio.Event()
        self._under_way = Window()
        self._dead = DeadDestinations()
        self._hopeless: list[Hopeless] = []
        self._putting_off: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Result]] = set()
        self._cursor = (0.0, 0)
        self._full = False
        self._crowded = False
        self._next_look = 0.0
        self._further_at = 0.0
        self._further_took_s = 0.0
        self._missed = False
        self._resume: asyncio.TimerHandle | None = None
        self._draining = False

    def wake(self, *, retry: bool = False) -> None:
        """Look again at once. ``retry``: somebody wants to see mail tried now."""
        for key in self._dead.keys() if retry else ():
            self._lines.relieve(key)
        self._woken.set()

    async def run(self) -> None:
        """Schedules for ever."""
        clock = self._tools.clock
        while not self._draining:
            self._woken.clear()
            started = clock.steady()
            try:
                wait_s = await self._schedule()
            except MailError as error:
                _log.warning("queue cannot be read", cause=error.cause or error.public)
                wait_s = POLL_S
            self._next_look = clock.now() + wait_s
            calm = 2 * CALM if self._hopeless else CALM  # what a look brings to be put off costs as much as the look
            await asyncio.sleep(max(GAP_S, calm * (clock.steady() - started - self._further_took_s)))
            try:
                await asyncio.wait_for(self._woken.wait(), wait_s)
            except TimeoutError:
                continue

    async def drain(self, timeout_s: float) -> None:
        """Starts nothing new and waits for what is under way."""
        self._draining = True
        self._woken.set()
        self._lines.clear()
        if self._resume is not None:
            self._resume.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        tasks: list[asyncio.Task[Result] | asyncio.Task[None]] = [*self._tasks]
        if self._putting_off is not None:
            tasks.append(self._putting_off)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._tools.courier.close()

    async def _schedule(self) -> float:
        """Puts what is due into the lines; gives the seconds until it must look again."""
        now, spool = self._tools.clock.now(), self._tools.spool
        self._full, self._missed = False, False
        self._take(await spool.due(now, PAGE, urgent=True))
        if self._crowded or self._cursor != (0.0, 0):
            await self._take_latest(now)
        await self._go_through(now)
        self._start()
        if self._missed:
            return SOON_S
        due = await spool.next_due(now)
        wait_s = POLL_S if due is None else min(POLL_S, max(due - now, GAP_S))
        return min(wait_s, FURTHER_S) if self._crowded else wait_s

    async def _take_latest(self, now: float) -> None:
        """New mail, wherever the look has got to in what waits for long."""
        for limit in (LATEST, PAGE):
            page = await self._tools.spool.latest(now, limit)
            recipients = [recipient.recipient_id for message in page for recipient in message.recipients]
            known = all(recipient_id in self._under_way for recipient_id in recipients[: limit // 2])
            self._take(page)
            if known or len(recipients) < limit:
                return

    async def _go_through(self, now: float) -> None:
        """All that is due, page by page from where the last look ended. ``_crowded``: pages bring little, since the lines
        of those that wait are full; then new mail is looked for often, and the rest seldom."""
        from_start, barren, began = self._cursor == (0.0, 0), 0, self._tools.clock.steady()
        may_go_further, went_further, self._further_took_s = began >= self._further_at and not self._hopeless, False, 0.0
        for _ in range(PAGES):
            if self._under_way.is_full or self._crowded:
                self._full = self._under_way.is_full
                if self._under_way.is_crammed or not may_go_further:
                    break
                went_further = True
            page = await self._tools.spool.due(now, PAGE, self._cursor)
            self._move(page)
            took = self._take(page)
            if sum(len(message.recipients) for message in page) < PAGE:
                self._cursor = (0.0, 0)
                self._crowded = self._crowded and not from_start
                if not from_start:  # what was skipped or came due before the place where this look began
                    self._woken.set()
                    went_further, self._further_at = False, 0.0
                break
            self._crowded = took <= PAGE // HARDLY
            barren += self._crowded
            if barren >= BARREN_PAGES:
                went_further = True
                break
            await asyncio.sleep(0)
        else:
            self._woken.set()
        if went_further:  # in its own time: new mail is not looked for later because of it
            ended = self._tools.clock.steady()
            self._further_took_s = ended - began
            self._further_at = ended + max(FURTHER_S, 2 * CALM * self._further_took_s)

    def _move(self, page: Sequence[QueuedMessage]) -> None:
        for message in page:
            last = max((recipient.next_attempt_at, recipient.recipient_id) for recipient in message.recipients)
            self._cursor = max(self._cursor, last)

    def _take(self, page: Sequence[QueuedMessage]) -> int:
        """How much of it found a place."""
        took = 0
        for message in page:
            for job in self._jobs(message) if self._under_way.takes(message) else ():
                if self._is_hopeless(job):
                    self._under_way.add(job.message)
                    continue
                out = self._lines.put(job)
                if out is not job:
                    took += 1
                    self._under_way.add(job.message)
                    if out is not None:
                        self._under_way.remove(_ids(out))
        return took

    def _jobs(self, message: QueuedMessage) -> Sequence[Job]:
        smart_host = self._tools.smart_host()
        groups: dict[tuple[str, str, bool], list[QueuedRecipient]] = defaultdict(list)
        for recipient in message.recipients:
            if recipient.recipient_id not in self._under_way:
                next_hop = recipient.next_hop or smart_host
                wanted = recipient.recipient
                groups[wanted.address.domain, next_hop, wanted.verified_tls].append(recipient)
            elif self._under_way.is_behind(recipient):
                self._missed = True
        return [
            Job(replace(message, recipients=tuple(group[at : at + TRANSACTION_RECIPIENTS])), domain, next_hop)
            for (domain, next_hop, _), group in groups.items()
            for at in range(0, len(group), TRANSACTION_RECIPIENTS)
        ]

    def _start(self) -> None:
        while not self._draining and (job := self._lines.next()) is not None:
            task = asyncio.create_task(self._attempt(job))
            self._tasks.add(task)
            task.add_done_callback(lambda task, job=job: self._ended(job, task))  # type: ignore[misc]
        if self._hopeless and self._putting_off is None and not self._draining:
            self._putting_off = asyncio.create_task(self._put_off())
        resumes_at = self._lines.resumes_at
        if resumes_at is None or self._draining:
            return
        loop, wait_s = asyncio.get_running_loop(), max(resumes_at - self._tools.clock.steady(), GAP_S)
        if self._resume is not None and self._resume.when() > loop.time() + wait_s:
            self._resume.cancel()
            self._resume = None
        if self._resume is None:
            self._resume = loop.call_later(wait_s, self._go_on)

    def _go_on(self) -> None:
        self._resume = None
        self._start()

    async def _put_off(self) -> None:
        """Chunk by chunk; what cannot be written down now is read again later."""
        try:
            while self._hopeless and not self._draining:
                chunk, self._hopeless = self._hopeless[:CHUNK], self._hopeless[CHUNK:]
                try:
                    again_at = await put_off(self._tools, chunk)
                    if again_at is not None and again_at < self._next_look:
                        self._woken.set()
                except MailError as error:
                    _log.warning("mail for a dead destination not put off", cause=error.cause or error.public)
                    await self._tools.sleep(1)
                finally:
                    for each in chunk:
                        self._under_way.remove(_ids(each.job))
                await asyncio.sleep(0)
        finally:
            self._putting_off = None

    async def _attempt(self, job: Job) -> Result:
        try:
            return await attempt(self._tools, job)
        except Temporary as error:
            _log.warning("attempt not made", queue_id=job.message.queue_id, cause=error.cause or error.public)
            await self._tools.sleep(1)
            return Result(again_at=self._tools.clock.now())

    def _ended(self, job: Job, task: asyncio.Task[Result]) -> None:
        self._tasks.discard(task)
        recipient_ids = _ids(job)
        result = Result(reached=False)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("attempt broke", queue_id=job.message.queue_id, exc_info=error)
            asyncio.get_running_loop().call_later(BROKEN_S, self._under_way.remove, recipient_ids)
        else:
            self._under_way.remove(recipient_ids)
            result = result if task.cancelled() else task.result()
        hungry = self._lines.ended(job, reached=result.reached, pushed_back=result.pushed_back)
        self._learn(job.key, result)
        early = result.again_at is not None and result.again_at < self._next_look
        if hungry:
            self._further_at = 0.0
        if hungry or early or (self._full and self._under_way.is_half_empty):
            self._woken.set()
        self._start()

    def _learn(self, key: str, result: Result) -> None:
        """What one attempt says of the others that wait for the same destination."""
        if result.silent is None:
            if result.reached and result.began_at:
                self._dead.answered(key)
        elif self._dead.failed(key, result.began_at, result.silent, apart_s=APART_S if result.pushed_back else 0.0):
            self._lines.rest(key, PAUSE_S)
            self._lines.take_out(key, self._is_hopeless)

    def _is_hopeless(self, job: Job) -> bool:
        """Whether trying it would bring nothing; then it is among those to be put off."""
        answer = self._dead.answer_for(job)
        if answer is not None:
            self._hopeless.append(Hopeless(job, answer))
        return answer is not None


def _ids(job: Job) -> list[int]:
    return [recipient.recipient_id for recipient in job.message.recipients]
