"""One attempt at one job: look whether it still stands, find hosts, hand over, write down what came of it (OUT-6).

Before anything is said to a host the spool is asked again, so that what was held or deleted meanwhile stays. After a host has
answered, the answer is written down however often that takes: to forget it would be to send the message again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.base.metrics import DELIVERIES, REFUSALS
from posthouse.formats.tls_required import says_no
from posthouse.interfaces.courier import Answer, Courier, Parcel
from posthouse.interfaces.spans import NoSpans, Spans
from posthouse.interfaces.spool import Spool
from posthouse.interfaces.suppressions import SuppressionsWriter
from posthouse.interfaces.traces import TraceLog
from posthouse.interfaces.unknown_recipients import UnknownRecipients
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.local_hop import is_local
from posthouse.model.plan import Acceptance
from posthouse.model.queued import QueuedMessage, QueuedRecipient
from posthouse.model.settings import QueueSettings
from posthouse.model.trace import Timing, TraceRecord, TraceStep
from posthouse.queue import deadlines
from posthouse.queue.causes import cause_of
from posthouse.queue.handing_over import TurnedAway, hand_over
from posthouse.queue.lines import Job
from posthouse.queue.local_delivery import HasAccount, copy_for
from posthouse.queue.notices import Event, Notices, record_of
from posthouse.queue.outcomes import judge
from posthouse.queue.pushback import is_pushback
from posthouse.queue.require_tls import proven
from posthouse.queue.targets import Targets

OURS = b"return-path:"
LONGEST_WAIT_S = 60.0
SUSPICIOUS = ("unknown-user", "disabled", "no-domain", "spam")

_log = log.get("queue")


@dataclass(frozen=True, slots=True)
class Tools:
    """What attempts work with. ``smart_host`` takes what no route leads elsewhere, "" for none, asked anew for each attempt;
    ``on_hold`` says whether an account's mail is held, ``bounced`` is told of recipients of its mail who were refused for good;
    ``forwarded`` gives the sender of what an address here forwards; ``has_account``: whether an account is still there;
    ``sleep`` waits for seconds."""

    spool: Spool
    courier: Courier
    targets: Targets
    notices: Notices
    traces: TraceLog
    clock: Clock
    settings: Callable[[], QueueSettings]
    smart_host: Callable[[], str] = str
    forwarded: Callable[[Sender, str], Awaitable[Sender]] | None = None
    suppressions: SuppressionsWriter | None = None
    unknown: UnknownRecipients | None = None
    unknown_s: Callable[[], float] = float
    has_account: HasAccount | None = None
    on_hold: Callable[[str], Awaitable[bool]] | None = None
    bounced: Callable[[str, int], Awaitable[None]] | None = None
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    spans: Spans = field(default_factory=NoSpans)
    away: TurnedAway = field(default_factory=TurnedAway)


@dataclass(frozen=True, slots=True)
class _Said:
    """The answers, one a recipient, the host that gave them ("" if it was none), and the copy for a mailbox here."""

    answers: Sequence[Answer]
    relay: str
    copy: Acceptance | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """``reached``: a host answered, or there was nothing to do. ``again_at``: when the next attempt is due, or None.
    ``pushed_back``: the host wants no more for now. ``silent``: since ``began_at`` no host could be connected to, or each
    turned us away."""

    reached: bool = True
    again_at: float | None = None
    pushed_back: bool = False
    began_at: float = 0.0
    silent: Answer | None = None


async def attempt(tools: Tools, job: Job, known: Answer | None = None) -> Result:
    """``known``: what trying would bring, so that nobody is asked. Raises MailError when the spool cannot be read: Permanent if
    the message's content is gone. Then nothing has happened."""
    job = await _still_standing(tools, job)
    if not job.message.recipients:
        return Result()
    content = await tools.spool.content(job.message.body_id)
    began_at = tools.clock.now()
    copy: Acceptance | None = None
    answers: Sequence[Answer]
    if is_local(job.next_hop):
        answer, copy = await copy_for(job.message, job.next_hop, content, now=began_at, has_account=tools.has_account)
        answers, relay = [answer] * len(job.message.recipients), ""
    elif known is not None:
        answers, relay = [known] * len(job.message.recipients), ""
    else:
        answers, relay = await _deliver(tools, job, content)
    answered_at = tools.clock.now()
    again_at, told = await _write_down(tools, job.message, _Said(answers, relay, copy), content)
    if tools.spans.watching():
        timings = (Timing("hand over", began_at, answered_at), Timing("write down", answered_at, tools.clock.now()))
        tools.spans.tell(told, timings)
    turned_away = all(answer.pushes_back for answer in answers)
    silent = answers[0] if turned_away or all(answer.silent for answer in answers) else None
    return Result(bool(relay or copy), again_at, turned_away or (bool(relay) and is_pushback(answers)), began_at, silent)


