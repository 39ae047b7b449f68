"""REPLACE, CATENATE and binary APPEND as scripts (RFC 8508, RFC 4469, RFC 3516)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.model.mailbox import NewMessage
from posthouse.model.settings import Settings
from support.imap_dialogue import Client, World, message

pytestmark = pytest.mark.spec_part("IMP-1")
PARTS = (
    b"From: a@b.example\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\n\r\nfirst\r\n--x\r\n\r\nsecond\r\n--x--\r\n"
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


async def filled(world: World, *contents: bytes) -> Client:
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    await world.store.append(inbox.mailbox_id, [NewMessage(one) for one in contents])
    client = await world.login()
    await client.do("SELECT INBOX")
    return client


async def test_replace_puts_one_message_in_place_of_another(world: World) -> None:
    client = await filled(world, b"1", b"2", b"3")
    await world.play(
        """
        C: a1 REPLACE 2 INBOX (\\Draft) {3+}
        C: new
        S: * OK [APPENDUID ... 4] ...
        S: * 2 EXPUNGE
        S: * 3 EXISTS
        S: a1 OK REPLACE completed
        C: a2 FETCH 1:* (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] {1}
        S: 1)
        S: * 2 FETCH (UID 3 BODY[] {1}
        S: 3)
        S: * 3 FETCH (UID 4 BODY[] {3}
        S: new)
        S: a2 OK ...
        C: a3 UID REPLACE 3 Drafts "01-Jan-2026 00:00:00 +0000" {3}
        S: + OK
        C: two
        S: * OK [APPENDUID ... 1] ...
        S: * 2 EXPUNGE
        S: a3 OK ...
        C: a4 REPLACE * INBOX {4+}
        C: last
        S: * OK [APPENDUID ... 5] ...
        S: * 2 EXPUNGE
        S: * 2 EXISTS
        S: a4 OK ...
        """,
        client,
    )


async def test_replace_of_what_is_not_there(world: World) -> None:
    client = await filled(world, b"1")
    for command, answer in (
        ("REPLACE 2 INBOX {1+}\r\nx", "BAD "),
        ("UID REPLACE 2 INBOX {1+}\r\nx", "NO "),
        ("REPLACE 1 Nowhere {1+}\r\nx", "NO [TRYCREATE] "),
        ("REPLACE 1:2 INBOX {1+}\r\nx", "BAD "),
        ("REPLACE 1 INBOX {0+}\r\n", "NO "),
        ("REPLACE 1 INBOX {1+}\r\nx {1+}\r\ny", "BAD "),
    ):
        assert (await client.do(command))[-1].startswith(answer), command
    assert (await client.do("FETCH 1:* UID"))[:-1] == ["* 1 FETCH (UID 1)"]
    await client.do("EXAMINE INBOX")
    assert (await client.do("REPLACE 1 INBOX {1+}\r\nx"))[-1].startswith("NO ")


async def test_replace_under_qresync_tells_what_vanished(world: World) -> None:
    client = await filled(world, b"1", b"2")
    await client.do("ENABLE QRESYNC")
    found = await client.do("UID REPLACE 1 INBOX {3+}\r\nnew")
    assert found[1:-1] == ["* VANISHED 1", "* 2 EXISTS"]


async def test_a_message_larger_than_a_plain_literal_may_be_replaced(world: World) -> None:
    client = await filled(world, b"1")
    size = 300_000
    for command in ("REPLACE 1", "UID REPLACE 2"):
        found = await client.do(f"{command} INBOX {{{size}+}}\r\n".encode() + b"y" * size)
        assert found[-1].startswith("OK "), found


async def test_catenate_puts_messages_together_from_pieces(world: World) -> None:
    client = await filled(world, PARTS)
    validity = next(line for line in await client.do("SELECT INBOX") if "UIDVALIDITY" in line).split("UIDVALIDITY ")[1][:10]
    validity = validity.split("]")[0]
    await world.play(
        f"""
        C: a1 APPEND Drafts (\\Seen) CATENATE (TEXT {{14+}}
        C: Subject: new
        C:  URL "/INBOX;UIDVALIDITY={validity}/;UID=1/;SECTION=2" TEXT {{2}}
        S: + OK
        C: --)
        S: a1 OK [APPENDUID ... 1] ...
        C: a2 APPEND Drafts CATENATE (URL ";UID=1/;SECTION=1" URL "imap://jane%40example.com@mx.example.com/INBOX/;UID=1/;SECTION=2/;PARTIAL=1.3")
        S: a2 OK [APPENDUID ... 2] ...
        C: a3 SELECT Drafts
        """,
        client,
    )
    while not (await client.next_line()).startswith("a3 OK"):
        pass
    found = await client.do("FETCH 1:2 (FLAGS BODY.PEEK[])")
    assert found[:-1] == [
        "* 1 FETCH (FLAGS (\\Seen) BODY[] {22}", "Subject: new", "second--)", "* 2 FETCH (FLAGS () BODY[] {8}", "firsteco)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url",
    ["/INBOX/;UID=9", "/Nowhere/;UID=1", "/INBOX;UIDVALIDITY=1/;UID=1", "/INBOX/;UID=1/;SECTION=7", "nonsense", "http://x/;UID=1",
     "imap://boss@mx.example.com/INBOX/;UID=1", "/INBOX/;UID=1;URLAUTH=anonymous:internal:00", "/INBOX"],
)  # fmt: skip
async def test_catenate_refuses_urls_that_lead_nowhere(world: World, url: str) -> None:
    client = await filled(world, PARTS)
    found = await client.do(f'APPEND Drafts CATENATE (URL "{url}")')
    assert found[-1].startswith(f'NO [BADURL "{url}"] ')
    assert (await client.do("STATUS Drafts (MESSAGES)"))[0] == "* STATUS Drafts (MESSAGES 0)"


async def test_catenate_keeps_to_the_size_limit(world: World) -> None:
    world.settings = Settings().with_value("imap.max_append_bytes", 2000)
    client = await filled(world, b"x" * 1500)
    assert (await client.do('APPEND INBOX CATENATE (URL "/INBOX/;UID=1" URL "/INBOX/;UID=1")'))[-1].startswith("NO [TOOBIG]")
    for wrong in ("CATENATE ()", "CATENATE (URL)", "CATENATE (WORD x)", "CATENATE (TEXT x)", "CATENATE x"):
        assert (await client.do(f"APPEND INBOX {wrong}"))[-1][:3] in ("BAD", "NO "), wrong


async def test_several_messages_may_be_catenated_in_one_append(world: World) -> None:
    client = await filled(world, b"1")
    found = await client.do('APPEND INBOX CATENATE (URL "/INBOX/;UID=1") (\\Seen) CATENATE (TEXT {1+}\r\n2)')
    assert found[-1].startswith("OK [APPENDUID ") and " 2:3] " in found[-1]


async def test_binary_messages_come_back_readable_by_all(world: World) -> None:
    client = await filled(world)
    content = (
        b"Subject: raw\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\xff\0binary"
    )
    found = await client.do(f"APPEND INBOX ~{{{len(content)}+}}\r\n".encode() + content)
    assert found[-1].startswith("OK [APPENDUID")
    await client.do("NOOP")
    client.send(b"a1 FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1])\r\n")
    await client.settle(lambda: b"a1 OK" in client.transport.sent)
    said = client.octets()
    assert b"BINARY.SIZE[1] 9 BINARY[1] ~{9}\r\n\0\xff\0binary)" in said
    client.send(b"a2 FETCH 1 BODY.PEEK[]\r\n")
    await client.settle(lambda: b"a2 OK" in client.transport.sent)
    assert b"\0" not in client.octets()


async def test_pieces_of_one_command_may_come_one_octet_at_a_time(world: World) -> None:
    client = await filled(world, message())
    for octet in b'a1 APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=TEXT" TEXT {2+}\r\nxy)\r\n':
        client.send(bytes([octet]))
        await client.settle(lambda: True)
    while not (line := await client.next_line()).startswith("a1 "):
        pass
    assert line.startswith("a1 OK [APPENDUID")
