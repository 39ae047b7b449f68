"""The queue and accounts that are held: none of their mail is tried, and refusals of their mail are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from posthouse.base.errors import Temporary
from posthouse.interfaces.courier import Answer, Parcel, Target
from posthouse.model.account_hold import AccountHold
from posthouse.model.address import Address
from posthouse.model.envelope import Sender
from posthouse.queue.runner import QueueRunner
from support.house import House
from support.outbound import ScriptedCourier, enqueue, far, make, says, settle, states

JANE = "jane@example.test"
FROM_JANE = Sender(Address.parse(JANE), auth=JANE)


async def queue_of(house: House, courier: ScriptedCourier) -> QueueRunner:
    runner = make(house, courier)
    runner._tools = replace(runner._tools, on_hold=house.holds.is_held, bounced=house.hold_desk.bounced)
    return runner


@pytest.mark.spec_part("OUT-5")
async def test_what_a_crash_left_waiting_between_hold_and_queue_is_not_sent() -> None:
    """The hold was kept, then the node died before its queue was held."""
    house = House()
    held, other = await enqueue(house, far(), sender=FROM_JANE), await enqueue(house, far("y@faraway.test"))
    await house.holds.hold(AccountHold(1, JANE, 0.0, "messages", "test"))
    courier = ScriptedCourier(says(250))
    await settle(await queue_of(house, courier))
    assert [str(parcel.recipients[0]) for _, parcel in courier.sent] == ["y@faraway.test"]
    assert (await states(house, held), await states(house, other)) == (["held"], [])


async def test_if_it_cannot_be_known_whether_an_account_is_held_its_mail_waits() -> None:
    house = House()
    waiting, other = await enqueue(house, far(), sender=FROM_JANE), await enqueue(house, far("y@faraway.test"))
    courier = ScriptedCourier(says(250))
    runner = await queue_of(house, courier)

    async def down(_: str) -> bool:
        raise Temporary("Database trouble", cause="test")

    async def no_wait(_: float) -> None:
        return None

    runner._tools = replace(runner._tools, on_hold=down, sleep=no_wait)
    await settle(runner)
    assert (await states(house, waiting), await states(house, other)) == (["waiting"], [])
    assert len(courier.sent) == 1


@pytest.mark.parametrize(
    ("reply", "counts"),
    [
        ("550 5.1.1 no such user", True),
        ("554 5.7.1 rejected as spam", True),
        ("554 5.7.1 Your address is listed by a block list", False),
        ("552 5.2.2 mailbox full", False),
        ("450 4.2.1 try later", False),
    ],
)
async def test_only_refusals_that_tell_of_the_account_count(reply: str, *, counts: bool) -> None:
    """Where this host is blocked, or another is down, everybody's mail comes back."""
    house, told = House(), []
    runner = make(house, ScriptedCourier(lambda _, parcel: [Answer(int(reply[:3]), reply)] * len(parcel.recipients)))

    async def bounced(account: str, count: int) -> None:
        told.append((account, count))

    runner._tools = replace(runner._tools, bounced=bounced)
    await enqueue(house, far("a@faraway.test"), far("b@faraway.test"), sender=FROM_JANE)
    await settle(runner)
    assert told == ([(JANE, 2)] if counts else [])


@pytest.mark.spec_part("OUT-5")
async def test_the_attack_mail_to_a_bought_list_of_dead_addresses() -> None:
    house = House()
    house.set("watch.bounces", 5)
    account = await house.add_user(JANE)
    house.counters.hit(f"watch-watched:{JANE}", 86_400.0)  # it has sent mail of late

    def half_are_dead(_: Target, parcel: Parcel) -> Sequence[Answer]:
        dead = [number % 2 == 0 for number in range(len(parcel.recipients))]
        return [Answer(550, "550 5.1.1 nobody") if each else Answer(250, "250 ok") for each in dead]

    courier = ScriptedCourier(half_are_dead)
    runner = await queue_of(house, courier)
    first = [far(f"r{number}@faraway.test") for number in range(10)]
    await enqueue(house, *first, sender=FROM_JANE)
    await settle(runner)
    assert await house.holds.hold_of(account.account_id) is None, "five of five"
    rest = [await enqueue(house, far(f"s{number}@faraway.test"), sender=FROM_JANE) for number in range(4)]
    house.set("queue.concurrency_per_destination", 1)
    await settle(runner)
    hold = await house.holds.hold_of(account.account_id)
    assert hold is not None
    assert hold.sign == "bounces"
    left = [state for each in rest for state in await states(house, each)]
    assert left == ["held"] * 3
