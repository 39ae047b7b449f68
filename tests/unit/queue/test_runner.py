"""The queue's runner over the in-memory spool and a scripted courier: retries, failures, notices, concurrency."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Sequence

import pytest

from posthouse.formats.mime import summarise
from posthouse.interfaces.courier import Answer, Parcel, Target, Unreachable
from posthouse.model.address import Address
from posthouse.model.envelope import Sender
from posthouse.model.plan import Acceptance, ToQueue
from posthouse.model.queued import Outcome, QueuedMessage
from posthouse.queue.runner import BARREN_PAGES, FURTHER_S, SOON_S
from support.house import House
from support.outbound import CONTENT, ScriptedCourier, enqueue, far, make, says, settle, states


@pytest.mark.spec_part("OUT-6")
async def test_a_delivered_message_leaves_the_queue_without_our_return_path() -> None:
    house = House()
    queue_id = await enqueue(house, far())
    courier = ScriptedCourier(says(250, "2.0.0 ok"))
    await settle(make(house, courier))
    assert await states(house, queue_id) == []
    assert courier.sent[0][1].content == CONTENT.split(b"\r\n", 1)[1]


async def test_retries_come_at_growing_intervals_until_the_time_is_up() -> None:
    house = House()
    await house.add_user("jane@example.test")
    queue_id = await enqueue(house, far())
    runner = make(house, ScriptedCourier(says(451, "4.3.0 not now")))
    waits = []
    for _ in range(8):
        await settle(runner)
        message = await house.spool.get(queue_id)
        assert message is not None
        waits.append(message.recipients[0].next_attempt_at - house.clock.now())
        house.clock.advance(waits[-1])
    assert waits == [300, 600, 1200, 2400, 4800, 9600, 14400, 14400]
    house.clock.advance(432_000)
    await settle(runner)
    assert await house.spool.get(queue_id) is None


async def test_the_sender_of_a_failed_message_gets_a_dsn() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    await enqueue(house, far())
    await settle(make(house, ScriptedCourier(says(550, "5.1.1 no such user"))))
    [notice] = await house.inbox(jane)
    report = email.message_from_bytes(notice)
    assert report.get_content_type() == "multipart/report"
    fields = report.get_payload(1).get_payload()[1]  # type: ignore[union-attr, index]
    assert fields["Final-Recipient"] == "rfc822; x@faraway.test"  # type: ignore[index]
    assert (fields["Action"], fields["Status"]) == ("failed", "5.1.1")  # type: ignore[index]
    assert notice.startswith(b"Return-Path: <>")


@pytest.mark.parametrize(("notify", "notices"), [((), 1), (("FAILURE",), 1), (("NEVER",), 0), (("SUCCESS",), 0)])
async def test_notify_decides_about_failure_notices(notify: tuple[str, ...], notices: int) -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    await enqueue(house, far("x@faraway.test", *notify))
    await settle(make(house, ScriptedCourier(says(550, "5.1.1 no"))))
    assert len(await house.inbox(jane)) == notices


async def test_success_is_told_by_us_only_if_the_next_host_does_not() -> None:
    for notifies, notices in ((True, 0), (False, 1)):
        house = House()
        jane = await house.add_user("jane@example.test")
        await enqueue(house, far("x@faraway.test", "SUCCESS"))
        await settle(make(house, ScriptedCourier(says(250, "2.0.0 ok", notifies=notifies))))
        assert len(await house.inbox(jane)) == notices


async def test_a_bounce_is_never_bounced() -> None:
    house = House()
    await enqueue(house, far(), sender=Sender(None))
    await settle(make(house, ScriptedCourier(says(550, "5.1.1 no"))))
    assert len(house.sink.accepted) == 1
    assert await house.spool.count() == {}


@pytest.mark.parametrize("alias", [False, True], ids=["itself", "by an alias"])
async def test_attack_bounces_of_bounces_do_not_loop_when_nobody_takes_them_either(*, alias: bool) -> None:
    house = House()
    house.set("queue.double_bounce", "Chief@example.test" if alias else "chief@far.test")
    if alias:
        await house.add_user("jane@example.test")
        await house.directory.put_alias(Address.parse("chief@example.test"), [Address.parse("x@far.test")])
    await enqueue(house, far(), sender=Sender(None))
    runner = make(house, ScriptedCourier(says(550, "5.1.1 no")))
    for _ in range(5):
        await settle(runner)
    assert len(house.sink.accepted) == 2, "the message, and one notice"
    assert await house.spool.count() == {}


async def test_bounces_of_bounces_go_to_whom_is_set() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    house.set("queue.double_bounce", "jane@example.test")
    await enqueue(house, far(), sender=Sender(None))
    await settle(make(house, ScriptedCourier(says(550, "5.1.1 no"))))
    [notice] = await house.inbox(jane)
    assert b"Action: failed" in notice and notice.startswith(b"Return-Path: <>\r\n")


async def test_a_long_delay_is_told_once() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    await enqueue(house, far())
    runner = make(house, ScriptedCourier(says(451, "4.2.1 busy")))
    await settle(runner)
    assert len(await house.inbox(jane)) == 0
    for _ in range(3):
        house.clock.advance(14_401)
        await settle(runner)
    [notice] = await house.inbox(jane)
    assert b"Action: delayed" in notice


async def test_an_unreachable_host_is_followed_by_the_next_one() -> None:
    house = House()
    house.resolver.records = {
        ("faraway.test", "MX"): ("10 a.faraway.test", "20 b.faraway.test"),
        ("a.faraway.test", "A"): ("192.0.2.1",),
        ("b.faraway.test", "A"): ("192.0.2.2",),
    }

    def script(target: Target, parcel: Parcel) -> Sequence[Answer]:
        if target.address == "192.0.2.1":
            raise Unreachable("refused")
        return [Answer(250, "250 2.0.0 ok")]

    trace_id = house.ids.new()
    await house.sink.commit(
        Acceptance(trace_id, house.clock.now(), Sender(None), CONTENT, summarise(CONTENT), (ToQueue(far()),))
    )
    courier = ScriptedCourier(script)
    await settle(make(house, courier))
    assert [target.address for target, _ in courier.sent] == ["192.0.2.1", "192.0.2.2"]
    assert await states(house, trace_id) == []


async def test_recipients_of_one_message_fare_each_their_own_way() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    queue_id = await enqueue(house, far("a@faraway.test"), far("b@faraway.test"), far("c@faraway.test"))
    answers = {"a": Answer(250, "250 2.0.0 ok"), "b": Answer(550, "550 5.1.1 no"), "c": Answer(450, "450 4.2.1 later")}
    courier = ScriptedCourier(lambda target, parcel: [answers[r.address.local] for r in parcel.recipients])
    await settle(make(house, courier))
    assert len(courier.sent) == 1
    assert sorted(await states(house, queue_id)) == ["done", "failed", "waiting"]
    assert len(await house.inbox(jane)) == 1


async def test_connections_to_one_destination_are_limited_and_others_are_not_held_up() -> None:
    house = House()
    house.set("queue.concurrency_per_destination", 3)
    for number in range(12):
        await enqueue(house, far(f"u{number}@faraway.test"))
    gate = asyncio.Event()
    courier = ScriptedCourier(says(250), gate=gate)
    runner = make(house, courier)
    await runner._schedule()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert courier.most <= 3
    gate.set()
    await settle(runner)
    assert courier.most == 3
    assert len(courier.sent) == 12


async def test_a_message_under_way_is_not_taken_twice() -> None:
    house = House()
    await enqueue(house, far())
    courier = ScriptedCourier(says(250), gate=asyncio.Event())
    runner = make(house, courier)
    await runner._schedule()
    await runner._schedule()
    assert courier.gate is not None
    courier.gate.set()
    await settle(runner)
    assert len(courier.sent) == 1


async def test_mail_that_is_wanted_again_while_its_attempt_ends_is_not_left_until_the_next_poll() -> None:
    """The attempt is written down, an administrator says retry, the queue looks, and only then the attempt ends."""
    house = House()
    queue_id = await enqueue(house, far())
    runner = make(house, ScriptedCourier(says(450, "4.2.1 busy")))
    record = house.spool.record

    async def retried_at_once(queue_id: str, outcomes: Sequence[Outcome], *follow: Acceptance) -> None:
        await record(queue_id, outcomes, *follow)
        await house.spool.set_state(queue_id, "waiting", next_attempt_at=house.clock.now())
        looks.append(await runner._schedule())

    looks: list[float] = []
    house.spool.record = retried_at_once  # type: ignore[method-assign]
    await settle(runner)
    assert looks == [SOON_S]
    assert await states(house, queue_id) == ["waiting"]


async def test_behind_a_dead_destination_new_mail_leaves_at_once_and_old_mail_of_others_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However much waits for it, a look reads a few pages that bring nothing, and the next of these only after a while."""
    for name, value in (("runner.PAGE", 10), ("runner.LATEST", 4), ("lines.PER_DESTINATION", 5)):
        monkeypatch.setattr(f"posthouse.queue.{name}", value)
    house = House()
    for number in range(301):
        hop = "192.0.2.7:25" if number == 150 else "192.0.2.66:25"
        await enqueue(house, far(), hop=hop)
        house.clock.advance(0.001)
    courier = ScriptedCourier(says(250))
    dead = asyncio.Event()
    answer, pages, due = courier.deliver, 0, house.spool.due

    async def deliver(target: Target, parcel: Parcel) -> Sequence[Answer]:
        if target.address == "192.0.2.66":
            await dead.wait()
        return await answer(target, parcel)

    async def counted(
        now: float, limit: int, after: tuple[float, int] = (0.0, 0), *, urgent: bool = False
    ) -> Sequence[QueuedMessage]:
        nonlocal pages
        pages += not urgent
        return await due(now, limit, after, urgent=urgent)

    async def latest(now: float, limit: int) -> Sequence[QueuedMessage]:
        nonlocal pages
        before = pages
        found = await newest(now, limit)
        pages = before  # the spool in memory asks itself
        return found

    newest = house.spool.latest
    courier.deliver, house.spool.due, house.spool.latest = deliver, counted, latest  # type: ignore[method-assign]
    runner = make(house, courier)
    assert await runner._schedule() <= FURTHER_S
    assert pages <= BARREN_PAGES + 1
    for new in range(3):
        pages = 0
        await enqueue(house, far(), hop=f"192.0.2.{new}:25")
        await runner._schedule()
        await asyncio.sleep(0)
        assert pages == 0
    assert [target.address for target, _ in courier.sent] == ["192.0.2.0", "192.0.2.1", "192.0.2.2"]
    for _ in range(301 // 10 // BARREN_PAGES + 1):
        pages = 0
        house.clock.advance(FURTHER_S)
        await runner._schedule()
        assert pages <= BARREN_PAGES + 1
    await asyncio.sleep(0)
    assert courier.sent[-1][0].address == "192.0.2.7"
    dead.set()
    for _ in range(100):
        house.clock.advance(FURTHER_S)
        await settle(runner)
    assert len(courier.sent) == 304
    assert await house.spool.count() == {}
