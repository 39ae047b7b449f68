"""METADATA and LIST-METADATA over IMAP (RFC 5464, RFC 9590), and the expiry policy that is one (STO-6)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.model.expiry import ENTRY
from support.imap_dialogue import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.start()
    yield made
    await made.stop()


@pytest.mark.spec_part("IMP-1")
async def test_annotations_are_set_read_and_removed(world: World) -> None:
    await world.play(
        """
        C: a1 SETMETADATA INBOX (/private/Comment "mine" /private/other {3+}
        C: "x")
        S: a1 OK ...
        C: a2 SETMETADATA INBOX (/shared/comment "ours")
        S: a2 OK ...
        C: a3 GETMETADATA INBOX /private/comment
        S: * METADATA INBOX (/private/comment "mine")
        S: a3 OK ...
        C: a4 GETMETADATA INBOX (/shared/comment /private/other /private/none)
        S: * METADATA INBOX (/shared/comment "ours" /private/other "\\"x\\"" /private/none NIL)
        S: a4 OK ...
        C: a5 SETMETADATA INBOX (/private/comment NIL)
        S: a5 OK ...
        C: a6 GETMETADATA INBOX /private/comment
        S: * METADATA INBOX (/private/comment NIL)
        S: a6 OK ...
        """,
        await world.login(),
    )


async def test_depth_and_maxsize(world: World) -> None:
    await world.play(
        """
        C: a1 SETMETADATA "" (/private/f/a "1" /private/f/a/x "22" /private/f/b "333" /private/fx "4")
        S: a1 OK ...
        C: a2 GETMETADATA (DEPTH 1) "" /private/f
        S: * METADATA "" (/private/f/a "1" /private/f/b "333")
        S: a2 OK ...
        C: a3 GETMETADATA (DEPTH infinity MAXSIZE 2) "" (/private/f)
        S: * METADATA "" (/private/f/a "1" /private/f/a/x "22")
        S: a3 OK [METADATA LONGENTRIES 3] ...
        C: a4 GETMETADATA "" (MAXSIZE 0 DEPTH 0) /private/f/a
        S: a4 OK [METADATA LONGENTRIES 1] ...
        C: a5 GETMETADATA (DEPTH 2) "" /private/f
        S: a5 BAD ...
        """,
        await world.login(),
    )


async def test_what_is_refused(world: World) -> None:
    client = await world.login()
    world.settings = world.settings.with_value("store.max_annotation_bytes", 1024)
    world.settings = world.settings.with_value("store.max_annotations", 2)
    await world.play(
        """
        C: a1 SETMETADATA nowhere (/private/a "1")
        S: a1 NO [NONEXISTENT] ...
        C: a2 SETMETADATA "" (/shared/comment "x")
        S: a2 NO [NOPERM] ...
        C: a3 SETMETADATA INBOX (/private/a "1" /private/b "2" /private/c "3")
        S: a3 NO [METADATA TOOMANY] ...
        C: a4 GETMETADATA INBOX /private/a
        S: * METADATA INBOX (/private/a NIL)
        S: a4 OK ...
        C: a5 SETMETADATA INBOX (/other/a "1")
        S: a5 BAD ...
        C: a6 SETMETADATA INBOX (/private/a* "1")
        S: a6 BAD ...
        C: a7 SETMETADATA INBOX (/private//a "1")
        S: a7 BAD ...
        C: a8 SETMETADATA INBOX ()
        S: a8 BAD ...
        C: a9 GETMETADATA INBOX
        S: a9 BAD ...
        """,
        client,
    )
    long = (await client.do(b"SETMETADATA INBOX (/private/a {1025+}\r\n" + b"x" * 1025 + b")"))[-1]
    assert long.startswith("NO [METADATA MAXSIZE 1024]")


async def test_values_may_be_binary(world: World) -> None:
    client = await world.login()
    assert (await client.do(b"SETMETADATA INBOX (/private/a ~{3+}\r\na\0b)"))[-1].startswith("OK")
    await client.do("NOOP")
    client.octets()
    client.send(b"x GETMETADATA INBOX /private/a\r\n")
    await client.settle()
    assert b"* METADATA INBOX (/private/a ~{3}\r\na\0b)\r\n" in client.octets()


async def test_list_gives_annotations(world: World) -> None:
    client = await world.login()
    await client.do('SETMETADATA Sent (/shared/color "red")')
    lines = await client.do('LIST "" (INBOX Sent) RETURN (METADATA (/shared/color /private/none))')
    assert lines[:-1] == [
        '* LIST (\\HasNoChildren) "/" INBOX',
        "* METADATA INBOX (/shared/color NIL /private/none NIL)",
        '* LIST (\\HasNoChildren \\Sent) "/" Sent',
        '* METADATA Sent (/shared/color "red" /private/none NIL)',
    ]


async def test_an_expiry_policy_is_checked(world: World) -> None:
    client = await world.login()
    assert (await client.do(f'SETMETADATA Trash ({ENTRY} "days=30 only=read")'))[-1].startswith("OK")
    assert (await client.do(f'SETMETADATA Trash ({ENTRY} "sometimes")'))[-1].startswith("NO [CLIENTBUG]")
    info = await world.store.mailbox(world.account_id, "Trash")
    assert info is not None
    assert list(await world.store.expiring(0, 10)) == []
    assert list(await world.store.annotations(info.mailbox_id, 0)) == [(ENTRY, b"days=30 only=read")]
