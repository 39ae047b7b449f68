"""Notices never go to somebody who did not send the message: backscatter is suppressed, honest senders are told."""

from __future__ import annotations

import pytest

from posthouse.interfaces.courier import Answer
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mail_authentication import ArcResult, AuthReport, DkimResult, DmarcResult, Result, SpfResult
from posthouse.model.route import NextHop, Route
from posthouse.pipeline.backscatter import is_doubtful
from posthouse.pipeline.transaction import Transaction
from support.house import House
from support.outbound import ScriptedCourier, make, says, settle

pytestmark = pytest.mark.spec_part("OUT-6", "INB-9")


def report(spf: Result, *, signer: str = "", dmarc: Result = "none", author: str = "victim.test", by: str = "") -> AuthReport:
    return AuthReport(
        SpfResult(spf, "mailfrom", "victim.test", "x@victim.test"),
        dkim=(DkimResult("pass", signer, "s"),) if signer else (),
        arc=ArcResult("none"),
        dmarc=DmarcResult(dmarc, author),
        forwarded_by=by,
    )


@pytest.mark.parametrize(
    ("auth", "score", "doubtful"),
    [
        (None, 900.0, False),
        (report("none"), None, False),
        (report("none"), 49.9, False),
        (report("none"), 50.0, True),
        (report("pass"), 50.0, True),
        (report("fail"), None, True),
        (report("softfail"), None, True),
        (report("neutral"), None, False),
        (report("temperror"), None, False),
        (report("pass", dmarc="fail"), None, False),
        (report("softfail", signer="victim.test"), None, False),
        (report("softfail", signer="attacker.test", dmarc="pass", author="attacker.test"), None, True),
        (report("none", dmarc="fail"), None, True),
        (report("none", dmarc="fail", author="attacker.test"), None, False),
        (report("none", dmarc="fail", by="list.test"), None, False),
    ],
)
def test_whose_address_is_believed(auth: AuthReport | None, score: float | None, *, doubtful: bool) -> None:
    house = House()
    transaction = Transaction("T", house.session(), Sender(Address.parse("x@victim.test")), 1.0, auth=auth, score=score)
    assert bool(is_doubtful(transaction)) is doubtful


FORGED = b"From: x@victim.test\r\nTo: nobody@routed.test\r\nSubject: x\r\n\r\nx\r\n"


async def gateway(spf: str) -> House:
    """A gateway that takes everything for routed.test, whose host refuses all."""
    house = House()
    house.resolver.records.update({("victim.test", "TXT"): (spf,), ("victim.test", "MX"): ("10 mx.victim.test",)})
    await house.routes.put_route(Route("routed.test", NextHop.parse("192.0.2.50:25")))
    return house


@pytest.mark.parametrize(("spf", "notices"), [("v=spf1 -all", 0), ("v=spf1 ~all", 0), ("v=spf1 +all", 1), ("no policy", 1)])
async def test_attack_bounces_of_forged_mail_reach_nobody(spf: str, notices: int) -> None:
    house = await gateway(spf)
    reply = await house.deliver("nobody@routed.test", sender="x@victim.test", content=FORGED)
    assert reply.code == 250, reply
    courier = ScriptedCourier(says(550, "5.1.1 nobody here"))
    await settle(make(house, courier))
    assert len(courier.sent) == 1
    waiting = await house.spool.listing()
    assert [str(message.recipients[0].recipient) for message in waiting] == ["x@victim.test"] * notices


async def test_an_administrator_may_have_them_sent_all_the_same() -> None:
    house = await gateway("v=spf1 ~all")
    house.set("queue.notify_doubtful", True)
    await house.deliver("nobody@routed.test", sender="x@victim.test", content=FORGED)
    await settle(make(house, ScriptedCourier(lambda target, parcel: [Answer(550, "550 5.1.1 no")])))
    assert len(await house.spool.listing()) == 1


async def test_attack_no_receipt_for_a_forged_sender() -> None:
    house = await gateway("v=spf1 ~all")
    jane = await house.add_user("jane@example.test")
    session = house.session()
    transaction, refused = await house.driver.begin(session, Sender(Address.parse("x@victim.test")))
    assert refused is None
    assert (
        await house.driver.recipient(transaction, Recipient(Address.parse("jane@example.test"), frozenset({"SUCCESS"}))) is None
    )
    assert (await house.driver.message(transaction, FORGED)).code == 250
    assert len(await house.inbox(jane)) == 1
    assert house.spool_is_empty()
