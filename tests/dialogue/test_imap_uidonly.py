"""UIDONLY: no message number goes out or comes in any more (RFC 9586). MESSAGELIMIT (RFC 9738), INPROGRESS (RFC 9585)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from posthouse.model.mailbox import MessageFacts, NewMessage
from posthouse.model.settings import Settings
from support.imap_dialogue import Client, World, message

pytestmark = pytest.mark.spec_part("IMP-1")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


async def filled(world: World, count: int) -> Client:
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    await world.store.append(inbox.mailbox_id, [NewMessage(message(f"m{n}")) for n in range(count)])
    client = await world.login()
    await client.do("SELECT INBOX")
    return client


async def test_answers_name_messages_by_uid(world: World) -> None:
    one, two = await filled(world, 4), await world.login()
    await two.do("SELECT INBOX")
    await two.do("STORE 1 +FLAGS (\\Deleted)")
    await two.do("EXPUNGE")
    assert (await one.do("ENABLE UIDONLY"))[:2] == ["* ENABLED UIDONLY", "* VANISHED 1"]
    await world.play(
        """
        C: a2 UID FETCH 1:* (FLAGS)
        S: * 2 UIDFETCH (FLAGS ())
        S: * 3 UIDFETCH (FLAGS ())
        S: * 4 UIDFETCH (FLAGS ())
        S: a2 OK ...
        C: a3 UID FETCH 3 (UID RFC822.SIZE)
        S: * 3 UIDFETCH (UID 3 RFC822.SIZE ...)
        S: a3 OK ...
        C: a4 UID FETCH 4 BODY[HEADER.FIELDS (SUBJECT)]
        S: * 4 UIDFETCH (BODY[HEADER.FIELDS (SUBJECT)] {15}
        S: Subject: m3
        S:
        S:  FLAGS (\\Seen))
        S: a4 OK ...
        C: a5 UID FETCH 4 BODY.PEEK[TEXT]<0.2>
        S: * 4 UIDFETCH (BODY[TEXT]<0> {2}
        S: Hi)
        S: a5 OK ...
        C: a6 UID STORE 2 +FLAGS (\\Deleted)
        S: * 2 UIDFETCH (FLAGS (\\Deleted))
        S: a6 OK ...
        C: a7 EXPUNGE
        S: * VANISHED 2
        S: a7 OK ...
        C: a8 UID SEARCH 1:4
        S: a8 BAD [UIDREQUIRED] ...
        C: a9 UID SEARCH NOT (OR SEEN 1)
        S: a9 BAD [UIDREQUIRED] ...
        C: b1 UID SEARCH RETURN (SAVE ALL) UNSEEN
        S: * ESEARCH (TAG "b1") UID ALL 3
        S: b1 OK ...
        C: b2 UID FETCH $ FLAGS
        S: * 3 UIDFETCH (FLAGS ())
        S: b2 OK ...
        """,
        one,
    )


@pytest.mark.parametrize(
    "command",
    ["FETCH 1 FLAGS", "STORE 1 +FLAGS (\\Seen)", "COPY 1 Trash", "MOVE 1 Trash", "SEARCH ALL", "SORT (DATE) UTF-8 ALL",
     "THREAD REFERENCES UTF-8 ALL", "REPLACE 1 INBOX {1+}\r\nx", "UID SORT (DATE) UTF-8 1", "UID THREAD REFERENCES UTF-8 *"],
)  # fmt: skip
async def test_commands_with_message_numbers_are_refused(world: World, command: str) -> None:
    client = await filled(world, 2)
    await client.do("ENABLE UIDONLY")
    assert (await client.do(command))[-1].startswith("BAD [UIDREQUIRED] ")


async def test_changes_by_others_come_by_uid_in_idle(world: World) -> None:
    one, two = await filled(world, 3), await world.login()
    await one.do("ENABLE UIDONLY CONDSTORE")
    one.send(b"i IDLE\r\n")
    assert await one.next_line() == "+ idling"
    await two.do("SELECT INBOX")
    await two.do("STORE 3 +FLAGS (\\Flagged)")
    assert await one.next_line() == "* 3 UIDFETCH (FLAGS (\\Flagged) MODSEQ (3))"
    await two.do("UID MOVE 2 Trash")
    assert await one.next_line() == "* VANISHED 2"


async def test_qresync_with_known_numbers_is_refused(world: World) -> None:
    client = await filled(world, 2)
    await client.do("ENABLE UIDONLY QRESYNC")
    found = await client.do("SELECT INBOX (QRESYNC (1 1 1:2 (1,2 1,2)))")
    assert found[-1].startswith("BAD [UIDREQUIRED]")


async def test_unauthenticate_turns_it_off(world: World) -> None:
    client = await filled(world, 1)
    await client.do("ENABLE UIDONLY")
    await client.do("UNAUTHENTICATE")
    await client.do("LOGIN jane@example.com secret")
    await client.do("SELECT INBOX")
    assert (await client.do("FETCH 1 UID"))[0] == "* 1 FETCH (UID 1)"


async def test_no_limit_is_announced_unless_one_is_set(world: World) -> None:
    client = await filled(world, 1)
    assert "MESSAGELIMIT" not in (await client.do("CAPABILITY"))[0]
    world.settings = Settings().with_value("imap.message_limit", 3)
    assert " MESSAGELIMIT=3" in (await client.do("CAPABILITY"))[0]


async def test_commands_about_more_than_the_limit(world: World) -> None:
    client = await filled(world, 5)
    world.settings = Settings().with_value("imap.message_limit", 2)
    await world.play(
        """
        C: a1 FETCH 1:* UID
        S: * 4 FETCH (UID 4)
        S: * 5 FETCH (UID 5)
        S: a1 OK [MESSAGELIMIT 2 4] ...
        C: a2 UID STORE 1:* +FLAGS.SILENT (\\Deleted)
        S: a2 OK [MESSAGELIMIT 2 4] ...
        C: a3 SEARCH ALL
        S: * SEARCH 4 5
        S: a3 OK [MESSAGELIMIT 2 4] ...
        C: a4 COPY 1:3 Trash
        S: a4 NO [MESSAGELIMIT 2] ...
        C: a5 UID EXPUNGE 1:*
        S: * 5 EXPUNGE
        S: * 4 EXPUNGE
        S: a5 OK [MESSAGELIMIT 2 4] ...
        C: a6 MOVE 1:3 Trash
        S: * OK [COPYUID ... 2:3 1:2] ...
        S: * 3 EXPUNGE
        S: * 2 EXPUNGE
        S: a6 OK [MESSAGELIMIT 2 2] ...
        C: a7 APPEND INBOX {1+}
        C: x {1+}
        C: x {1+}
        C: x
        S: a7 NO [MESSAGELIMIT 2] ...
        C: a8 FETCH 1 UID
        S: * 1 FETCH (UID 1)
        S: a8 OK FETCH completed
        """,
        client,
    )


@pytest.mark.parametrize("command", ["SORT (DATE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", "SEARCH SENTSINCE 1-Jan-2020"])
async def test_long_commands_say_how_far_they_are(world: World, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    client = await filled(world, 600)
    facts = world.store.facts

    async def slow(mailbox_id: int, uids: Sequence[int]) -> Sequence[MessageFacts]:
        world.clock.advance(8.0)
        return await facts(mailbox_id, uids)

    monkeypatch.setattr(world.store, "facts", slow)
    client.number = 6
    found = await client.do(command)
    assert found[0].startswith('* OK [INPROGRESS ("t7" 512 600)] ')
    assert found[-1].startswith("OK ")
    assert "INPROGRESS" in (await client.do("CAPABILITY"))[0]
