"""A host that says "slow down" is left in peace for a while; one that refuses a mailbox, or greylists, is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from posthouse.interfaces.courier import Answer, Parcel, Target, Unreachable
from posthouse.model.envelope import Sender
from posthouse.model.queued import QueuedMessage
from posthouse.model.settings import QueueSettings
from posthouse.queue import pushback
from posthouse.queue.dead_destinations import TRIES
from posthouse.queue.handing_over import AWAY_S
from posthouse.queue.lines import FIRST_WIDTH, Job, Lines
from posthouse.queue.pushback import Patience, is_pushback
from support.house import House
from support.outbound import ScriptedCourier, enqueue, far, make, says, settle


@pytest.mark.parametrize(
    ("replies", "slow"),
    [
        (["421 4.3.2 closing"], True),
        (["450 4.7.1 too many connections from your address"], True),
        (["451 4.7.500 Server busy"], True),
        (["452 4.5.3 too many recipients"], True),
        (["450 rate limit exceeded"], True),
        (["451 4.7.1 Greylisted, please try again later"], False),
        (["450 4.2.1 mailbox busy"], False),
        (["452 4.2.2 over quota"], False),
        (["451 4.3.0 local error"], False),
        (["550 5.7.1 blocked"], False),
        (["421 4.7.0 slow down", "250 ok"], False),
        (["421 4.7.0 slow down", "421 4.7.0 slow down"], True),
        ([], False),
    ],
)
def test_what_counts_as_slow_down(replies: list[str], *, slow: bool) -> None:
    assert is_pushback([Answer(int(reply[:3]), reply) for reply in replies]) is slow


def test_each_rest_is_longer_up_to_a_bound_until_mail_is_taken() -> None:
    patience = Patience()
    rests = [patience.rest_s("a") for _ in range(12)]
    assert rests[:4] == [2, 4, 8, 16]
    assert rests[-1] == pushback.LONGEST_S
    patience.forget("a")
    assert patience.rest_s("a") == 2


def test_attack_many_hosts_that_push_back_take_no_more_room_than_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushback, "MAX_KNOWN", 3)
    patience = Patience()
    for key in "abcd":
        patience.rest_s(key)
    assert patience.rest_s("a") == 2, "forgotten"
    assert patience.rest_s("d") == 4


def test_a_destination_that_rests_is_passed_over_and_comes_back() -> None:
    now = [100.0]
    lines = Lines(lambda: QueueSettings(), lambda: now[0])
    message = QueuedMessage("Q", "T", Sender(None), 1, 1, 0.0, 1.0, ())
    slow, quick = Job(message, "slow.test", ""), Job(message, "quick.test", "")
    for _ in range(3):
        lines.put(slow)
    assert lines.next() == slow
    lines.ended(slow, reached=True, pushed_back=True)
    lines.put(quick)
    assert lines.next() == quick
    assert lines.next() is None
    assert lines.resumes_at == 102.0
    now[0] = 102.0
    assert lines.next() == slow
    assert lines.next() is None, "one at a time, now"


async def test_the_rest_of_its_mail_waits_in_line_and_others_do_not() -> None:
    house = House()
    for number in range(20):
        await enqueue(house, far(f"u{number}@slow.test"), hop="192.0.2.1:25")
    await enqueue(house, far("x@quick.test"), hop="192.0.2.2:25")
    courier = ScriptedCourier(says(421, "4.7.0 too many messages"))
    await settle(make(house, courier))
    asked = [target.address for target, _ in courier.sent]
    assert asked.count("192.0.2.1") <= 3
    assert asked.count("192.0.2.2") == 1


async def test_a_host_that_turns_us_away_is_asked_by_few_and_then_stands_for_all_that_wait() -> None:
    """By 421 in place of a greeting, say: what it says is said of us, so the others need not hear it as well."""
    house, opened = House(), False

    def door(target: Target, parcel: Parcel) -> Sequence[Answer]:
        if target.address == "192.0.2.1" and not opened:
            raise Unreachable("greeted with 421 4.7.0 too many connections", pushes_back=True)
        return [Answer(250, "250 2.0.0 ok")] * len(parcel.recipients)

    for number in range(60):
        await enqueue(house, far(f"u{number}@slow.test"), hop="192.0.2.1:25")
    await enqueue(house, far("x@quick.test"), hop="192.0.2.2:25")
    courier = ScriptedCourier(door)
    runner = make(house, courier)

    def asked(address: str) -> int:
        return sum(target.address == address for target, _ in courier.sent)

    await settle(runner)
    assert (asked("192.0.2.1"), asked("192.0.2.2")) == (FIRST_WIDTH, 1), "those that were under way at the same time"
    assert {each.attempts for message in await house.spool.listing() for each in message.recipients} == {0, 1}
    for _ in range(8):  # once after each rest
        house.clock.advance(pushback.FIRST_S)
        await settle(runner)
        while (task := runner._putting_off) is not None:
            await task
    assert asked("192.0.2.1") <= FIRST_WIDTH + TRIES
    waiting = [each for message in await house.spool.listing() for each in message.recipients]
    assert {each.attempts for each in waiting} == {1} and len(waiting) == 60
    opened = True
    house.clock.advance(600)
    await settle(runner)
    house.clock.advance(pushback.LONGEST_S)
    await settle(runner)
    assert await house.spool.listing() == []


async def test_connections_that_were_turned_away_at_the_same_time_do_not_put_off_those_that_wait() -> None:
    """A host that takes two connections at a time, say, and we came with three."""
    house, open_now = House(), 0
    for number in range(60):
        await enqueue(house, far(f"u{number}@slow.test"), hop="192.0.2.1:25")

    def door(target: Target, parcel: Parcel) -> Sequence[Answer]:
        nonlocal open_now
        open_now += 1
        if open_now in (1, 2, 3):
            raise Unreachable("greeted with 421 4.7.0 too many connections", pushes_back=True)
        return [Answer(250, "250 2.0.0 ok")] * len(parcel.recipients)

    runner = make(house, ScriptedCourier(door))
    for _ in range(4):
        await settle(runner)
        house.clock.advance(pushback.FIRST_S)
    waiting = [each for message in await house.spool.listing() for each in message.recipients]
    assert len(waiting) <= FIRST_WIDTH, "all others went as soon as it had rested"


async def test_where_one_host_of_several_turns_us_away_the_next_messages_go_to_the_others_first() -> None:
    house = House()
    house.resolver.records = {
        ("two.test", "MX"): ("10 a.two.test", "20 b.two.test"),
        ("a.two.test", "A"): ("192.0.2.1",),
        ("b.two.test", "A"): ("192.0.2.2",),
    }

    def door(target: Target, parcel: Parcel) -> Sequence[Answer]:
        if target.address == "192.0.2.1":
            raise Unreachable("greeted with 421 4.7.0 too many connections", pushes_back=True)
        return [Answer(250, "250 2.0.0 ok")] * len(parcel.recipients)

    courier = ScriptedCourier(door)
    runner = make(house, courier)

    async def asked_for_ten() -> list[str]:
        courier.sent.clear()
        for number in range(10):
            await enqueue(house, far(f"u{number}@two.test"), hop="")
        for _ in range(3):
            await settle(runner)
        assert await house.spool.listing() == []
        return [target.address for target, _ in courier.sent]

    assert (await asked_for_ten()).count("192.0.2.1") <= FIRST_WIDTH
    assert (await asked_for_ten()).count("192.0.2.1") == 0
    house.clock.advance(AWAY_S + 1)
    assert 1 <= (await asked_for_ten()).count("192.0.2.1") <= 10