async def _still_standing(tools: Tools, job: Job) -> Job:
    """The job with those of its recipients that wait as they did when it was scheduled. What an account that is held has
    sent is held now, too, whenever it came into the queue."""
    waiting = await tools.spool.waiting(job.message.queue_id)
    account = job.message.sender.auth
    if waiting and account and tools.on_hold is not None and await tools.on_hold(account):
        await tools.spool.set_state(job.message.queue_id, "held")
        waiting = frozenset()
    standing = tuple(each for each in job.message.recipients if each.recipient_id in waiting)
    return job if standing == job.message.recipients else replace(job, message=replace(job.message, recipients=standing))


async def _deliver(tools: Tools, job: Job, content: bytes) -> tuple[Sequence[Answer], str]:
    """The answers, one a recipient, and the host that gave them ("" if it was none)."""
    recipients = job.message.recipients
    if deadlines.is_over(job.message, tools.clock.now()) and deadlines.returns(job.message):
        return [deadlines.too_late(recipient) for recipient in recipients], ""
    try:
        strict = _is_strict(job.message.sender, [recipient.recipient for recipient in recipients])
        targets = await tools.targets.find(job.domain, job.next_hop, relaxed=not strict and says_no(content))
    except MailError as error:
        return [Answer(error.code, f"{error.code} {error.enhanced} {error.public}")] * len(recipients), ""
    if strict:
        targets = proven(targets)
    steady = tools.clock.steady()
    targets, turned_away = tools.away.last(targets, steady), partial(tools.away.note, now=steady)
    senders = [await _sender_for(tools, job, recipient) for recipient in recipients]
    content = _without_return_path(content)
    answers: dict[int, Answer] = {}
    relay = ""
    for sender in dict.fromkeys(senders):
        places = [place for place, its_sender in enumerate(senders) if its_sender == sender]
        timed = deadlines.with_time_left(sender, job.message, tools.clock.now())
        parcel = Parcel(timed, tuple(recipients[place].recipient for place in places), content)
        found, host = await hand_over(tools.courier, targets, parcel, strict=strict, turned_away=turned_away)
        answers.update(zip(places, found, strict=True))
        relay = host or relay
    return [answers[place] for place in range(len(recipients))], relay


def _is_strict(sender: Sender, recipients: Sequence[Recipient]) -> bool:
    """Whether it may leave over verified TLS only: its sender asked for it (RFC 8689), or a filter. Recipients of one job are
    alike in this."""
    return sender.require_tls or any(recipient.verified_tls for recipient in recipients)


async def _sender_for(tools: Tools, job: Job, recipient: QueuedRecipient) -> Sender:
    """Mail that an address here sends on to a stranger's host leaves with a sender that this host may use (SRS)."""
    if tools.forwarded is None or not recipient.original or recipient.next_hop:
        return job.message.sender
    return await tools.forwarded(job.message.sender, recipient.original)


async def _write_down(tools: Tools, message: QueuedMessage, said: _Said, content: bytes) -> tuple[float | None, TraceRecord]:
    """Gives when the next attempt is due, None if there is none, and the record of this one. Raises MailError when a copy for
    a mailbox here cannot be kept: then nothing has happened."""
    now, queue = tools.clock.now(), tools.settings()
    events = [
        Event(recipient, judge(message, recipient, answer, relay=said.relay, now=now, queue=queue), answer, message.sender.by)
        for recipient, answer in zip(message.recipients, said.answers, strict=True)
    ]
    outcomes = [event.outcome for event in events]
    wait_s = 1.0
    while True:
        try:
            notice = await tools.notices.bounce(message, events, content)
            follow = [each for each in (said.copy, notice) if each is not None]
            await tools.spool.record(message.queue_id, outcomes, *follow)
            break
        except MailError as error:
            if said.copy is not None:
                raise
            _log.error("outcome not recorded yet", queue_id=message.queue_id, cause=error.cause or error.public)
            await tools.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)
    for outcome in outcomes:
        DELIVERIES.labels(_WORDS[outcome.state]).inc()
        if outcome.state != "done":
            REFUSALS.labels(cause_of(outcome.reply), _WORDS[outcome.state]).inc()
    await _note_deaths(tools, events, now)
    await _learn_unknown(tools, events, now)
    await _note_bounces(tools, message, events)
    told = story(message, events, now, notice.trace_id if notice else "")
    tools.traces.record(told)
    if notice is not None:
        tools.traces.record(record_of(notice, f"tells about {message.trace_id}"))
    return min((outcome.next_attempt_at for outcome in outcomes if outcome.state == "waiting"), default=None), told


