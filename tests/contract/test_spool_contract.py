"""What interfaces/spool.py promises, held against the spool in memory and the one on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from posthouse.base.errors import BadValue, NotFound
from posthouse.interfaces.spool import Spool
from posthouse.model.envelope import Sender
from posthouse.model.queued import Delay, Outcome, QueuedMessage
from support.mail_backends import KINDS, LIFETIME_S, MailBackends, acceptance, letter, mail_backends, to_mailbox, to_queue


@pytest.fixture(params=KINDS)
async def backends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MailBackends]:
    async with mail_backends(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def spool(backends: MailBackends) -> Spool:
    return backends.spool


async def queued(backends: MailBackends, trace_id: str, *locals_: str, received_at: float = 100.0) -> QueuedMessage:
    destinations = [to_queue(local) for local in locals_ or ("ann",)]
    await backends.sink.commit(acceptance(letter(trace_id), *destinations, trace_id=trace_id, received_at=received_at))
    message = await backends.spool.get(trace_id)
    assert message
    return message


def ids(message: QueuedMessage) -> list[int]:
    return [recipient.recipient_id for recipient in message.recipients]


def names(messages: list[QueuedMessage]) -> list[tuple[str, list[str]]]:
    return [(message.queue_id, [r.recipient.address.local for r in message.recipients]) for message in messages]


async def test_a_queued_message_comes_back_with_its_envelope(backends: MailBackends) -> None:
    message = await queued(backends, "T1", "ann", "bob")
    wanted = acceptance(letter("T1"), to_queue("ann"))
    assert message.sender == wanted.sender
    assert (message.queue_id, message.trace_id, message.size_bytes) == ("T1", "T1", len(letter("T1")))
    assert (message.queued_at, message.expires_at) == (100.0, 100.0 + LIFETIME_S)
    first = message.recipients[0]
    destination = to_queue("ann")
    assert (first.recipient, first.original, first.next_hop) == (destination.recipient, destination.original, "")
    assert (first.queue_id, first.state, first.attempts, first.next_attempt_at) == ("T1", "waiting", 0, 100.0)
    assert (first.last_reply, first.relay, first.delayed_notice) == ("", "", False)
    assert await backends.spool.content(message.body_id) == letter("T1")


async def test_the_null_sender_comes_back(backends: MailBackends) -> None:
    await backends.sink.commit(replace(acceptance(letter(), to_queue()), sender=Sender(None, require_tls=True, auth="<>")))
    message = await backends.spool.get("T1")
    assert message and message.sender == Sender(None, require_tls=True, auth="<>")


async def test_due_gives_waiting_recipients_oldest_first_and_pages(backends: MailBackends) -> None:
    await queued(backends, "T3", "c", received_at=30.0)
    await queued(backends, "T1", "a1", "a2", "a3", received_at=10.0)
    await queued(backends, "T2", "b", received_at=20.0)
    await queued(backends, "T4", "d", received_at=90.0)
    everything = await backends.spool.due(50.0, 100)
    assert names(list(everything)) == [("T1", ["a1", "a2", "a3"]), ("T2", ["b"]), ("T3", ["c"])]
    seen: list[int] = []
    after = (0.0, 0)
    while page := await backends.spool.due(50.0, 2, after):
        keys = [(r.next_attempt_at, r.recipient_id) for message in page for r in message.recipients]
        assert 1 <= len(keys) <= 2
        seen += [recipient_id for _, recipient_id in keys]
        after = max(keys)
    assert seen == [recipient_id for message in everything for recipient_id in ids(message)]
    assert await backends.spool.next_due() == 10.0
    assert names(list(await backends.spool.latest(50.0, 3))) == [("T1", ["a3"]), ("T2", ["b"]), ("T3", ["c"])]
    assert names(list(await backends.spool.latest(5.0, 3))) == []


async def test_an_attempt_moves_recipients_on(backends: MailBackends) -> None:
    message = await queued(backends, "T1", "a", "b", "c")
    a, b, _ = ids(message)
    await backends.spool.record(
        "T1", [Outcome(a, "waiting", "451 later", "mx1", 500.0, delayed_notice=True), Outcome(b, "done", "250 ok", "mx2")]
    )
    after = await backends.spool.get("T1")
    assert after
    first, second, third = after.recipients
    assert (first.state, first.attempts, first.next_attempt_at) == ("waiting", 1, 500.0)
    assert (first.last_reply, first.relay, first.delayed_notice) == ("451 later", "mx1", True)
    assert (second.state, second.attempts, second.relay) == ("done", 1, "mx2")
    assert (third.state, third.attempts) == ("waiting", 0)
    assert await backends.spool.count() == {"waiting": 2, "done": 1}
    assert await backends.spool.waiting("T1") == {first.recipient_id, third.recipient_id}
    assert await backends.spool.waiting("none of that name") == frozenset()
    assert names(list(await backends.spool.due(200.0, 10))) == [("T1", ["c"])]
    assert names(list(await backends.spool.listing())) == [("T1", ["a", "c"])]
    await backends.spool.record("T1", [Outcome(a, "waiting", "451 again", "mx1", 900.0)])
    again = await backends.spool.get("T1")
    assert again and again.recipients[0].delayed_notice and again.recipients[0].attempts == 2


async def test_a_message_leaves_when_nobody_waits_any_more(backends: MailBackends) -> None:
    message = await queued(backends, "T1", "a", "b")
    a, b = ids(message)
    await backends.spool.record("T1", [Outcome(a, "done", "250", "mx")])
    assert await backends.spool.get("T1")
    await backends.spool.record("T1", [Outcome(b, "failed", "550", "mx")])
    assert await backends.spool.get("T1") is None
    assert await backends.spool.count() == {} and await backends.spool.next_due() is None
    assert list(await backends.spool.listing()) == []


async def test_a_bounce_is_accepted_with_the_attempt(backends: MailBackends) -> None:
    message = await queued(backends, "T1", "a")
    bounce = acceptance(letter("bounce"), to_mailbox(3), to_queue("jane"), trace_id="T1", received_at=700.0)
    await backends.spool.record("T1", [Outcome(ids(message)[0], "failed", "550 no", "mx")], bounce)
    (left,) = await backends.spool.listing()
    assert left.queue_id != "T1" and left.trace_id == "T1" and left.expires_at == 700.0 + LIFETIME_S
    assert await backends.spool.content(left.body_id) == letter("bounce")
    inbox = await backends.store.mailbox(3, "INBOX")
    assert inbox and inbox.exists == 1


async def test_an_attempt_on_a_message_that_was_deleted_changes_nothing(backends: MailBackends) -> None:
    message = await queued(backends, "T1")
    assert await backends.spool.delete("T1")
    bounce = acceptance(letter("bounce"), to_mailbox(3), trace_id="T2")
    await backends.spool.record("T1", [Outcome(ids(message)[0], "failed", "550", "mx")], bounce)
    inbox = await backends.store.mailbox(3, "INBOX")
    assert inbox and inbox.exists == 0
    assert not await backends.spool.delete("T1")


async def test_held_recipients_are_not_due_until_let_go(backends: MailBackends) -> None:
    message = await queued(backends, "T1", "a", "b")
    a, b = ids(message)
    await backends.spool.record("T1", [Outcome(b, "done", "250", "mx")])
    assert await backends.spool.set_state("T1", "held") == 1
    assert list(await backends.spool.due(1e9, 10)) == [] and await backends.spool.next_due() is None
    await backends.spool.record("T1", [Outcome(a, "waiting", "451", "mx", 300.0)])  # it was under way
    assert await backends.spool.count() == {"held": 1, "done": 1}
    backends.told.clear()
    assert await backends.spool.set_state("T1", "waiting", next_attempt_at=42.0) == 1
    assert any(told.queue for told in backends.told)
    assert await backends.spool.next_due() == 42.0
    assert await backends.spool.set_state("nope", "held") == 0
    with pytest.raises(BadValue):
        await backends.spool.set_state("T1", "done")


async def test_listing_is_in_order_and_pages_and_filters(backends: MailBackends) -> None:
    for trace_id in ("T3", "T1", "T2"):
        await queued(backends, trace_id)
    await backends.spool.set_state("T2", "held")
    assert [message.queue_id for message in await backends.spool.listing()] == ["T1", "T2", "T3"]
    assert [message.queue_id for message in await backends.spool.listing(limit=1, after="T1")] == ["T2"]
    assert [message.queue_id for message in await backends.spool.listing(state="held")] == ["T2"]
    assert [message.queue_id for message in await backends.spool.listing(state="waiting", limit=1)] == ["T1"]
    assert list(await backends.spool.listing(after="T3")) == []


async def test_what_is_not_there_is_none_or_not_found(spool: Spool) -> None:
    assert await spool.get("nope") is None
    assert not await spool.delete("nope")
    assert await spool.next_due() is None
    with pytest.raises(NotFound):
        await spool.content(424242)


async def test_the_same_trace_twice_gets_two_queue_ids(backends: MailBackends) -> None:
    await queued(backends, "T1", "a")
    await queued(backends, "T1", "b")
    listed = await backends.spool.listing()
    assert len({message.queue_id for message in listed}) == 2
    assert {message.trace_id for message in listed} == {"T1"}


async def sent_by(backends: MailBackends, trace_id: str, account: str, *locals_: str) -> None:
    made = acceptance(letter(trace_id), *[to_queue(local) for local in locals_ or ("ann",)], trace_id=trace_id)
    await backends.sink.commit(replace(made, sender=replace(made.sender, auth=account)))


async def test_what_an_account_has_sent_is_listed_held_and_let_go_and_nothing_else(backends: MailBackends) -> None:
    spool = backends.spool
    await sent_by(backends, "T1", "Jane@example.com", "ann", "bob")
    await sent_by(backends, "T2", "jane@example.com")
    await sent_by(backends, "T3", "omar@example.com")
    await sent_by(backends, "T4", "<>")
    await queued(backends, "T5")
    assert [each.queue_id for each in await spool.listing(account="JANE@example.com")] == ["T1", "T2"]
    assert [each.queue_id for each in await spool.listing(account="jane@example.com", after="T1", state="waiting")] == ["T2"]
    assert await spool.set_account_state("jane@Example.com", "held", limit=1) == (2, "T1")
    assert await spool.set_account_state("jane@example.com", "held", after="T1", limit=1) == (1, "T2")
    assert await spool.set_account_state("jane@example.com", "held", after="T2", limit=1) == (0, "")
    assert await spool.set_account_state("jane@example.com", "held") == (0, ""), "held already"
    assert await spool.count() == {"held": 3, "waiting": 3}
    assert {each.queue_id for each in await spool.due(1e9, 100)} == {"T3", "T4", "T5"}
    assert await spool.set_account_state("jane@example.com", "waiting") == (3, "")
    assert {each.queue_id for each in await spool.due(500.0, 100)} == {"T1", "T2", "T3", "T4", "T5"}, "due as before"
    for nobody in ("", "<>", "kim@example.com"):
        assert await spool.set_account_state(nobody, "held") == (0, "")
    with pytest.raises(BadValue):
        await spool.set_account_state("jane@example.com", "done")


async def test_retry_makes_due_what_waits_but_not_what_is_held_or_may_not_leave_yet(backends: MailBackends) -> None:
    for trace_id in ("T1", "T2", "T3"):
        message = await queued(backends, trace_id, "a", "b")
        a, _ = ids(message)
        await backends.spool.record(trace_id, [Outcome(each, "waiting", "451", "mx", 9e8) for each in ids(message)])
        if trace_id == "T2":
            await backends.spool.record(trace_id, [Outcome(a, "done", "250", "mx")])
    await queued(backends, "T4")
    await backends.spool.set_state("T4", "held")
    later = replace(acceptance(letter("T5"), to_queue("e"), trace_id="T5"), sender=Sender(None, hold_until=8e8))
    await backends.sink.commit(later)
    backends.told.clear()
    assert await backends.spool.retry(500.0, limit=2) == (2, 3, "T2")
    assert any(told.queue for told in backends.told)
    assert await backends.spool.retry(500.0, after="T2", limit=3) == (1, 2, "T5")
    assert await backends.spool.retry(500.0, after="T5", limit=3) == (0, 0, "")
    assert names(list(await backends.spool.due(500.0, 100))) == [("T1", ["a", "b"]), ("T2", ["b"]), ("T3", ["a", "b"])]
    assert await backends.spool.next_due(500.0) == 8e8
    held = await backends.spool.get("T4")
    assert held and held.recipients[0].state == "held"


async def test_many_are_put_off_as_one_unit_but_none_that_does_not_wait_since_then(backends: MailBackends) -> None:
    wanted, members = [], {}
    for trace_id in ("T1", "T2", "T3", "T4"):
        message = await queued(backends, trace_id, "a", "b")
        members[trace_id] = ids(message)
        await backends.spool.record(trace_id, [Outcome(each, "waiting", "450", "mx", 100.0) for each in ids(message)])
        wanted += [Delay(each, 100.0, 700.0, "450 4.4.1 nobody") for each in ids(message)]
    a, _ = members["T1"]
    await backends.spool.record("T1", [Outcome(a, "done", "250", "mx")])
    await backends.spool.set_state("T2", "held")
    await backends.spool.set_state("T3", "waiting", next_attempt_at=200.0)
    backends.told.clear()
    assert await backends.spool.put_off([*wanted, Delay(10**9, 100.0, 700.0, "")]) == 3
    assert not any(told.queue for told in backends.told), "nothing became due"
    seen = {}
    for trace_id in members:
        found = await backends.spool.get(trace_id)
        assert found
        seen[trace_id] = [(r.state, r.attempts, r.next_attempt_at, r.last_reply, r.relay) for r in found.recipients]
    put_off = ("waiting", 2, 700.0, "450 4.4.1 nobody", "")
    assert seen["T1"][1] == put_off and seen["T1"][0][:2] == ("done", 2)
    assert seen["T2"] == [("held", 1, 100.0, "450", "mx")] * 2
    assert seen["T3"] == [("waiting", 1, 200.0, "450", "mx")] * 2
    assert seen["T4"] == [put_off] * 2
    assert await backends.spool.put_off([]) == 0


async def test_what_an_account_keeps_for_later_is_counted_up_to_a_bound(backends: MailBackends) -> None:
    for number in range(4):
        later = acceptance(letter(), to_queue("ann"), to_queue("bob"), trace_id=f"L{number}", received_at=100.0)
        sender = replace(later.sender, auth="Jane@example.test", hold_until=500.0 + number)
        await backends.sink.commit(replace(later, sender=sender))
    at_once = acceptance(letter(), to_queue(), trace_id="N1", received_at=100.0)
    await backends.sink.commit(replace(at_once, sender=replace(at_once.sender, auth="jane@example.test")))
    others = acceptance(letter(), to_queue(), trace_id="O1", received_at=100.0)
    await backends.sink.commit(replace(others, sender=replace(others.sender, auth="omar@example.test", hold_until=900.0)))
    count = backends.spool.postponed
    assert [await count("JANE@example.test", 100.0, most) for most in (10, 4, 3)] == [4, 4, 3]
    assert await count("jane@example.test", 501.0, 10) == 2, "two are due"
    assert await count("omar@example.test", 100.0, 10) == 1
    assert await count("nobody@example.test", 100.0, 10) == await count("", 100.0, 10) == 0
    await backends.spool.delete("L3")
    assert await count("jane@example.test", 100.0, 10) == 3
