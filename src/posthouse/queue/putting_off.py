"""Writes down what is known without a try: mail for a dead destination is put off in bulk (OUT-6).

The few whose time is up, or whose senders are to be warned now, take the way of every attempt, for that makes a notice.
Failing: a message stays as it was, and is looked at again later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.base.metrics import DELIVERIES, REFUSALS
from posthouse.interfaces.courier import Answer
from posthouse.model.queued import Delay
from posthouse.queue.attempt import Tools, attempt, story
from posthouse.queue.causes import cause_of
from posthouse.queue.dead_destinations import NOT_TRIED
from posthouse.queue.lines import Job
from posthouse.queue.notices import Event
from posthouse.queue.outcomes import judge

CHUNK = 250
"""Recipients in one unit of work: other writers wait no longer for it than for a large message."""
UNREADABLE_S = 300.0

_log = log.get("queue")


@dataclass(frozen=True, slots=True)
class Hopeless:
    """A job, and what trying it would bring."""

    job: Job
    answer: Answer


async def put_off(tools: Tools, chunk: Sequence[Hopeless]) -> float | None:
    """Writes one chunk down; gives when the first of it is due again, None if nothing is. Raises Temporary when nothing
    could be written."""
    now = tools.clock.now()
    judged = [(each, _events(tools, each, now)) for each in chunk]
    quiet = [(each, events) for each, events in judged if not any(map(_is_to_be_told, events))]
    delays = [_delay(event) for _, events in quiet for event in events]
    if delays:
        count = await tools.spool.put_off(delays)
        DELIVERIES.labels("delayed").inc(count)
        REFUSALS.labels(cause_of(delays[0].reply), "delayed").inc(count)
    for each, events in quiet:
        if any(map(_is_news, events)):
            tools.traces.record(story(each.job.message, events, now))
    again = [delay.again_at for delay in delays]
    for each, events in judged:
        if any(map(_is_to_be_told, events)):
            again.append(await _tell(tools, each, events))
    return min(again, default=None)


def _events(tools: Tools, each: Hopeless, now: float) -> list[Event]:
    message, queue = each.job.message, tools.settings()
    outcomes = [judge(message, recipient, each.answer, relay="", now=now, queue=queue) for recipient in message.recipients]
    pairs = zip(message.recipients, outcomes, strict=True)
    return [Event(recipient, outcome, each.answer, message.sender.by) for recipient, outcome in pairs]


def _delay(event: Event) -> Delay:
    recipient, outcome = event.recipient, event.outcome
    return Delay(recipient.recipient_id, recipient.next_attempt_at, outcome.next_attempt_at, outcome.reply)


async def _tell(tools: Tools, each: Hopeless, events: Sequence[Event]) -> float:
    """An attempt at which nobody is asked. A message that cannot be read is left alone for a while."""
    try:
        result = await attempt(tools, each.job, each.answer)
        return inf if result.again_at is None else result.again_at
    except MailError as error:
        _log.warning("attempt not made", queue_id=each.job.message.queue_id, cause=error.cause or error.public)
    again_at = tools.clock.now() + UNREADABLE_S
    await tools.spool.put_off([replace(_delay(event), again_at=again_at) for event in events])
    return again_at


def _is_to_be_told(event: Event) -> bool:
    """Whether the sender hears of it now."""
    return event.outcome.state != "waiting" or (event.outcome.delayed_notice and not event.recipient.delayed_notice)


def _is_news(event: Event) -> bool:
    """Whether the message's trace does not say so yet."""
    said = event.recipient.last_reply.removesuffix(NOT_TRIED)
    return not event.recipient.attempts or said != event.outcome.reply.removesuffix(NOT_TRIED)
