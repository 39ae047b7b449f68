"""Drives the queue: takes what is due from the spool, gives it to the courier, writes down what came of it (OUT-6).

One recipient is under way at most once. Each destination has its own line and its own limit of deliveries, so a slow one
holds up only itself. Nothing here must survive a crash: the spool has it all, and an attempt that was not recorded is made
again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.base.metrics import DELIVERIES
from posthouse.interfaces.courier import Answer, Courier, Parcel, Target, Unreachable
from posthouse.interfaces.spool import Spool
from posthouse.interfaces.traces import TraceLog
from posthouse.model.queued import QueuedMessage, QueuedRecipient
from posthouse.model.settings import QueueSettings
from posthouse.model.trace import TraceRecord, TraceStep
from posthouse.queue.notices import Event, Notices
from posthouse.queue.outcomes import judge
from posthouse.queue.targets import Targets

WINDOW = 2_000
PER_DESTINATION = 200
POLL_S = 30.0
OURS = b"return-path:"

_log = log.get("queue")


@dataclass(frozen=True, slots=True)
class Job:
    """The recipients of one message that go to one destination."""

    message: QueuedMessage
    domain: str
    next_hop: str

    @property
    def key(self) -> str:
        """The destination's name."""
        return self.next_hop or self.domain


@dataclass(slots=True)
class _Line:
    """What waits for one destination."""

    jobs: deque[Job] = field(default_factory=deque)
    running: int = 0


@dataclass(frozen=True, slots=True)
class Tools:
    """What the runner works with."""

    spool: Spool
    courier: Courier
    targets: Targets
    notices: Notices
    traces: TraceLog
    clock: Clock
    settings: Callable[[], QueueSettings]


