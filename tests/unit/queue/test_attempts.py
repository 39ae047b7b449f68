"""Attempts that meet changed minds, broken spools, broken code and closed doors."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from posthouse.backends.memory.spool import MemorySpool
from posthouse.base.errors import NoSpace
from posthouse.interfaces.courier import Answer, Parcel, Target, Unreachable
from posthouse.model.plan import Acceptance
from posthouse.model.queued import Outcome
from posthouse.model.trace import TraceQuery
from support.house import House
from support.outbound import ScriptedCourier, enqueue, far, make, says, settle, states


class FullSpool(MemorySpool):
    """No space for a while: the first `failures` records fail."""

    failures = 0

    async def record(self, queue_id: str, outcomes: Sequence[Outcome], *follow: Acceptance) -> None:
        if self.failures:
            self.failures -= 1
            raise NoSpace
        await super().record(queue_id, outcomes, *follow)


async def test_a_delivery_that_cannot_be_recorded_is_not_made_again() -> None:
    house = House()
    house.spool.__class__ = FullSpool
    assert isinstance(house.spool, FullSpool)
    house.spool.failures = 7
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    queue_id = await enqueue(house, far())
    courier = ScriptedCourier(says(250, "2.0.0 ok"))
    runner = make(house, courier)
    runner._tools = replace(runner._tools, sleep=sleep)
    await settle(runner)
    assert waits == [1, 2, 4, 8, 16, 32, 60]
    assert len(courier.sent) == 1
    assert await states(house, queue_id) == []


@pytest.mark.parametrize("what", ["hold", "delete"])
async def test_what_was_held_or_deleted_while_it_stood_in_line_is_not_sent(what: str) -> None:
    house = House()
    house.set("queue.concurrency_per_destination", 1)
    first, second = await enqueue(house, far("a@faraway.test")), await enqueue(house, far("b@faraway.test"))
    courier = ScriptedCourier(says(250), gate=asyncio.Event())
    runner = make(house, courier)
    await runner._schedule()
    if what == "hold":
        await house.spool.set_state(second, "held")
    else:
        await house.spool.delete(second)
    assert courier.gate is not None
    courier.gate.set()
    await settle(runner)
    assert [str(parcel.recipients[0]) for _, parcel in courier.sent] == ["a@faraway.test"]
    assert await states(house, first) == []
    assert await states(house, second) == (["held"] if what == "hold" else [])


async def test_an_attempt_that_breaks_is_left_alone_for_a_while_and_holds_up_nobody() -> None:
    house = House()

    def script(target: Target, parcel: Parcel) -> Sequence[Answer]:
        if "bad" in str(parcel.recipients[0]):
            raise ZeroDivisionError
        return [Answer(250, "250 ok")]

    bad, good = await enqueue(house, far("bad@faraway.test")), await enqueue(house, far("good@faraway.test"))
    courier = ScriptedCourier(script)
    runner = make(house, courier)
    for _ in range(3):
        await runner._schedule()
        while runner._tasks:
            await asyncio.gather(*list(runner._tasks), return_exceptions=True)
    assert [str(parcel.recipients[0]) for _, parcel in courier.sent] == ["bad@faraway.test", "good@faraway.test"]
    assert (await states(house, bad), await states(house, good)) == (["waiting"], [])


async def test_a_message_whose_content_is_gone_is_left_alone_for_a_while() -> None:
    house = House()
    queue_id = await enqueue(house, far())
    house.spool._bodies.clear()
    courier = ScriptedCourier(says(250))
    runner = make(house, courier)
    for _ in range(3):
        await runner._schedule()
        while runner._tasks:
            await asyncio.gather(*list(runner._tasks), return_exceptions=True)
    assert courier.sent == []
    assert len(runner._under_way) == 1
    assert await states(house, queue_id) == ["waiting"]


def refuses(*, never: bool) -> ScriptedCourier:
    def script(target: Target, parcel: Parcel) -> Sequence[Answer]:
        raise Unreachable("greeted with 521 5.3.2 no mail" if never else "connection refused", never=never)

    return ScriptedCourier(script)


@pytest.mark.parametrize(("never", "state"), [(False, ["waiting"]), (True, [])])
async def test_only_hosts_that_all_say_never_are_given_up_at_once(*, never: bool, state: list[str]) -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    queue_id = await enqueue(house, far())
    await settle(make(house, refuses(never=never)))
    assert await states(house, queue_id) == state
    assert len(await house.inbox(jane)) == (1 if never else 0)


async def test_many_recipients_go_in_transactions_of_a_hundred() -> None:
    house = House()
    await enqueue(house, *(far(f"u{number}@faraway.test") for number in range(250)))
    courier = ScriptedCourier(says(250))
    await settle(make(house, courier))
    assert sorted(len(parcel.recipients) for _, parcel in courier.sent) == [50, 100, 100]


def says_this(answer: Answer) -> Callable[[Target, Parcel], Sequence[Answer]]:
    return lambda target, parcel: [answer]


async def test_a_mailbox_host_without_notices_has_delivered_others_have_relayed() -> None:
    for final, action in ((True, "delivered"), (False, "relayed")):
        house = House()
        jane = await house.add_user("jane@example.test")
        await enqueue(house, far("x@faraway.test", "SUCCESS"))
        answer = Answer(250, "250 ok", final=final)
        await settle(make(house, ScriptedCourier(says_this(answer))))
        [notice] = await house.inbox(jane)
        assert f"Action: {action}\r\n".encode() in notice


async def test_a_notice_has_a_trace_of_its_own_and_both_name_each_other() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    queue_id = await enqueue(house, far())
    await settle(make(house, ScriptedCourier(says(550, "5.1.1 no such user"))))
    [record] = await house.traces.search(TraceQuery(trace_id=queue_id))
    assert record.steps[-1].verdict == "notified"
    notice_id = record.steps[-1].detail.rpartition(" ")[2]
    [notice] = await house.traces.search(TraceQuery(trace_id=notice_id))
    assert (notice.sender, notice.recipients, notice.outcome) == ("", ("jane@example.test",), "accepted")
    assert queue_id in notice.steps[0].detail
    assert email.message_from_bytes((await house.inbox(jane))[0])["Message-ID"] == notice.message_id


async def test_the_runner_wakes_for_a_retry_that_is_due_before_its_next_look() -> None:
    house = House()
    house.set("queue.first_retry_s", 5.0)
    await enqueue(house, far())
    runner = make(house, ScriptedCourier(says(451, "4.3.0 later")))
    runner._next_look = house.clock.now() + 30
    await settle(runner)
    assert runner._woken.is_set()


async def test_a_queue_larger_than_the_window_is_worked_off_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("window.USUAL", 30), ("window.MOST", 60), ("runner.PAGE", 10), ("runner.PAGES", 2)):
        monkeypatch.setattr(f"posthouse.queue.{name}", value)
    monkeypatch.setattr("posthouse.queue.lines.PER_DESTINATION", 8)
    house = House()
    for number in range(100):
        await enqueue(house, far(f"u{number}@d{number % 3}.test"), hop=f"192.0.2.{number % 3}:25")
    courier = ScriptedCourier(says(250))
    runner = make(house, courier)
    rounds = 0
    runner.wake()
    while runner._woken.is_set():
        runner._woken.clear()
        await settle(runner)
        rounds += 1
        assert rounds < 100
    assert await house.spool.count() == {}
    assert sorted(str(parcel.recipients[0]) for _, parcel in courier.sent) == sorted(f"u{n}@d{n % 3}.test" for n in range(100))
