"""Operations on the outbound queue: what they change, and that the queue's runner is woken."""

from __future__ import annotations

import asyncio

import pytest

from posthouse.admin.context import Context
from posthouse.base.errors import MailError, NotFound
from posthouse.formats.mime import summarise
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, ToQueue
from posthouse.model.queued import Outcome
from posthouse.model.trace import TraceQuery
from support.operations import populated, run

CONTENT = b"Received: x\r\nSubject: out\r\n\r\nbody\r\n"


async def queued(context: Context, *recipients: str) -> str:
    trace_id = context.ids.new()
    destinations = tuple(ToQueue(Recipient(Address.parse(text))) for text in recipients)
    sender = Sender(Address.parse("jane@example.test"))
    await context.sink.commit(Acceptance(trace_id, context.clock.now(), sender, CONTENT, summarise(CONTENT), destinations))
    return trace_id


async def told(calls: list[object]) -> int:
    """How often the runner was woken since last asked."""
    await asyncio.sleep(0)
    count = len(calls)
    calls.clear()
    return count


async def test_hold_release_and_retry_change_the_state_and_the_last_two_wake_the_runner() -> None:
    context = await populated()
    queue_id = await queued(context, "x@faraway.test", "y@faraway.test")
    calls: list[object] = []
    context.bus.subscribe("queue", calls.append)
    assert await run(context, f"queue hold {queue_id.lower()}") == {"messages": 1, "recipients": 2}
    assert await run(context, "queue count") == {"held": 2}
    assert await told(calls) == 0
    assert await run(context, f"queue release {queue_id}") == {"messages": 1, "recipients": 2}
    assert await told(calls) == 1
    [message] = await context.spool.listing()
    later = [Outcome(each.recipient_id, "waiting", "450 x", "", 9e9) for each in message.recipients]
    await context.spool.record(queue_id, later)
    assert await run(context, "queue retry") == {"messages": 1, "recipients": 2}
    assert await told(calls) == 1
    assert await context.spool.next_due() == context.clock.now()


async def test_redirect_sends_what_is_left_to_another_address_under_the_same_trace() -> None:
    context = await populated()
    queue_id = await queued(context, "x@faraway.test", "y@faraway.test", "z@faraway.test")
    first, *_ = (await context.spool.get(queue_id)).recipients  # type: ignore[union-attr]
    await context.spool.record(queue_id, [Outcome(first.recipient_id, "done", "250 ok", "mx")])
    assert await run(context, f"queue redirect {queue_id} other@nearby.test") == {"messages": 1, "recipients": 2}
    [message] = await context.spool.listing()
    assert message.trace_id == queue_id
    assert [str(each.recipient) for each in message.recipients] == ["other@nearby.test"]
    assert await context.spool.content(message.body_id) == CONTENT
    [record] = await context.traces.search(TraceQuery(trace_id=queue_id))
    assert [step.recipient for step in record.steps] == ["y@faraway.test", "z@faraway.test"]


async def test_redirect_to_a_local_address_delivers_at_once() -> None:
    context = await populated()
    queue_id = await queued(context, "x@faraway.test")
    await run(context, f"queue redirect {queue_id} omar@example.test")
    assert await context.spool.count() == {}
    account = await context.directory.account(Address.parse("omar@example.test"))
    assert account is not None
    box = await context.store.mailbox(account.account_id, "INBOX")
    assert box is not None
    assert box.exists == 1


async def test_redirect_to_nowhere_changes_nothing() -> None:
    context = await populated()
    queue_id = await queued(context, "x@faraway.test")
    with pytest.raises(NotFound, match="leads nowhere"):
        await run(context, f"queue redirect {queue_id} nobody@example.test")
    assert await context.spool.count() == {"waiting": 1}


@pytest.mark.parametrize("operation", ["hold X", "release X", "retry X", "delete X", "show X", "redirect X a@example.test"])
async def test_a_message_that_is_not_there_is_said_so(operation: str) -> None:
    with pytest.raises(MailError, match="no message X in the queue"):
        await run(await populated(), f"queue {operation}")
