"""One try stands for all that waited for a destination that nobody can connect to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from posthouse.base.errors import Temporary
from posthouse.interfaces.courier import Answer, Parcel, Target, Unreachable
from posthouse.model.envelope import DeliverBy, Recipient, Sender
from posthouse.model.queued import Delay, QueuedMessage, QueuedRecipient
from posthouse.model.trace import TraceQuery
from posthouse.queue import dead_destinations
from posthouse.queue.dead_destinations import NOT_TRIED, PAUSE_S, TRIES, DeadDestinations
from posthouse.queue.runner import QueueRunner
from posthouse.queue.turns import Job
from support.house import House
from support.outbound import ScriptedCourier, enqueue, far, make, settle

DEAD, QUICK = "192.0.2.66:25", "192.0.2.7:25"
WAITING = 60


class World:
    """``courier`` connects to the dead host only when it is ``up``."""

    def __init__(self) -> None:
        self.house = House()
        self.up = False
        self.courier = ScriptedCourier(self._script)
        self.runner: QueueRunner = make(self.house, self.courier)

    def _script(self, target: Target, parcel: Parcel) -> Sequence[Answer]:
        if target.address == "192.0.2.66" and not self.up:
            raise Unreachable("connection refused", silent=True)
        return [Answer(250, "250 2.0.0 ok")] * len(parcel.recipients)

    async def enqueue_dead(self, count: int = WAITING, sender: Sender | None = None) -> list[str]:
        return [await enqueue(self.house, far(f"u{number}@dead.test"), hop=DEAD, sender=sender) for number in range(count)]

    async def settled(self) -> None:
        """Everything that can be done now, with what follows within some seconds."""
        for _ in range(6):
            await settle(self.runner)
            while (task := self.runner._putting_off) is not None:
                await task
            self.house.clock.advance(PAUSE_S)

    def tries(self) -> int:
        return sum(target.address == "192.0.2.66" for target, _ in self.courier.sent)

    async def recipients(self) -> list[QueuedRecipient]:
        return [recipient for message in await self.house.spool.listing() for recipient in message.recipients]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_few_tries_put_off_all_that_wait_for_a_dead_host_and_others_mail_goes_on(world: World) -> None:
    await world.enqueue_dead()
    began_at = world.house.clock.now()
    await enqueue(world.house, far(), hop=QUICK)
    await world.settled()
    assert world.tries() <= 2 * TRIES
    assert len(world.courier.sent) == world.tries() + 1
    waiting = await world.recipients()
    assert {recipient.attempts for recipient in waiting} == {1} and len(waiting) == WAITING
    assert all(300 <= recipient.next_attempt_at - began_at < 310 for recipient in waiting)
    texts = {recipient.last_reply for recipient in waiting}
    assert texts == {"450 4.4.1 No host could be reached: 192.0.2.66: connection refused" + end for end in ("", NOT_TRIED)}


async def test_they_are_put_off_for_longer_each_time_and_leave_when_the_host_is_back(world: World) -> None:
    await world.enqueue_dead()
    for wait_s in (0, 300, 600, 1200):
        world.house.clock.advance(wait_s)
        await world.settled()
    assert world.tries() <= 4 * 2 * TRIES
    assert {recipient.attempts for recipient in await world.recipients()} == {4}
    world.up = True
    world.house.clock.advance(2400)
    for _ in range(10):
        await world.settled()
    assert await world.house.spool.count() == {}
    assert len({parcel.recipients[0].address.local for _, parcel in world.courier.sent}) == WAITING


async def test_what_came_due_after_the_last_try_is_tried_itself(world: World) -> None:
    """New mail, and what an administrator wants to be tried again, whatever came before."""
    queue_ids = await world.enqueue_dead()
    await world.settled()
    world.up = True
    tries = world.tries()
    for queue_id in queue_ids[:2]:
        await world.house.spool.set_state(queue_id, "waiting", next_attempt_at=world.house.clock.now())
    await world.enqueue_dead(1)
    world.runner.wake(retry=True)
    await settle(world.runner)
    assert world.tries() == tries + 3
    assert await world.house.spool.count() == {"waiting": WAITING - 2}


async def test_between_tries_lies_a_pause_unless_somebody_wants_one_now(world: World) -> None:
    await world.enqueue_dead()
    await settle(world.runner)
    tries = world.tries()
    [queue_id] = await world.enqueue_dead(1)
    world.house.clock.advance(PAUSE_S / 4)
    await world.house.spool.set_state(queue_id, "waiting", next_attempt_at=world.house.clock.now())
    await settle(world.runner)
    assert world.tries() == tries
    world.runner.wake(retry=True)
    await settle(world.runner)
    assert world.tries() == tries + 1


async def test_senders_are_warned_and_get_their_mail_back_without_a_try_of_each(world: World) -> None:
    jane = await world.house.add_user("jane@example.test")
    await world.enqueue_dead(20)
    world.house.clock.advance(14_401)
    await world.settled()
    notices = await world.house.inbox(jane)
    assert len(notices) == 20 and all(b"Action: delayed" in notice for notice in notices)
    world.house.clock.advance(432_000)
    await world.settled()
    notices = await world.house.inbox(jane)
    assert len(notices) == 40 and sum(b"Action: failed" in notice for notice in notices) == 20
    assert world.tries() <= 4 * TRIES
    assert await world.house.spool.count() == {}


async def test_mail_with_a_time_for_its_delivery_goes_back_when_that_is_over(world: World) -> None:
    jane = await world.house.add_user("jane@example.test")
    sender = Sender(jane.address, by=DeliverBy(60, True, False))
    await world.enqueue_dead(20, sender)
    await world.settled()
    world.house.clock.advance(61)
    await world.settled()
    assert await world.house.spool.count() == {}
    assert len(await world.house.inbox(jane)) == 20


async def test_the_trace_says_once_that_a_message_was_not_tried(world: World) -> None:
    await world.enqueue_dead(20)
    for wait_s in (0, 300, 600):
        world.house.clock.advance(wait_s)
        await world.settled()
    records = await world.house.traces.search(TraceQuery(sender="jane@example.test"))
    told = [step.detail for record in records for step in record.steps if step.detail.endswith(NOT_TRIED)]
    assert 20 - 2 * TRIES <= len(told) <= 20


async def test_a_host_that_answers_is_not_dead_whatever_it_says(world: World) -> None:
    world.courier.script = lambda target, parcel: [Answer(451, "451 4.3.0 not now")] * len(parcel.recipients)
    await world.enqueue_dead(20)
    await world.settled()
    assert world.tries() == 20


async def test_a_host_that_ends_sessions_or_lacks_tls_is_not_dead(world: World) -> None:
    """Another message may fare better: it may want less TLS, or be smaller."""

    def script(target: Target, parcel: Parcel) -> Sequence[Answer]:
        raise Unreachable("TLS is required and not offered", lacking="5.7.10")

    world.courier.script = script
    await world.enqueue_dead(20)
    await world.settled()
    assert world.tries() == 20


async def test_a_destination_with_one_living_host_is_not_dead(world: World) -> None:
    world.house.resolver.records = {
        ("dead.test", "MX"): ("10 a.dead.test", "20 b.dead.test"),
        ("a.dead.test", "A"): ("192.0.2.66",),
        ("b.dead.test", "A"): ("192.0.2.7",),
    }
    for number in range(20):
        await enqueue(world.house, far(f"u{number}@dead.test"), hop="")
    await world.settled()
    assert await world.house.spool.count() == {}


async def test_what_is_held_or_deleted_meanwhile_stays_so(world: World) -> None:
    queue_ids = await world.enqueue_dead()
    held, gone, write = queue_ids[-1], queue_ids[-2], world.house.spool.put_off

    async def meanwhile(delays: Sequence[Delay]) -> int:
        await world.house.spool.set_state(held, "held")
        await world.house.spool.delete(gone)
        return await write(delays)

    world.house.spool.put_off = meanwhile  # type: ignore[method-assign]
    await world.settled()
    message = await world.house.spool.get(held)
    assert message is not None
    assert (message.recipients[0].state, message.recipients[0].attempts) == ("held", 0)
    assert await world.house.spool.count() == {"held": 1, "waiting": len(queue_ids) - 2}


async def test_mail_that_cannot_be_put_off_now_is_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write, refusals = world.house.spool.put_off, 2

    async def unwilling(delays: Sequence[Delay]) -> int:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise Temporary("The disk is full")
        return await write(delays)

    monkeypatch.setattr(world.house.spool, "put_off", unwilling)
    await world.enqueue_dead()
    for _ in range(4):
        await world.settled()
    assert refusals < 0
    assert {recipient.attempts for recipient in await world.recipients()} == {1}


async def test_a_message_whose_content_is_gone_does_not_hold_up_the_others(world: World) -> None:
    jane = await world.house.add_user("jane@example.test")
    queue_ids = await world.enqueue_dead(20)
    message, content = await world.house.spool.get(queue_ids[15]), world.house.spool.content
    assert message is not None
    gone = message.body_id
    world.house.clock.advance(14_401)

    async def lost(body_id: int) -> bytes:
        if body_id == gone:
            raise Temporary("The disk is broken")
        return await content(body_id)

    world.house.spool.content = lost  # type: ignore[method-assign]
    await world.settled()
    assert len(await world.house.inbox(jane)) == 19
    assert min(recipient.next_attempt_at for recipient in await world.recipients()) > world.house.clock.now()


def job(key: str, *due_at: float) -> Job:
    recipients = tuple(
        QueuedRecipient(1, "Q", Recipient(far().address), "", key, "waiting", 0, at, "", "", False) for at in due_at
    )
    return Job(QueuedMessage("Q", "T", Sender(None), 1, 1, 0.0, 1.0, recipients), "dead.test", key)


def test_a_destination_is_dead_after_some_tries_until_it_answers() -> None:
    dead, answer = DeadDestinations(), Answer(450, "450 4.4.1 nobody", silent=True)
    assert [dead.failed("a", float(at), answer) for at in range(1, 5)] == [False, False, True, True]
    for due_at, known in (((4.0,), True), ((4.1,), False), ((1.0, 4.1), False), ((1.0, 4.0), True)):
        assert (dead.answer_for(job("a", *due_at)) is not None) == known, due_at
    assert dead.answer_for(job("b", 1.0)) is None
    dead.failed("a", 2.0, answer)
    assert dead.answer_for(job("a", 4.0)) is not None, "tries may end in another order than they began"
    dead.answered("a")
    assert dead.answer_for(job("a", 1.0)) is None
    assert not dead.failed("a", 5.0, answer)


def test_attack_names_without_end_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_destinations, "MAX_KNOWN", 100)
    dead = DeadDestinations()
    for number in range(300):
        dead.failed(f"d{number}.test", 1.0, Answer(450, "450 4.4.1 nobody"))
    assert len(list(dead.keys())) == 100
