"""The tree of deleted messages as IMAP clients see it: hidden, there to restore from, closed to everything else (STO-2)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.imap_dialogue import Client, World, message


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.start()
    yield made
    await made.stop()


async def names(client: Client, *arguments: str) -> list[str]:
    lines = await client.do("LIST " + " ".join(arguments))
    return [line.partition('"/" ')[2].strip('"') for line in lines if line.startswith("* LIST")]


async def expunged(world: World, mailbox: str = "INBOX", *subjects: str) -> Client:
    """A client that has deleted messages."""
    client = await world.login()
    for subject in subjects or ("one",):
        content = message(subject)
        await client.do(b"APPEND %b (\\Deleted \\Seen) {%d+}\r\n%b" % (mailbox.encode(), len(content), content))
    await client.do(f"SELECT {mailbox}")
    await client.do("EXPUNGE")
    return client


async def test_the_tree_is_hidden_unless_it_is_asked_for(world: World) -> None:
    client = await expunged(world)
    for pattern in ("*", "%", "D*", "*INBOX*"):
        assert not [name for name in await names(client, '""', f'"{pattern}"') if name.startswith("Deleted")]
    tree = ["Deleted Messages", "Deleted Messages/INBOX"]
    assert await names(client, '""', '"Deleted Messages*"') == tree
    assert await names(client, '"Deleted Messages/"', "%") == tree[1:]
    assert await names(client, '""', '"Deleted Messages/INBOX"') == tree[1:]
    world.settings = world.settings.with_value("store.undelete_listed", value=True)
    assert set(tree) < set(await names(client, '""', "*"))


async def test_moving_back_restores(world: World) -> None:
    client = await expunged(world, "INBOX", "one", "two")
    lines = await client.do('SELECT "Deleted Messages/INBOX"')
    assert "* 2 EXISTS" in lines
    [row, _] = await client.do("FETCH 1 (FLAGS SAVEDATE)")
    assert "FLAGS (\\Seen)" in row
    assert (await client.do("UID MOVE 1 INBOX"))[-1].startswith("OK")
    assert (await client.do("COPY 1 Archive"))[-1].startswith("OK")
    assert (await client.do("STATUS INBOX (MESSAGES)"))[0] == "* STATUS INBOX (MESSAGES 1)"


async def test_a_deleted_mailbox_is_restored_by_rename(world: World) -> None:
    client = await world.login()
    await client.do("CREATE Work/2026")
    content = message()
    await client.do(b"APPEND Work/2026 {%d+}\r\n%b" % (len(content), content))
    await client.do("DELETE Work/2026")
    await client.do("DELETE Work")
    assert (await client.do('RENAME "Deleted Messages/Work" Work'))[-1].startswith("OK")
    assert (await client.do("STATUS Work/2026 (MESSAGES)"))[0] == "* STATUS Work/2026 (MESSAGES 1)"


async def test_nothing_else_can_be_put_there(world: World) -> None:
    client = await expunged(world)
    await world.play(
        """
        C: a1 CREATE "Deleted Messages/mine"
        S: a1 NO [NOPERM] ...
        C: a2 CREATE "Deleted Messages"
        S: a2 NO [NOPERM] ...
        C: a3 RENAME Archive "Deleted Messages/Archive"
        S: a3 NO [NOPERM] ...
        C: a4 APPEND "Deleted Messages/INBOX" {12+}
        C: Subject: x
        C:
        S: a4 NO [NOPERM] ...
        """.replace("Subject: x\n        C:", "12345678901"),
        client,
    )


async def test_expunging_there_is_final(world: World) -> None:
    client = await expunged(world, "INBOX", "one", "two")
    await client.do('SELECT "Deleted Messages/INBOX"')
    await client.do("STORE 1 +FLAGS (\\Deleted)")
    await client.do("EXPUNGE")
    assert (await client.do('STATUS "Deleted Messages/INBOX" (MESSAGES)'))[0].endswith("(MESSAGES 1)")
    assert (await client.do('DELETE "Deleted Messages/INBOX"'))[-1].startswith("OK")
    assert await names(client, '""', '"Deleted Messages*"') == ["Deleted Messages"]
    assert (await client.do('DELETE "Deleted Messages"'))[-1].startswith("OK")


async def test_notify_says_nothing_of_it(world: World) -> None:
    client = await world.login()
    await client.do("NOTIFY SET (personal (MailboxName MessageNew MessageExpunge FlagChange))")
    content = message()
    await client.do(b"APPEND INBOX (\\Deleted) {%d+}\r\n%b" % (len(content), content))
    other = await world.login()
    await other.do("SELECT INBOX")
    await other.do("EXPUNGE")
    told = [line for line in await client.do("NOOP") if "Deleted Messages" in line]
    await client.settle()
    assert not told
    assert b"Deleted Messages" not in client.octets()


async def test_with_undelete_off_nothing_is_kept(world: World) -> None:
    world.settings = world.settings.with_value("store.undelete_bytes", 0)
    client = await expunged(world)
    assert await names(client, '""', '"Deleted Messages*"') == []
