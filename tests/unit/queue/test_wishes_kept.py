"""What the queue makes of a sender's wishes: not before a time, not after another, in which order (RFC 2852, 4865, 6710)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from posthouse.interfaces.courier import Answer, Parcel, Target
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.envelope import DeliverBy, Sender
from posthouse.model.local_hop import is_local, local_hop, mailbox_of
from posthouse.model.plan import ToMailbox
from posthouse.model.route import NextHop
from support.house import House
from support.outbound import ScriptedCourier, enqueue, far, make, says, settle, states

JANE = Address.parse("jane@example.test")


async def house_of_jane() -> tuple[House, Account]:
    house = House()
    return house, await house.add_user("jane@example.test")


async def notices(house: House, jane: Account) -> list[str]:
    return [content.decode() for content in await house.inbox(jane)]


def by(by_s: int, *, returns: bool, trace: bool = False) -> Sender:
    return Sender(JANE, by=DeliverBy(by_s, returns, trace))


async def test_mail_waits_for_its_time_and_its_lifetime_counts_from_there() -> None:
    house, _ = await house_of_jane()
    until = house.clock.now() + 1000
    queue_id = await enqueue(house, far(), sender=Sender(JANE, hold_until=until))
    queued = await house.spool.get(queue_id)
    assert queued is not None
    assert queued.expires_at == until + 432_000
    courier = ScriptedCourier(says(250))
    runner = make(house, courier)
    await settle(runner)
    house.clock.advance(999)
    await settle(runner)
    assert courier.sent == []
    house.clock.advance(1)
    await settle(runner)
    assert len(courier.sent) == 1


async def test_the_warning_of_delay_counts_from_when_it_might_leave() -> None:
    house, jane = await house_of_jane()
    await enqueue(house, far(), sender=Sender(JANE, hold_until=house.clock.now() + 100_000))
    runner = make(house, ScriptedCourier(says(450, "4.2.1 busy")))
    house.clock.advance(100_000)
    await settle(runner)
    assert await notices(house, jane) == []


async def test_mode_r_comes_back_when_the_time_is_over_and_not_an_attempt_later() -> None:
    house, jane = await house_of_jane()
    house.set("queue.first_retry_s", 250.0)
    queue_id = await enqueue(house, far(), sender=by(600, returns=True))
    courier = ScriptedCourier(says(450, "4.2.1 busy"))
    runner = make(house, courier)
    left = []
    for at in (0, 250, 600):
        house.clock.advance(at - (house.clock.now() - house.sink.accepted[0].received_at))
        await settle(runner)
        left = [parcel.sender.by.by_s for _, parcel in courier.sent if parcel.sender.by]
    assert left == [600, 350], "what is left of the time is told; when it is over nobody is asked any more"
    assert await states(house, queue_id) == []
    [notice] = await notices(house, jane)
    assert "Action: failed" in notice
    assert "Status: 5.4.7" in notice
    assert "Deliver-By-Date: " in notice
    assert "450 4.2.1 busy" in notice


@pytest.mark.parametrize(("notify", "told"), [((), 1), (("DELAY",), 1), (("FAILURE",), 0), (("NEVER",), 0)])
async def test_mode_n_tells_of_the_delay_once_and_goes_on(notify: tuple[str, ...], told: int) -> None:
    house, jane = await house_of_jane()
    queue_id = await enqueue(house, far("x@faraway.test", *notify), sender=by(60, returns=False))
    courier = ScriptedCourier(says(450, "4.2.1 busy"))
    runner = make(house, courier)
    for _ in range(3):
        await settle(runner)
        house.clock.advance(59)
    assert await notices(house, jane) == [] or told
    for _ in range(3):
        house.clock.advance(20_000)
        await settle(runner)
    found = await notices(house, jane)
    assert len(found) == told
    assert all("Action: delayed" in notice and "Status: 4.4.7" in notice for notice in found)
    assert await states(house, queue_id) == ["waiting"]
    assert courier.sent[-1][1].sender.by == DeliverBy(
        60 - int(house.clock.now() - house.sink.accepted[0].received_at), returns=False
    )


async def test_a_time_that_was_over_before_it_came_is_not_told_of_again() -> None:
    house, jane = await house_of_jane()
    await enqueue(house, far(), sender=by(-10, returns=False))
    courier = ScriptedCourier(says(450, "4.2.1 busy"))
    runner = make(house, courier)
    await settle(runner)
    assert courier.sent[0][1].sender.by == DeliverBy(-10, returns=False)
    assert await notices(house, jane) == []


@pytest.mark.parametrize(
    ("sender", "answer", "notify", "told"),
    [
        (by(60, returns=False, trace=True), Answer(250, "250 ok", by=True, notifies=True), (), True),
        (by(60, returns=True, trace=True), Answer(250, "250 ok", by=True), ("FAILURE",), True),
        (by(60, returns=False, trace=True), Answer(250, "250 ok"), ("NEVER",), False),
        (by(60, returns=False), Answer(250, "250 ok"), (), True),
        (by(60, returns=False), Answer(250, "250 ok", notifies=True), (), False),
        (by(60, returns=False), Answer(250, "250 ok", by=True), (), False),
        (by(-60, returns=False), Answer(250, "250 ok"), (), False),
        (by(60, returns=False, trace=True), Answer(250, "250 ok", final=True), (), False),
    ],
)
async def test_relaying_is_told_where_it_is_traced_or_nobody_else_will_tell_of_a_delay(
    sender: Sender, answer: Answer, notify: tuple[str, ...], *, told: bool
) -> None:
    house, jane = await house_of_jane()
    await enqueue(house, far("x@faraway.test", *notify), sender=sender)
    await settle(make(house, ScriptedCourier(lambda target, parcel: [answer])))
    found = await notices(house, jane)
    assert [("Action: relayed" in notice) for notice in found] == [True] * told


async def test_urgent_mail_overtakes_what_came_before_it() -> None:
    house, _ = await house_of_jane()
    house.set("queue.concurrency", 1)
    for number in range(5):
        await enqueue(house, far(f"u{number}@faraway.test"), sender=Sender(JANE))
    await enqueue(house, far("urgent@faraway.test"), sender=Sender(JANE, priority=2))
    courier = ScriptedCourier(says(250))
    await settle(make(house, courier))
    assert str(courier.sent[0][1].recipients[0]) == "urgent@faraway.test"


async def test_another_senders_mail_is_served_while_a_flood_fills_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("window.USUAL", 30), ("window.MOST", 60), ("window.SHARE", 5), ("runner.PAGE", 10)):
        monkeypatch.setattr(f"posthouse.queue.{name}", value)
    house, _ = await house_of_jane()
    for number in range(150):
        await enqueue(house, far(f"u{number}@d{number % 3}.test"), sender=Sender(Address.parse("flood@example.test")), hop="")
    await enqueue(house, far("late@d0.test"), sender=Sender(JANE), hop="")
    house.resolver.records.update({(f"d{number}.test", "A"): ("192.0.2.7",) for number in range(3)})
    served: list[str] = []

    def script(target: Target, parcel: Parcel) -> Sequence[Answer]:
        served.append(str(parcel.recipients[0]))
        return [Answer(250, "250 ok")]

    runner = make(house, ScriptedCourier(script))
    while await house.spool.count() != {}:
        await settle(runner)
    assert len(served) == 151
    assert served.index("late@d0.test") < 40


# --- into mailboxes here


@pytest.mark.parametrize(
    "destination",
    [
        ToMailbox(far(), 7, "INBOX"),
        ToMailbox(far(), -3, "News/a?b,c%ä", ("\\Seen", "$Label1", "a,b")),
    ],
)
def test_the_plan_for_a_mailbox_here_stands_in_the_hop(destination: ToMailbox) -> None:
    assert mailbox_of(local_hop(destination), destination.recipient) == destination


async def held_for_jane(house: House, jane: Account, *notify: str) -> str:
    hop = local_hop(ToMailbox(far(), jane.account_id, "INBOX", ("\\Flagged",)))
    sender = Sender(JANE, hold_until=house.clock.now() + 60)
    return await enqueue(house, far("jane@example.test", *notify), sender=sender, hop=hop)


async def test_mail_for_a_mailbox_here_comes_in_at_its_time_once_and_its_receipt_then() -> None:
    house, jane = await house_of_jane()
    await held_for_jane(house, jane, "SUCCESS")
    runner = make(house, ScriptedCourier(says(550)))
    await settle(runner)
    assert await house.inbox(jane) == []
    house.clock.advance(60)
    await settle(runner)
    await settle(runner)
    mail, receipt = await house.inbox(jane)
    assert mail.startswith(b"Return-Path: <jane@example.test>\r\n")
    assert b"Action: delivered" in receipt
    assert await house.spool.count() == {}


async def test_an_account_that_is_gone_meanwhile_is_told_as_a_failure() -> None:
    from dataclasses import replace

    house, jane = await house_of_jane()
    await held_for_jane(house, jane)
    runner = make(house, ScriptedCourier(says(250)))

    async def nobody(account_id: int) -> bool:
        assert account_id == jane.account_id
        return False

    runner._tools = replace(runner._tools, has_account=nobody)
    house.clock.advance(60)
    await settle(runner)
    [notice] = await house.inbox(jane)
    assert b"Status: 5.1.1" in notice


@pytest.mark.parametrize("text", ["local:7", "mailbox:7", "mailbox", "lmtp://local:7", "local:7/required", "mailbox:/7/INBOX"])
def test_attack_no_route_leads_into_a_mailbox(text: str) -> None:
    """A domain's filter with ``route "local:7"`` wrote to account 7, whosever that is."""
    try:
        hop = str(NextHop.parse(text))
    except ValueError:
        return
    assert not is_local(hop)
