"""Mail for full mailboxes along the path (STO-5): refused at RCPT TO, decided once more at the end, never at others' cost."""

from __future__ import annotations

from dataclasses import replace

from posthouse.mailstore.quota_warnings import QuotaWarnings
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.limits import Limits, UserTerms
from posthouse.model.trace import TraceQuery
from support.house import MESSAGE, House

JANE, OMAR = "jane@example.test", "omar@example.test"


async def house_with(**limits: int) -> House:
    house = House()
    house.set("store.quota_grace_percent", 0)
    await house.add_user(JANE)
    await house.add_user(OMAR)
    await house.limits.put_user_terms(Address.parse(JANE), UserTerms("", Limits(**limits)))
    return house


async def test_a_full_mailbox_is_refused_at_rcpt() -> None:
    house = await house_with(quota_messages=1)
    assert (await house.deliver(JANE)).code == 250
    reply = await house.deliver(JANE)
    assert (reply.code, reply.enhanced) == (452, "4.2.2")
    house.set("store.quota_full", "permanent")
    reply = await house.deliver(JANE)
    assert (reply.code, reply.enhanced) == (552, "5.2.2")
    record = (await house.traces.search(TraceQuery(recipient=JANE)))[0]
    assert [step for step in record.steps if step.stage == "quota" and step.rule == "full"]


async def test_the_declared_size_counts_at_rcpt() -> None:
    house = await house_with(quota_bytes=5_000)
    transaction, refused = await house.driver.begin(house.session(), Sender(Address.parse("a@b.test"), size_bytes=6_000))
    assert refused is None
    refused = await house.driver.recipient(transaction, Recipient(Address.parse(JANE)))
    assert refused is not None
    assert refused.reply.code == 452


async def test_the_true_size_counts_at_the_end() -> None:
    house = await house_with(quota_bytes=5_000)
    reply = await house.deliver(JANE, content=MESSAGE + b"x" * 6_000 + b"\r\n")
    assert (reply.code, reply.enhanced) == (452, "4.2.2")
    reply = await house.deliver(JANE, OMAR, content=MESSAGE + b"x" * 6_000 + b"\r\n")
    assert reply.code == 250, "the other recipient's mail is not held up"
    assert (await house.deliver(JANE)).code == 452


async def test_an_alias_is_full_when_all_behind_it_are() -> None:
    house = await house_with(quota_messages=1)
    await house.directory.put_alias(Address.parse("team@example.test"), [Address.parse(JANE), Address.parse(OMAR)])
    for _ in range(3):
        assert (await house.deliver("team@example.test")).code == 250
    await house.limits.put_user_terms(Address.parse(OMAR), UserTerms("", Limits(quota_messages=2)))
    assert (await house.deliver("team@example.test")).code == 452


async def test_the_user_is_told_once_when_it_fills_up() -> None:
    house = await house_with(quota_messages=4)
    jane = await house.directory.account(Address.parse(JANE))
    assert jane is not None
    house.set("store.quota_warning_percent", 75)
    warnings = QuotaWarnings(
        house.store, house.sink, house.directory, house.allowances, house.clock, house.ids, "mx.example.test"
    )
    await house.deliver(JANE)
    await house.deliver(JANE)
    assert await warnings.send() == 0
    await house.deliver(JANE)
    assert await warnings.send() == 1
    assert await warnings.send() == 0
    told = (await house.inbox(jane))[-1].decode()
    assert "Subject: Your mailbox is 75 percent full" in told
    assert "Auto-Submitted: auto-generated" in told
    assert "Messages: 3 of 4" in told
    assert told.startswith("Return-Path: <>\r\n")
    inbox = await house.store.mailbox(jane.account_id, "INBOX")
    assert inbox is not None
    await house.store.expunge(inbox.mailbox_id, None, unmarked=True)
    for _ in range(3):
        await house.deliver(JANE)
    assert await warnings.send() == 1, "armed again once it was below"


async def test_bounces_come_in_whatever_the_quota() -> None:
    house = await house_with(quota_messages=1)
    await house.deliver(JANE)
    notice = house.sink.accepted[-1]
    await house.sink.commit(replace(notice, trace_id="T9", sender=Sender(None)))
    jane = await house.directory.account(Address.parse(JANE))
    assert jane is not None
    assert len(await house.inbox(jane)) == 2
