"""Searches and sorts that go on, as scripts: CONTEXT=SEARCH, CONTEXT=SORT (RFC 5267)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.model.mailbox import NewMessage
from support.imap_dialogue import Client, World, message

pytestmark = pytest.mark.spec_part("IMP-1")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


async def add(world: World, *subjects: str) -> None:
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    await world.store.append(inbox.mailbox_id, [NewMessage(message(one), (), 1_700_000_000.0) for one in subjects])


async def filled(world: World, *subjects: str) -> tuple[Client, Client]:
    """Two clients with INBOX selected."""
    await add(world, *subjects)
    clients = await world.login(), await world.login()
    for client in clients:
        await client.do("SELECT INBOX")
    return clients


async def test_both_are_announced(world: World) -> None:
    client = await world.login()
    lines = "".join(await client.do("CAPABILITY"))
    assert {"CONTEXT=SEARCH", "CONTEXT=SORT", "ESORT"} <= set(lines.split())


async def test_what_comes_to_match_and_what_does_no_more_is_told_by_uid(world: World) -> None:
    await world.play(
        """
        C: b1 UID SEARCH RETURN (UPDATE COUNT) FLAGGED
        S: * ESEARCH (TAG "b1") UID COUNT 0
        S: b1 OK SEARCH completed
        C: b2 UID STORE 2,4 +FLAGS.SILENT (\\Flagged)
        S: * ESEARCH (TAG "b1") UID ADDTO (0 2,4)
        S: b2 OK ...
        C2: c1 STORE 1 +FLAGS (\\Flagged)
        S2: * 2 FETCH (UID 2 FLAGS (\\Flagged))
        S2: * 4 FETCH (UID 4 FLAGS (\\Flagged))
        S2: * 1 FETCH (FLAGS (\\Flagged))
        S2: c1 OK ...
        C2: c2 STORE 4 -FLAGS.SILENT (\\Flagged)
        S2: c2 OK ...
        C: b3 NOOP
        S: * 1 FETCH (UID ... FLAGS (\\Flagged))
        S: * 4 FETCH (UID ... FLAGS ())
        S: * ESEARCH (TAG "b1") UID REMOVEFROM (0 4) ADDTO (0 1)
        S: b3 OK ...
        C: b4 CANCELUPDATE "b1"
        S: b4 OK ...
        C2: c3 STORE 3 +FLAGS.SILENT (\\Flagged)
        S2: c3 OK ...
        C: b5 NOOP
        S: * 3 FETCH (UID ... FLAGS (\\Flagged))
        S: b5 OK ...
        C: b6 CANCELUPDATE "b1"
        S: b6 BAD ...
        """,
        *(await filled(world, "one", "two", "three", "four")),
    )


async def test_numbers_are_right_when_they_are_told_before_expunges_and_after_new_messages(world: World) -> None:
    first, second = await filled(world, "keep", "drop", "keep", "drop", "keep")
    await first.do("SEARCH RETURN (UPDATE ALL) SUBJECT drop")
    await world.play(
        """
        C: b1 SEARCH RETURN (UPDATE) SUBJECT keep
        S: * ESEARCH (TAG "b1")
        S: b1 OK ...
        C2: c1 STORE 1:2 +FLAGS.SILENT (\\Deleted)
        S2: c1 OK ...
        C2: c2 EXPUNGE
        S2: * 2 EXPUNGE
        S2: * 1 EXPUNGE
        S2: c2 OK ...
        C2: c3 APPEND INBOX {21+}
        C2: Subject: keep it
        C2:
        C2:
        S2: * 4 EXISTS
        S2: c3 OK ...
        C: b2 NOOP
        S: * ESEARCH (TAG "...") REMOVEFROM (0 2)
        S: * ESEARCH (TAG "b1") REMOVEFROM (0 1)
        S: * 2 EXPUNGE
        S: * 1 EXPUNGE
        S: * 4 EXISTS
        S: * ESEARCH (TAG "b1") ADDTO (0 4)
        S: b2 OK ...
        """,
        first,
        second,
    )


async def test_a_sort_that_goes_on_tells_places(world: World) -> None:
    first, second = await filled(world, "b", "d", "f", "d")
    await world.play(
        """
        C: b1 UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 UNDELETED
        S: * ESEARCH (TAG "b1") UID ALL 1:2,4,3
        S: b1 OK ...
        C: b2 UID STORE 2,4 +FLAGS.SILENT (\\Deleted)
        S: * ESEARCH (TAG "b1") UID REMOVEFROM (2 2,4)
        S: b2 OK ...
        """,
        first,
        second,
    )
    await add(world, "c", "e", "a")
    await second.do("NOOP")
    await world.play(
        """
        C: b3 NOOP
        S: * 7 EXISTS
        S: * ESEARCH (TAG "b1") UID ADDTO (1 7 3 5:6)
        S: b3 OK ...
        C: b4 UID STORE 2 -FLAGS.SILENT (\\Deleted)
        S: * ESEARCH (TAG "b1") UID ADDTO (4 2)
        S: b4 OK ...
        C2: c1 UID EXPUNGE 4
        S2: * 4 EXPUNGE
        S2: * 2 FETCH (UID 2 FLAGS ())
        S2: c1 OK ...
        C2: c2 UID STORE 3,5 +FLAGS.SILENT (\\Deleted)
        S2: c2 OK ...
        C: b5 NOOP
        S: * 4 EXPUNGE
        S: * 3 FETCH (UID ... FLAGS (\\Deleted))
        S: * 4 FETCH (UID ... FLAGS (\\Deleted))
        S: * ESEARCH (TAG "b1") UID REMOVEFROM (6 3 3 5)
        S: b5 OK ...
        """,
        first,
        second,
    )


async def test_updates_come_during_idle(world: World) -> None:
    first, second = await filled(world, "one")
    await first.do("UID SEARCH RETURN (CONTEXT UPDATE COUNT) UNSEEN")
    await world.play(
        """
        C: b2 IDLE
        S: + ...
        C2: c1 STORE 1 +FLAGS.SILENT (\\Seen)
        S2: c1 OK ...
        S: * 1 FETCH (UID ... FLAGS (\\Seen))
        S: * ESEARCH (TAG "...") UID REMOVEFROM (0 1)
        C: DONE
        S: b2 OK ...
        """,
        first,
        second,
    )


async def test_a_tag_names_one_and_other_mailboxes_none(world: World) -> None:
    await world.play(
        """
        C: b1 SEARCH RETURN (UPDATE COUNT) ALL
        S: * ESEARCH (TAG "b1") COUNT 1
        S: b1 OK ...
        C: b1 SEARCH RETURN (UPDATE COUNT) ALL
        S: b1 BAD Tag reuse
        C: b2 EXAMINE Sent
        S: * OK [CLOSED] ...
        S: * FLAGS ...
        S: * OK [PERMANENTFLAGS ()] ...
        S: * 0 EXISTS
        S: * 0 RECENT
        S: * OK [UIDVALIDITY ...
        S: * OK [UIDNEXT ...
        S: * OK [HIGHESTMODSEQ ...
        S: * OK [MAILBOXID ...
        S: * OK [URLMECH ...
        S: b2 OK ...
        C: b3 CANCELUPDATE "b1"
        S: b3 BAD ...
        C: b1 SEARCH RETURN (UPDATE COUNT) ALL
        S: * ESEARCH (TAG "b1") COUNT 0
        S: b1 OK ...
        """,
        *(await filled(world, "one")),
    )


@pytest.mark.parametrize("keys", ["1:2", "OLDER 100", "NOT (OR SEEN 2)", "UID 1:*", "$"])
async def test_what_cannot_go_on_is_said_and_answered_once(world: World, keys: str) -> None:
    first, second = await filled(world, "one", "two")
    await world.play(
        f"""
        C: b1 SEARCH RETURN (UPDATE COUNT) {keys}
        S: * NO [NOUPDATE "b1"] ...
        S: * ESEARCH (TAG "b1") COUNT ...
        S: b1 OK ...
        """,
        first,
        second,
    )


async def test_too_many_are_refused_one_by_one_and_one_more_may_begin_when_one_ends(world: World) -> None:
    first, _ = await filled(world, "one")
    for number in range(16):
        assert not any("NOUPDATE" in line for line in await first.do(f"UID SEARCH RETURN (UPDATE) SUBJECT {number}"))
    said = await first.do("UID SEARCH RETURN (UPDATE COUNT) ALL")
    assert "NOUPDATE" in said[0]
    assert "COUNT 1" in said[1]
