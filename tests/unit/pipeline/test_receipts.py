"""NOTIFY=SUCCESS for a local mailbox: a "delivered" notice after the message is kept (RFC 3461 §4.1)."""

from __future__ import annotations

import email

import pytest

from posthouse.base.errors import NoSpace
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, ToQueue
from posthouse.model.trace import TraceQuery
from support.house import MESSAGE, House


async def deliver(house: House, *recipients: Recipient, sender: Sender) -> str:
    """The reply's text after one message; its trace id is the last word."""
    transaction, refused = await house.driver.begin(house.session(), sender)
    assert refused is None
    for recipient in recipients:
        assert await house.driver.recipient(transaction, recipient) is None
    reply = await house.driver.message(transaction, MESSAGE)
    assert reply.code == 250
    return reply.text.rpartition(" ")[2]


def asking(text: str, *notify: str) -> Recipient:
    return Recipient(Address.parse(text), frozenset(notify), f"rfc822;{text.upper()}")  # type: ignore[arg-type]


async def test_a_local_sender_is_told_in_the_inbox() -> None:
    house = House()
    jane, omar = await house.add_user("jane@example.test"), await house.add_user("omar@example.test")
    sender = Sender(jane.address, envid="QQ314159", ret="HDRS")
    trace_id = await deliver(house, asking("omar@example.test", "SUCCESS", "FAILURE"), sender=sender)
    assert len(await house.inbox(omar)) == 1
    [notice] = await house.inbox(jane)
    report = email.message_from_bytes(notice)
    assert (report["Return-Path"], report.get_content_type()) == ("<>", "multipart/report")
    whole, fields = report.get_payload(1).get_payload()  # type: ignore[union-attr, str-unpack]
    assert whole["Original-Envelope-Id"] == "QQ314159"  # type: ignore[index]
    assert fields["Action"] == "delivered"  # type: ignore[index]
    assert fields["Status"] == "2.1.5"  # type: ignore[index]
    assert fields["Original-Recipient"] == "rfc822; OMAR@EXAMPLE.TEST"  # type: ignore[index]
    [record] = await house.traces.search(TraceQuery(trace_id=trace_id))
    assert record.steps[-1].rule == "notice"
    [told] = await house.traces.search(TraceQuery(trace_id=record.steps[-1].detail.rpartition(" ")[2]))
    assert told.recipients == ("jane@example.test",)


async def test_a_sender_elsewhere_is_told_through_the_queue() -> None:
    house = House()
    await house.add_user("omar@example.test")
    await deliver(house, asking("omar@example.test", "SUCCESS"), sender=Sender(Address.parse("lena@elsewhere.test")))
    [_, notice] = house.sink.accepted
    [destination] = notice.destinations
    assert isinstance(destination, ToQueue)
    assert (str(destination.recipient), notice.sender.address) == ("lena@elsewhere.test", None)


@pytest.mark.parametrize("notify", [(), ("NEVER",), ("FAILURE", "DELAY")])
async def test_who_did_not_ask_is_not_told(notify: tuple[str, ...]) -> None:
    house = House()
    await house.add_user("omar@example.test")
    await deliver(house, asking("omar@example.test", *notify), sender=Sender(Address.parse("lena@elsewhere.test")))
    assert len(house.sink.accepted) == 1


async def test_the_null_sender_is_never_told() -> None:
    house = House()
    await house.add_user("omar@example.test")
    await deliver(house, asking("omar@example.test", "SUCCESS"), sender=Sender(None))
    assert len(house.sink.accepted) == 1


async def test_one_notice_tells_of_all_and_of_each_once() -> None:
    house = House()
    jane, omar = await house.add_user("jane@example.test"), await house.add_user("omar@example.test")
    await house.add_user("mei@example.test")
    await house.directory.put_alias(Address.parse("both@example.test"), [omar.address, Address.parse("mei@example.test")])
    recipients = (asking("both@example.test", "SUCCESS"), asking("jane@example.test", "SUCCESS"))
    await deliver(house, *recipients, sender=Sender(jane.address))
    notice = email.message_from_bytes((await house.inbox(jane))[-1])
    finals = [part["Final-Recipient"] for part in notice.get_payload(1).get_payload()[1:]]  # type: ignore[union-attr, index]
    assert finals == ["rfc822; both@example.test", "rfc822; jane@example.test"]


async def test_a_notice_that_cannot_be_kept_does_not_fail_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    omar = await house.add_user("omar@example.test")
    commit = house.sink.commit

    async def once(acceptance: Acceptance) -> None:
        if house.sink.accepted:
            raise NoSpace
        await commit(acceptance)

    monkeypatch.setattr(house.sink, "commit", once)
    await deliver(house, asking("omar@example.test", "SUCCESS"), sender=Sender(Address.parse("lena@elsewhere.test")))
    assert len(await house.inbox(omar)) == 1
