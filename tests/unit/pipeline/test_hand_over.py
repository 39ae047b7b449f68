"""A gateway that gives mail to the host behind it while the sender waits: whose answer the sender gets, and what is learnt."""

from __future__ import annotations

import pytest

from posthouse.base.settings import Value
from posthouse.model.route import NextHop, Route
from posthouse.model.trace import TraceQuery
from support.house import House

JANE, OMAR = "jane@routed.test", "omar@routed.test"
NOBODY = "550 5.1.1 no such user here"


async def gateway(**settings: Value) -> House:
    house = House()
    await house.routes.put_route(Route("routed.test", NextHop.parse("inbound.test")))
    house.set("route.hand_over", "in-session")
    for key, value in settings.items():
        house.set(key.replace("__", "."), value)
    return house


async def queued(house: House) -> int:
    return sum((await house.spool.count()).values())


async def test_mail_is_queued_unless_it_is_set_otherwise() -> None:
    house = await gateway(route__hand_over="queued")
    assert (await house.deliver(JANE)).code == 250
    assert (await queued(house), len(house.handed)) == (1, 0)


@pytest.mark.spec_part("GRY-6")
async def test_what_the_host_takes_is_accepted_and_leaves_nothing_in_the_queue() -> None:
    house = await gateway()
    assert (await house.deliver(JANE, OMAR)).code == 250
    assert await queued(house) == 0
    [parcel] = house.handed
    assert [str(recipient) for recipient in parcel.recipients] == [JANE, OMAR]
    assert b"Received: from client.elsewhere.test" in parcel.content
    assert not parcel.content.startswith(b"Return-Path:")
    [record] = await house.traces.search(TraceQuery(recipient=JANE))
    assert record.outcome == "accepted"
    assert [step.rule for step in record.steps if step.stage == "hand-over"] == ["inbound.test"] * 2


@pytest.mark.spec_part("GRY-6")
@pytest.mark.spec_part("INB-9")
async def test_what_the_host_refuses_is_refused_in_its_words_and_nobody_gets_a_bounce() -> None:
    house = await gateway()
    house.behind[JANE] = "554 5.7.1 this is spam"
    reply = await house.deliver(JANE)
    assert (reply.code, reply.enhanced, reply.text) == (554, "5.7.1", "this is spam")
    assert await queued(house) == 0


async def test_what_the_host_puts_off_is_put_off() -> None:
    house = await gateway()
    house.behind[JANE] = "451 4.3.0 scanner is busy"
    reply = await house.deliver(JANE)
    assert (reply.code, reply.text) == (451, "scanner is busy")
    assert await queued(house) == 0


async def test_a_host_that_cannot_be_reached_gets_it_from_the_queue() -> None:
    house = await gateway()
    house.behind["inbound.test"] = "450 4.4.1 connection refused"
    assert (await house.deliver(JANE)).code == 250
    assert await queued(house) == 1


@pytest.mark.spec_part("GRY-6")
async def test_of_several_recipients_each_gets_what_the_host_says_of_it() -> None:
    """One is taken, one refused (its sender hears of it), one left to the queue."""
    house = await gateway()
    house.behind[OMAR] = NOBODY
    house.behind["late@routed.test"] = "452 4.2.2 full"
    assert (await house.deliver(JANE, OMAR, "late@routed.test")).code == 250
    waiting = [str(each.recipient) for message in await house.spool.due(house.clock.now(), 10) for each in message.recipients]
    assert sorted(waiting) == ["late@routed.test", "lena@elsewhere.test"]


@pytest.mark.spec_part("GRY-6")
async def test_an_unknown_recipient_is_learnt_and_refused_at_rcpt_for_a_while() -> None:
    house = await gateway()
    house.behind[JANE] = NOBODY
    assert (await house.deliver(JANE)).code == 550
    del house.behind[JANE]
    session = house.session()
    reply = await house.deliver(JANE, session=session)
    assert (reply.code, reply.enhanced) == (550, "5.1.1")
    assert len(house.handed) == 1, "it was not handed over"
    assert (await house.deliver(OMAR)).code == 250
    house.clock.advance(901)
    assert (await house.deliver(JANE)).code == 250


async def test_refusals_for_other_reasons_are_not_learnt() -> None:
    house = await gateway()
    house.behind[JANE] = "550 5.7.1 blocked"
    await house.deliver(JANE)
    del house.behind[JANE]
    assert (await house.deliver(JANE)).code == 250


async def test_learning_can_be_switched_off() -> None:
    house = await gateway(smtp__unknown_recipient_s=0.0)
    house.behind[JANE] = NOBODY
    await house.deliver(JANE)
    del house.behind[JANE]
    assert (await house.deliver(JANE)).code == 250


async def test_mail_for_mailboxes_here_too_goes_the_usual_way() -> None:
    house = await gateway()
    await house.add_user("local@example.test")
    assert (await house.deliver(JANE, "local@example.test")).code == 250
    assert (await queued(house), len(house.handed)) == (1, 0)


async def test_a_reply_of_the_host_cannot_bring_lines_or_controls_into_ours() -> None:
    """The attack: a host behind, or whoever speaks for it, answers with line ends."""
    house = await gateway()
    house.behind[JANE] = "550 5.7.1 bad\r\n250 fine\x00\x1b"
    reply = await house.deliver(JANE)
    assert reply.code == 550
    assert "\r" not in reply.text
    assert "\n" not in reply.text
    assert reply.text.isprintable()
