"""QUOTA over IMAP: roots, resources, what happens at the limit (RFC 9208, STO-5)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.model.address import Address
from posthouse.model.limits import Limits, UserTerms
from support.imap_dialogue import LOGIN, Client, World, message


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.start()
    yield made
    await made.stop()


async def limit(world: World, **limits: int) -> None:
    await world.limits.put_user_terms(Address.parse(LOGIN), UserTerms("", Limits(**limits)))


async def append(client: Client, mailbox: str, content: bytes) -> str:
    return (await client.do(b"APPEND %b {%d+}\r\n%b" % (mailbox.encode(), len(content), content)))[-1]


@pytest.mark.spec_part("IMP-1", "STO-5")
async def test_roots_and_resources(world: World) -> None:
    await limit(world, quota_bytes=10_240, quota_messages=5, quota_mailboxes=8)
    client = await world.login()
    await append(client, "INBOX", message() + b"x" * 1500)
    await world.play(
        f"""
        C: a1 GETQUOTAROOT inbox
        S: * QUOTAROOT INBOX {LOGIN}
        S: * QUOTA {LOGIN} (STORAGE 2 10 MESSAGE 1 5 MAILBOX 6 8)
        S: a1 OK ...
        C: a2 GETQUOTA {LOGIN}
        S: * QUOTA {LOGIN} (STORAGE 2 10 MESSAGE 1 5 MAILBOX 6 8)
        S: a2 OK ...
        C: a3 GETQUOTA ""
        S: a3 NO [NONEXISTENT] ...
        C: a4 GETQUOTA other@example.com
        S: a4 NO [NONEXISTENT] ...
        C: a5 GETQUOTAROOT nowhere
        S: a5 NO [NONEXISTENT] ...
        C: a6 SETQUOTA {LOGIN} (STORAGE 99999)
        S: a6 NO [NOPERM] ...
        C: a7 SETQUOTA {LOGIN} (STORAGE)
        S: a7 BAD ...
        C: a8 GETQUOTAROOT
        S: a8 BAD ...
        """,
        client,
    )


async def test_without_limits_a_mailbox_has_no_root(world: World) -> None:
    client = await world.login()
    assert (await client.do("GETQUOTAROOT INBOX"))[0] == "* QUOTAROOT INBOX"
    assert (await client.do(f"GETQUOTA {LOGIN}"))[-1].startswith("NO [NONEXISTENT]")


async def test_the_tree_of_deleted_messages_has_a_root_of_its_own(world: World) -> None:
    world.settings = world.settings.with_value("store.undelete_bytes", 1 << 20)
    client = await world.login()
    await append(client, "INBOX (\\Deleted)", message() + b"x" * 3000)
    await client.do("SELECT INBOX")
    await client.do("EXPUNGE")
    lines = await client.do('GETQUOTAROOT "Deleted Messages/INBOX"')
    assert lines[:2] == [
        '* QUOTAROOT "Deleted Messages/INBOX" "Deleted Messages"',
        '* QUOTA "Deleted Messages" (STORAGE 4 1024)',
    ]


async def test_a_tree_with_a_quota_is_a_further_root(world: World) -> None:
    await limit(world, quota_messages=100)
    client = await world.login()
    await client.do("CREATE Work/2026")
    info = await world.store.mailbox(world.account_id, "Work")
    assert info is not None
    await world.store.limit_tree(info.mailbox_id, 4096, 9)
    await append(client, "Work/2026", message())
    tree = "* QUOTA Work (STORAGE 1 4 MESSAGE 1 9)"
    assert await client.do("GETQUOTAROOT Work/2026") == [
        f"* QUOTAROOT Work/2026 {LOGIN} Work",
        f"* QUOTA {LOGIN} (MESSAGE 1 100)",
        tree,
        "OK GETQUOTAROOT completed",
    ]
    assert (await client.do("GETQUOTA Work"))[0] == tree
    assert (await client.do("GETQUOTAROOT INBOX"))[0] == f"* QUOTAROOT INBOX {LOGIN}"


async def test_growing_past_the_quota_is_refused_and_moving_is_not(world: World) -> None:
    await limit(world, quota_messages=2, quota_mailboxes=7)
    client = await world.login()
    assert (await append(client, "INBOX", message("one"))).startswith("OK")
    assert (await append(client, "INBOX", message("two"))).startswith("OK")
    assert (await append(client, "INBOX", message("three"))).startswith("NO [OVERQUOTA]")
    await world.play(
        """
        C: a1 CREATE one
        S: a1 OK ...
        C: a2 CREATE two
        S: a2 NO [OVERQUOTA] ...
        C: a3 EXAMINE INBOX
        """,
        client,
    )
    while not (await client.next_line()).startswith("a3 OK"):
        pass
    assert (await client.do("COPY 1 one"))[-1].startswith("NO [OVERQUOTA]")
    await client.do("SELECT INBOX")
    assert (await client.do("MOVE 1 one"))[-1].startswith("OK")


async def test_status_tells_what_expunging_would_free(world: World) -> None:
    client = await world.login()
    size = len(message("one"))
    await append(client, "INBOX (\\Deleted)", message("one"))
    await append(client, "INBOX", message("two"))
    assert (await client.do("STATUS INBOX (DELETED DELETED-STORAGE)"))[0] == (
        f"* STATUS INBOX (DELETED 1 DELETED-STORAGE {size})"
    )
    assert (await client.do("STATUS Sent (DELETED-STORAGE)"))[0] == "* STATUS Sent (DELETED-STORAGE 0)"
    lines = await client.do('LIST "" INBOX RETURN (STATUS (DELETED-STORAGE))')
    assert lines[1] == f"* STATUS INBOX (DELETED-STORAGE {size})"


async def test_the_capability_says_what_is_limited(world: World) -> None:
    client = await world.login()
    [line, _] = await client.do("CAPABILITY")
    assert {"QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE", "QUOTA=RES-MAILBOX", "METADATA"} <= set(line.split())
    assert "QUOTASET" not in line.split()
