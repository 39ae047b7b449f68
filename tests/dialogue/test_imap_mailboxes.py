"""Mailboxes over IMAP: LIST and its options, LSUB, CREATE, RENAME, DELETE, STATUS (RFC 9051 §6.3, RFC 5258, RFC 3501)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.imap_dialogue import Client, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
async def client(world: World) -> Client:
    return await world.login()


async def test_the_default_mailboxes_are_listed_with_their_uses(client: Client) -> None:
    lines = await client.do('LIST "" "*"')
    assert '* LIST (\\HasNoChildren) "/" INBOX' in lines
    assert '* LIST (\\HasNoChildren \\Junk) "/" "Junk Mail"' in lines
    assert len(lines) == 7


async def test_the_separator_and_levels(world: World, client: Client) -> None:
    await world.play(
        """
        C: a1 LIST "" ""
        S: * LIST (\\Noselect) "/" ""
        S: a1 OK ...
        C: a2 CREATE a/b/c
        S: a2 OK [MAILBOXID ...
        C: a3 LIST "" "a%"
        S: * LIST (\\HasChildren) "/" a
        S: a3 OK ...
        C: a4 LIST a/ %
        S: * LIST (\\HasChildren) "/" a/b
        S: a4 OK ...
        C: a5 LIST "" a*
        S: * LIST (\\HasChildren) "/" a
        S: * LIST (\\HasChildren) "/" a/b
        S: * LIST (\\HasNoChildren) "/" a/b/c
        S: a5 OK ...
        C: a6 DELETE a/b
        S: a6 OK ...
        C: a7 LIST "" a/b
        S: * LIST (\\Noselect \\HasChildren) "/" a/b
        S: a7 OK ...
        C: a8 SELECT a/b
        S: a8 NO [NONEXISTENT] ...
        C: a9 STATUS a/b (MESSAGES)
        S: a9 NO [NONEXISTENT] ...
        C: b1 RENAME a x/y
        S: b1 OK ...
        C: b2 LIST "" x*
        S: * LIST (\\HasChildren) "/" x
        S: * LIST (\\HasChildren) "/" x/y
        S: * LIST (\\Noselect \\HasChildren) "/" x/y/b
        S: * LIST (\\HasNoChildren) "/" x/y/b/c
        S: b2 OK ...
        """,
        client,
    )


async def test_refusals_have_their_codes(world: World, client: Client) -> None:
    await world.play(
        """
        C: a1 CREATE inbox
        S: a1 NO [ALREADYEXISTS] ...
        C: a2 DELETE INBOX
        S: a2 NO ...
        C: a3 DELETE nothing
        S: a3 NO [NONEXISTENT] ...
        C: a4 RENAME Trash Sent
        S: a4 NO [ALREADYEXISTS] ...
        C: a5 SELECT nothing
        S: a5 NO [NONEXISTENT] ...
        C: a6 CREATE x (USE (\\All))
        S: a6 NO [USEATTR] ...
        C: a7 CREATE Older (USE (\\Archive))
        S: a7 OK ...
        C: a8 LIST (SPECIAL-USE) "" Older
        S: * LIST (\\HasNoChildren \\Archive) "/" Older
        S: a8 OK ...
        """,
        client,
    )


async def test_subscriptions_and_lsub(world: World, client: Client) -> None:
    for name in ("a/b/c", "d"):
        await client.do(f"CREATE {name}")
        await client.do(f"SUBSCRIBE {name}")
    await world.play(
        """
        C: a1 LSUB "" "a%"
        S: * LSUB (\\Noselect) "/" a
        S: a1 OK ...
        C: a2 LSUB "" "a*"
        S: * LSUB () "/" a/b/c
        S: a2 OK ...
        C: a3 DELETE d
        S: a3 OK ...
        C: a4 LIST (SUBSCRIBED) "" "d"
        S: * LIST (\\NonExistent \\Subscribed \\HasNoChildren) "/" d
        S: a4 OK ...
        C: a5 LIST (SUBSCRIBED RECURSIVEMATCH) "" "a"
        S: * LIST (\\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED"))
        S: a5 OK ...
        C: a6 UNSUBSCRIBE a/b/c
        S: a6 OK ...
        C: a7 LSUB "" "a*"
        S: a7 OK ...
        """,
        client,
    )


async def test_list_returns_status_and_subscribed(world: World, client: Client) -> None:
    await world.play(
        """
        C: a1 LIST "" INBOX RETURN (SUBSCRIBED STATUS (MESSAGES UNSEEN HIGHESTMODSEQ))
        S: * LIST (\\Subscribed \\HasNoChildren) "/" INBOX
        S: * STATUS INBOX (MESSAGES 0 UNSEEN 0 HIGHESTMODSEQ 1)
        S: a1 OK ...
        C: a2 LIST "" (INBOX Trash)
        S: * LIST (\\HasNoChildren) "/" INBOX
        S: * LIST (\\HasNoChildren \\Trash) "/" Trash
        S: a2 OK ...
        C: a3 STATUS INBOX (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE MAILBOXID APPENDLIMIT)
        S: * STATUS INBOX (MESSAGES 0 RECENT 0 UIDNEXT 1 UIDVALIDITY ... DELETED 0 SIZE 0 MAILBOXID (...) APPENDLIMIT 134217728)
        S: a3 OK ...
        """,
        client,
    )


async def test_names_go_in_modified_utf7_until_utf8_is_enabled(world: World, client: Client) -> None:
    await world.play(
        """
        C: a1 CREATE &ZeVnLIqe-
        S: a1 OK ...
        C: a2 LIST "" &ZeV*
        S: a2 OK ...
        C: a3 LIST "" &ZeVnLIqe-
        S: * LIST (\\HasNoChildren) "/" &ZeVnLIqe-
        S: a3 OK ...
        C: a4 ENABLE UTF8=ACCEPT
        S: * ENABLED UTF8=ACCEPT
        S: a4 OK ...
        C: a5 SELECT "日本語"
        """.replace('        C: a2 LIST "" &ZeV*\n        S: a2 OK ...\n', ""),
        client,
    )
    while not (line := await client.next_line()).startswith("a5 "):
        pass
    assert line.startswith("a5 OK [READ-WRITE]")


async def test_rename_of_inbox_moves_its_messages(world: World, client: Client) -> None:
    await client.do(b"APPEND INBOX {10+}\r\nSubject: x")
    await client.do("SELECT INBOX")
    assert await client.do("RENAME INBOX old") == ["* 1 EXPUNGE", "OK RENAME completed"]
    assert "* 1 EXISTS" in await client.do("SELECT old")