class QueueRunner:
    """``run`` until cancelled; ``wake`` when new mail is there or an operation changed something."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._woken = asyncio.Event()
        self._under_way: set[int] = set()
        self._lines: dict[str, _Line] = defaultdict(_Line)
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    def wake(self) -> None:
        """Look again at once."""
        self._woken.set()

    async def run(self) -> None:
        """Schedules for ever."""
        while not self._draining:
            self._woken.clear()
            try:
                wait_s = await self._schedule()
            except MailError as error:
                _log.warning("queue cannot be read", cause=error.cause or error.public)
                wait_s = POLL_S
            try:
                await asyncio.wait_for(self._woken.wait(), wait_s)
            except TimeoutError:
                continue

    async def drain(self, timeout_s: float) -> None:
        """Starts nothing new and waits for what is under way."""
        self._draining = True
        self._woken.set()
        for line in self._lines.values():
            line.jobs.clear()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in self._tasks:
            task.cancel()
        await self._tools.courier.close()

    async def _schedule(self) -> float:
        """Puts what is due into the lines; gives the seconds until it must look again."""
        now = self._tools.clock.now()
        after = (0.0, 0)
        while len(self._under_way) < WINDOW:
            page = await self._tools.spool.due(now, WINDOW, after)
            if not page:
                break
            for message in page:
                last = max(message.recipients, key=lambda r: (r.next_attempt_at, r.recipient_id))
                after = max(after, (last.next_attempt_at, last.recipient_id))
                self._take(message)
        self._start_all()
        due = await self._tools.spool.next_due()
        if due is None:
            return POLL_S
        # What is due and under way already must not make this a busy loop: its end wakes us.
        return min(POLL_S, max(0.5 if due <= now else due - now, 0.01))

    def _take(self, message: QueuedMessage) -> None:
        groups: dict[tuple[str, str], list[QueuedRecipient]] = defaultdict(list)
        for recipient in message.recipients:
            if recipient.recipient_id not in self._under_way:
                groups[recipient.recipient.address.domain, recipient.next_hop].append(recipient)
        for (domain, next_hop), recipients in groups.items():
            job = Job(replace(message, recipients=tuple(recipients)), domain, next_hop)
            line = self._lines[job.key]
            if len(line.jobs) < PER_DESTINATION:
                line.jobs.append(job)
                self._under_way.update(recipient.recipient_id for recipient in recipients)

    def _start_all(self) -> None:
        for key in list(self._lines):
            self._start(key)

    def _start(self, key: str) -> None:
        queue = self._tools.settings()
        line = self._lines[key]
        while line.jobs and line.running < queue.concurrency_per_destination and self._running < queue.concurrency:
            job = line.jobs.popleft()
            line.running += 1
            self._running += 1
            task = asyncio.create_task(self._attempt(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _, key=key, job=job: self._ended(key, job))  # type: ignore[misc]
        if not line.jobs and not line.running:
            del self._lines[key]

    def _ended(self, key: str, job: Job) -> None:
        self._running -= 1
        self._under_way.difference_update(recipient.recipient_id for recipient in job.message.recipients)
        line = self._lines[key]
        line.running -= 1
        if self._draining:
            return
        if line.jobs:
            self._start(key)
        else:
            self._start_all() if self._lines else None
            self._woken.set()

    async def _attempt(self, job: Job) -> None:
        """One job, from finding hosts to the record. Whatever fails, the recipients stay in the queue."""
        try:
            content = await self._tools.spool.content(job.message.body_id)
            answers, relay = await self._deliver(job, content)
            await self._write_down(job, answers, relay, content)
        except MailError as error:
            _log.error("attempt not recorded", queue_id=job.message.queue_id, cause=error.cause or error.public)
            await asyncio.sleep(1)

    async def _deliver(self, job: Job, content: bytes) -> tuple[Sequence[Answer], str]:
        """The answers, one a recipient, and the host that gave them ("" if it was none)."""
        message = job.message
        recipients = tuple(recipient.recipient for recipient in message.recipients)
        try:
            targets = await self._tools.targets.find(job.domain, job.next_hop)
        except MailError as error:
            return [Answer(error.code, f"{error.code} {error.enhanced} {error.public}")] * len(recipients), ""
        parcel = Parcel(message.sender, recipients, _without_return_path(content))
        failure = ""
        for target in targets:
            try:
                return await self._tools.courier.deliver(target, parcel), _name(target)
            except Unreachable as error:
                failure = f"{_name(target)}: {error.cause}"
        text = f"450 4.4.1 No host could be reached: {failure}"
        return [Answer(450, text)] * len(recipients), ""

    async def _write_down(self, job: Job, answers: Sequence[Answer], relay: str, content: bytes) -> None:
        tools, message = self._tools, job.message
        now, queue = tools.clock.now(), tools.settings()
        events = [
            Event(recipient, judge(message, recipient, answer, relay=relay, now=now, queue=queue), answer)
            for recipient, answer in zip(message.recipients, answers, strict=True)
        ]
        bounce = await tools.notices.bounce(message, events, content)
        await tools.spool.record(message.queue_id, [event.outcome for event in events], bounce)
        for event in events:
            DELIVERIES.labels(_WORDS[event.outcome.state]).inc()
        self._trace(message, events, now, bounce.trace_id if bounce else "")
        if bounce is not None:
            self._woken.set()

    def _trace(self, message: QueuedMessage, events: Sequence[Event], now: float, notice: str) -> None:
        words = [_WORDS[event.outcome.state] for event in events]
        steps = [
            TraceStep(now, "queue", event.outcome.relay or "route", word, str(event.recipient.recipient), event.outcome.reply)
            for event, word in zip(events, words, strict=True)
        ]
        if notice:
            steps.append(
                TraceStep(now, "queue", "notice", "notified", str(message.sender), f"the sender was told, id {notice}")
            )
        worst = next(word for word in ("failed", "delayed", "delivered") if word in words)
        self._tools.traces.record(
            TraceRecord(
                trace_id=message.trace_id,
                at=now,
                service="queue",
                client="",
                helo="",
                account="",
                sender=str(message.sender),
                recipients=tuple(str(event.recipient.recipient) for event in events),
                message_id="",
                subject="",
                size_bytes=message.size_bytes,
                outcome=worst,
                reply=events[0].outcome.reply,
                steps=tuple(steps),
            )
        )


_WORDS = {"done": "delivered", "failed": "failed", "waiting": "delayed", "held": "held"}


def _name(target: Target) -> str:
    return target.host if target.host == target.address else f"{target.host}[{target.address}]"


def _without_return_path(content: bytes) -> bytes:
    """Relayed mail carries no Return-Path of ours (docs/adr/0003)."""
    if content[: len(OURS)].lower() != OURS:
        return content
    return content[content.find(b"\n") + 1 :]
