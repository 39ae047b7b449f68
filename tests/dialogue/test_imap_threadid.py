"""THREADID: the same for the messages of a conversation, in FETCH and in SEARCH (RFC 8474 §5.2)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from posthouse.model.mailbox import NewMessage
from support.imap_dialogue import Client, World

pytestmark = pytest.mark.spec_part("IMP-1")

LETTERS = (
    b"Message-ID: <first@example.org>\r\nSubject: a\r\n\r\n1",
    b"Message-ID: <second@example.org>\r\nIn-Reply-To: <first@example.org>\r\nReferences: <first@example.org>\r\n\r\n2",
    b"References: <first@example.org>\r\n\t<second@example.org>\r\nMessage-ID: <third@example.org>\r\n\r\n3",
    b"In-Reply-To: Your message of Tuesday <first@example.org>\r\n\r\n4",
    b"Message-ID: <other@example.org>\r\nSubject: Re: a\r\n\r\n5",
    b"Subject: nothing\r\n\r\n6",
    b"Subject: nothing\r\n\r\n7",
    b"X-Long: " + b"x" * 20_000 + b"\r\nReferences: <first@example.org>\r\n\r\n8",
    b"References: none\r\nMessage-ID: malformed\r\n\r\n9",
    b"no header at all",
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


async def filled(world: World) -> Client:
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    await world.store.append(inbox.mailbox_id, [NewMessage(one) for one in LETTERS])
    client = await world.login()
    await client.do("SELECT INBOX")
    return client


async def threads(client: Client, items: str = "THREADID") -> list[str]:
    return re.findall(r"THREADID \((T[0-9a-f]{24})\)", " ".join(await client.do(f"FETCH 1:* ({items})")))


async def test_messages_of_a_conversation_have_one_and_others_their_own(world: World) -> None:
    client = await filled(world)
    found = await threads(client)
    assert len(found) == len(LETTERS)
    assert [at for at, one in enumerate(found, 1) if one == found[0]] == [1, 2, 3, 4, 8]
    assert len(set(found)) == 6
    assert await threads(client, "UID EMAILID THREADID BODY.PEEK[TEXT]") == found
    await client.do("COPY 2 Sent")
    await client.do("SELECT Sent")
    assert await threads(client) == found[:1]


async def test_search_finds_them_alone_and_with_other_keys(world: World) -> None:
    client = await filled(world)
    found = await threads(client)
    for at, one in enumerate(found, 1):
        assert str(at) in (await client.do(f"SEARCH THREADID {one}"))[0].split()
    assert (await client.do(f"SEARCH THREADID {found[0]}"))[0] == "* SEARCH 1 2 3 4 8"
    assert (await client.do(f"SEARCH THREADID {found[0]} NOT SUBJECT a SMALLER 10000"))[0] == "* SEARCH 2 3 4"
    assert (await client.do(f"SEARCH OR THREADID {found[4]} THREADID {found[5]}"))[0] == "* SEARCH 5 6"
    for strange in ("T1", "M" + found[0][1:], "T" + "0" * 24):
        assert (await client.do(f"SEARCH THREADID {strange}"))[0] == "* SEARCH"
    assert len((await client.do("SEARCH NOT THREADID T1"))[0].split()) == 2 + len(LETTERS)
