"""The whole path in memory: order, verdicts and reasons on record, one copy for each final recipient, nothing half done."""

from __future__ import annotations

import pytest

from posthouse.base.errors import NoSpace
from posthouse.model.address import Address
from posthouse.model.plan import Acceptance, ToMailbox
from posthouse.model.trace import TraceQuery
from posthouse.pipeline.path import stages
from support.house import MESSAGE, House


def test_the_stages_stand_in_the_order_of_the_path() -> None:
    names = [stage.name for stage in stages(House().parts)]
    peer = ["connect", "reject-list", "names", "helo", "block-lists"]
    first = [
        *peer,
        "room",
        "device",
        "account-watch",
        "envelope",
        "harvest",
        "sender",
        "sender-policy",
        "quota",
        "greylist",
        "authenticate",
        "content",
        "antispam",
    ]
    checks = ["attachments", "priority-filters", "outbreak", "antivirus", "antispam", "domain-filters", "junk", "user-filters"]
    assert names == [*first, "route", *checks, "reputation", "reports", "sign", "hand-over", "dispose"]


async def test_an_accepted_message_lies_in_the_inbox_with_trace_headers() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    reply = await house.deliver("jane@example.test")
    assert reply.code == 250
    [content] = await house.inbox(jane)
    assert content.startswith(b"Return-Path: <lena@elsewhere.test>\r\nAuthentication-Results: mx.example.test;")
    assert b"\r\nReceived: from client.elsewhere.test (client.elsewhere.test [192.0.2.9])" in content
    assert content.endswith(MESSAGE)
    assert b"for <jane@example.test>" in content


async def test_every_verdict_is_on_record_with_its_reason() -> None:
    house = House()
    await house.add_user("jane@example.test")
    await house.deliver("jane@example.test")
    [record] = await house.traces.search(TraceQuery(recipient="jane@example.test"))
    assert record.outcome == "accepted"
    assert [(step.stage, step.rule) for step in record.steps] == [
        ("names", "verified"),
        ("envelope", "recipient"),
        ("authenticate", "spf-helo"),
        ("authenticate", "spf-mailfrom"),
        ("authenticate", "dmarc"),
        ("authenticate", "results"),
        ("route", "plan"),
        ("dispose", "committed"),
    ]


async def test_a_refusal_at_the_envelope_is_on_record() -> None:
    house = House()
    await house.deliver("victim@faraway.test")
    [record] = await house.traces.search(TraceQuery(recipient="victim@faraway.test"))
    assert record.outcome == "refused"
    assert record.steps[-1].rule == "relay"


async def test_each_final_recipient_gets_one_copy_however_often_named() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    team = Address.parse("team@example.test")
    await house.directory.put_alias(team, [jane.address, Address.parse("far@faraway.test")])
    await house.deliver("jane@example.test", "team@example.test", "JANE@example.test", "jane+x@example.test")
    assert len(await house.inbox(jane)) == 1
    assert len(house.sink.accepted[0].destinations) == 2


async def test_plus_addressing_names_the_mailbox() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    await house.deliver("jane+Archive@example.test")
    assert len(await house.inbox(jane, "Archive")) == 1


async def test_a_sink_that_cannot_commit_means_452_and_nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    await house.add_user("jane@example.test")

    async def full(acceptance: Acceptance) -> None:
        raise NoSpace("disk full")

    monkeypatch.setattr(house.sink, "commit", full)
    reply = await house.deliver("jane@example.test")
    assert (reply.code, reply.enhanced) == (452, "4.3.1")
    assert not house.sink.accepted


async def test_a_looping_message_is_refused() -> None:
    house = House()
    await house.add_user("jane@example.test")
    reply = await house.deliver("jane@example.test", content=b"Received: by x\r\n" * 51 + MESSAGE)
    assert (reply.code, reply.enhanced) == (554, "5.4.6")


@pytest.mark.parametrize(
    "content",
    [b"X-H: 1\r\n" * 100_000 + b"\r\nx\r\n", b"X: " + b"a" * (2 << 20) + b"\r\n\r\nx\r\n"],
    ids=["100,000 headers", "a header of 2 MiB"],
)
async def test_messages_beyond_the_limits_are_refused(content: bytes) -> None:
    house = House()
    await house.add_user("jane@example.test")
    reply = await house.deliver("jane@example.test", content=content)
    assert reply.code == 554
    assert not house.sink.accepted


async def test_a_smart_host_takes_all_mail_for_elsewhere() -> None:
    house = House()
    await house.add_user("jane@example.test")
    house.set("route.smart_host", "relay.isp.test:587")
    await house.deliver(
        "x@faraway.test",
        sender="jane@example.test",
        content=MESSAGE.replace(b"lena@elsewhere", b"jane@example"),
        session=house.session("submission", account="jane@example.test"),
    )
    [destination] = house.sink.accepted[0].destinations
    assert not isinstance(destination, ToMailbox)
    assert getattr(destination, "next_hop", None) == "", "the queue asks for the smart host at each attempt"
    [record] = await house.traces.search(TraceQuery(recipient="x@faraway.test"))
    assert any("smart host" in step.detail for step in record.steps)


async def test_a_submitted_message_is_mended_and_loses_its_bcc() -> None:
    house = House()
    jane = await house.add_user("jane@example.test")
    content = b"To: jane@example.test\r\nBcc: secret@example.test\r\nSubject: x\r\n\r\nbody\r\n"
    session = house.session("submission", account="jane@example.test")
    await house.deliver("jane@example.test", sender="jane@example.test", content=content, session=session)
    [stored] = await house.inbox(jane)
    assert b"\r\nDate: " in stored
    assert b"\r\nMessage-ID: <" in stored
    assert b"\r\nFrom: <jane@example.test>" in stored
    assert b"secret@" not in stored
    assert b"ESMTPA" in stored


async def test_relayed_mail_only_gets_a_received_field() -> None:
    house = House()
    await house.add_user("jane@example.test")
    await house.deliver(
        "x@faraway.test",
        sender="jane@example.test",
        content=MESSAGE.replace(b"lena@elsewhere", b"jane@example"),
        session=house.session("submission", account="jane@example.test"),
    )
    assert house.sink.accepted[0].content.startswith(b"Received: ")
