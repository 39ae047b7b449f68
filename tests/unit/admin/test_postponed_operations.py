"""Operations on mail that waits for the time that its sender gave: whose it is, and who may touch it."""

from __future__ import annotations

import pytest

from posthouse.admin.context import Context
from posthouse.base.errors import BadValue, MailError, NotFound
from posthouse.formats.mime import summarise
from posthouse.model.account import Role
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, ToQueue
from posthouse.model.trace import TraceQuery
from support.operations import populated, run

CONTENT = b"Received: x\r\nSubject: later\r\n\r\nbody\r\n"
JANE, OMAR = "jane@example.test", "omar@example.org"


async def queued(context: Context, account: str, hold_s: float = 3600.0) -> str:
    trace_id, now = context.ids.new(), context.clock.now()
    sender = Sender(Address.parse(account), auth=account, hold_until=now + hold_s)
    whom = (ToQueue(Recipient(Address.parse("x@faraway.test"))),)
    await context.sink.commit(Acceptance(trace_id, now, sender, CONTENT, summarise(CONTENT), whom))
    return trace_id


def seen_by(context: Context, who: str, role: Role = "user") -> Context:
    return context.asked_by(who, role, "protocol")


async def listed(context: Context, words: str = "") -> list[str]:
    rows = await run(context, f"postponed list {words}".strip())
    assert isinstance(rows, list)
    return [row["queue_id"] for row in rows]


async def test_users_list_cancel_and_send_their_own_and_see_nothing_else() -> None:
    context = await populated()
    first, second = sorted([await queued(context, JANE), await queued(context, JANE)])
    others = await queued(context, OMAR)
    gone = await queued(context, JANE, hold_s=-1.0)
    jane = seen_by(context, JANE)
    assert await listed(jane) == [first, second]
    assert await listed(jane, "--limit 1") == [first]
    for words in (
        f"postponed cancel {others}",
        f"postponed send {others}",
        f"postponed cancel {gone}",
        "postponed cancel 01NO",
    ):
        with pytest.raises(NotFound):
            await run(jane, words)
    with pytest.raises(MailError):
        await run(jane, f"postponed list --account {OMAR}")
    await run(jane, f"postponed cancel {first.lower()}")
    assert await listed(jane) == [second]
    steps = [step.rule for record in await context.traces.search(TraceQuery(trace_id=first)) for step in record.steps]
    assert steps == ["cancelled"]
    await run(jane, f"postponed send {second}")
    [message] = [each for each in await context.spool.listing() if each.queue_id == second]
    assert message.recipients[0].next_attempt_at == context.clock.now()


async def test_attack_what_an_administrator_holds_its_sender_cannot_send() -> None:
    context = await populated()
    held = await queued(context, JANE)
    await run(context, f"queue hold {held}")
    with pytest.raises(MailError, match="holds"):
        await run(seen_by(context, JANE), f"postponed send {held}")
    assert await run(context, "queue count") == {"held": 1}


async def test_administrators_see_all_and_those_of_a_domain_their_own() -> None:
    context = await populated()
    janes, omars = await queued(context, JANE), await queued(context, OMAR)
    with pytest.raises(BadValue):
        await listed(context)
    assert await listed(context, f"--account {OMAR}") == [omars]
    chief = seen_by(context, "chief@example.test", "domain-administrator")
    assert await listed(chief, f"--account {JANE}") == [janes]
    with pytest.raises(MailError):
        await listed(chief, f"--account {OMAR}")
    with pytest.raises(NotFound):
        await run(chief, f"postponed cancel {omars}")
    helper = seen_by(context, "help@example.test", "help-desk")
    assert await listed(helper, f"--account {JANE}") == [janes]
    with pytest.raises(NotFound):
        await run(helper, f"postponed cancel {janes}")
    await run(chief, f"postponed cancel {janes}")
    await run(context, f"postponed cancel {omars}")
    assert await context.spool.listing() == []


async def test_a_message_that_is_deleted_is_told_of_in_its_trace() -> None:
    context = await populated()
    queue_id = await queued(context, JANE)
    await run(context, f"queue delete {queue_id}")
    [record] = await context.traces.search(TraceQuery(trace_id=queue_id))
    assert [(step.rule, step.recipient) for step in record.steps] == [("deleted", "x@faraway.test")]
    assert record.outcome == "discarded"