async def _note_deaths(tools: Tools, events: Sequence[Event], now: float) -> None:
    """Members of lists whose hosts say again and again that there is nobody of that name. Failing: it is not counted."""
    queue = tools.settings()
    if tools.suppressions is None or not queue.suppress_after:
        return
    for event in events:
        address, outcome = event.recipient.recipient.address.key, event.outcome
        try:
            if not event.recipient.original or outcome.state == "waiting":
                continue
            if outcome.state == "done":
                await tools.suppressions.succeeded(address)
            elif cause_of(outcome.reply) in ("unknown-user", "disabled", "no-domain") and await tools.suppressions.failed(
                address, outcome.reply, now, times=queue.suppress_after, within_s=queue.suppress_within_s
            ):
                _log.info("address-suppressed", address=address, reply=outcome.reply)
        except MailError as error:
            _log.warning("failure not counted", address=address, cause=error.cause or error.public)


async def _learn_unknown(tools: Tools, events: Sequence[Event], now: float) -> None:
    """Whom the host of a routed domain does not have: refused at RCPT from now on (GRY-6). Failing: it is not learnt."""
    if tools.unknown is None or not tools.unknown_s():
        return
    for event in events:
        recipient, outcome = event.recipient, event.outcome
        if outcome.state == "failed" and recipient.next_hop and not recipient.original and outcome.relay:
            try:
                if cause_of(outcome.reply) == "unknown-user":
                    await tools.unknown.learn(recipient.recipient.address.key, outcome.reply, now + tools.unknown_s())
            except MailError as error:
                _log.warning("recipient not learnt", cause=error.cause or error.public)


async def _note_bounces(tools: Tools, message: QueuedMessage, events: Sequence[Event]) -> None:
    """Many dead addresses, or hosts that call it spam, are a sign that an account was stolen (OUT-5); that a host is down, or
    blocks this one, is none. Failing: they are not counted."""
    count = sum(event.outcome.state == "failed" and cause_of(event.outcome.reply) in SUSPICIOUS for event in events)
    if tools.bounced is None or not count or "@" not in message.sender.auth:
        return
    try:
        await tools.bounced(message.sender.auth, count)
    except MailError as error:
        _log.warning("bounces not counted", account=message.sender.auth, cause=error.cause or error.public)


def story(message: QueuedMessage, events: Sequence[Event], now: float, notice: str = "") -> TraceRecord:
    """What came of it, for the message's trace; ``notice`` is the id of the one that tells its sender."""
    words = [_WORDS[event.outcome.state] for event in events]
    steps = [
        TraceStep(now, "queue", event.outcome.relay or _place(event), word, str(event.recipient.recipient), event.outcome.reply)
        for event, word in zip(events, words, strict=True)
    ]
    if notice:
        steps.append(TraceStep(now, "queue", "notice", "notified", str(message.sender), f"the sender was told, id {notice}"))
    elif message.sender.doubtful and "failed" in words:
        steps.append(TraceStep(now, "queue", "notice", "silent", str(message.sender), "the sender's address is doubtful"))
    return TraceRecord(
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
        outcome=next(word for word in ("failed", "delayed", "delivered") if word in words),
        reply=events[0].outcome.reply,
        steps=tuple(steps),
    )


def _place(event: Event) -> str:
    return "mailbox" if is_local(event.recipient.next_hop) else "route"


_WORDS = {"done": "delivered", "failed": "failed", "waiting": "delayed"}


def _without_return_path(content: bytes) -> bytes:
    """Relayed mail carries no Return-Path of ours (docs/adr/0003)."""
    if content[: len(OURS)].lower() != OURS:
        return content
    return content[content.find(b"\n") + 1 :]
