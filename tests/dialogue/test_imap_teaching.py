"""What IMAP clients say about spam reaches the steward: moves into and out of Junk Mail, $Junk and $NotJunk (CON-13)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.model.mailbox import NewMessage
from posthouse.model.teaching import TOPIC, Taught, taught_of
from support.imap_dialogue import Client, World, message


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.start()
    yield made
    await made.stop()


def listen(world: World) -> list[Taught]:
    heard: list[Taught] = []

    def hear(payload: object) -> None:
        assert isinstance(payload, dict)
        taught = taught_of(payload)
        assert taught is not None
        heard.append(taught)

    world.bus.subscribe(TOPIC, hear)
    return heard


async def put(client: Client, mailbox: str, *subjects: str, flags: str = "") -> None:
    for subject in subjects:
        content = message(subject)
        await client.do(b'APPEND "%b" (%b) {%d+}\r\n%b' % (mailbox.encode(), flags.encode(), len(content), content))


async def taught(world: World, client: Client, heard: list[Taught], *commands: str) -> list[tuple[str, tuple[int, ...], bool]]:
    """What the commands teach: mailbox, UIDs, spam."""
    await client.do("NOOP")
    heard.clear()
    for command in commands:
        lines = await client.do(command)
        assert lines[-1].startswith("OK"), lines
    await client.settle()
    names = {box.mailbox_id: box.name for box in await world.store.mailboxes(1)}
    assert {word.account_id for word in heard} <= {1}
    return [(names[word.mailbox_id], word.uids, word.spam) for word in heard]


@pytest.mark.parametrize("verb", ["MOVE", "COPY"])
async def test_into_junk_mail_is_spam_and_out_of_it_is_not(world: World, verb: str) -> None:
    heard, client = listen(world), await world.login()
    await put(client, "INBOX", "one", "two", "three")
    await client.do("SELECT INBOX")
    assert await taught(world, client, heard, f'UID {verb} 1,3 "Junk Mail"') == [("Junk Mail", (1, 2), True)]
    await client.do('SELECT "Junk Mail"')
    assert await taught(world, client, heard, f"{verb} 1 INBOX") == [("INBOX", (4,), False)]
    assert await taught(world, client, heard, f"UID {verb} 2 Archive") == [("Archive", (1,), False)]


async def test_throwing_junk_away_says_nothing(world: World) -> None:
    heard, client = listen(world), await world.login()
    await put(client, "Junk Mail", "one", "two")
    await put(client, "Trash", "three")
    await client.do('SELECT "Junk Mail"')
    assert await taught(world, client, heard, "MOVE 1 Trash", 'COPY 1 "Junk Mail"') == []
    await client.do("SELECT Trash")
    assert await taught(world, client, heard, 'UID MOVE 1 "Junk Mail"') == [("Junk Mail", (4,), True)]


async def test_junk_mail_is_known_by_its_use(world: World) -> None:
    heard, client = listen(world), await world.login()
    await client.do('RENAME "Junk Mail" Rubbish')
    await put(client, "INBOX", "one")
    await client.do("SELECT INBOX")
    assert await taught(world, client, heard, "MOVE 1 Rubbish") == [("Rubbish", (1,), True)]


async def test_what_is_appended_to_junk_mail_is_spam(world: World) -> None:
    heard, client = listen(world), await world.login()
    await put(client, "Junk Mail", "one")
    await put(client, "INBOX", "two")
    await client.settle()
    assert [(word.uids, word.spam) for word in heard] == [((1,), True)]


@pytest.mark.parametrize(
    ("flags", "spam"),
    [("$Junk", True), ("Junk", True), ("$NotJunk", False), ("NonJunk", False), ("$notjunk", False), ("$Junk $NotJunk", None),
     ("\\Flagged", None), ("Junkyard", None)],
)  # fmt: skip
async def test_keywords_say_it_too(world: World, flags: str, spam: bool | None) -> None:  # noqa: FBT001
    heard, client = listen(world), await world.login()
    await put(client, "INBOX", "one", "two")
    await client.do("SELECT INBOX")
    said = [] if spam is None else [("INBOX", (2,), spam)]
    assert await taught(world, client, heard, f"UID STORE 2 +FLAGS ({flags})") == said
    assert await taught(world, client, heard, f"UID STORE 2 -FLAGS.SILENT ({flags})") == []
    assert await taught(world, client, heard, f"STORE 2 FLAGS.SILENT (\\Seen {flags})") == said
    heard.clear()
    await put(client, "INBOX", "three", flags=flags)
    await client.settle()
    assert [word.spam for word in heard] == ([] if spam is None else [spam])


async def test_a_keyword_goes_before_the_mailbox(world: World) -> None:
    heard, client = listen(world), await world.login()
    await put(client, "Junk Mail", "one", flags="$NotJunk")
    await client.settle()
    assert [word.spam for word in heard] == [False]


async def test_nothing_is_told_where_training_is_off(world: World) -> None:
    world.settings = world.settings.with_value("antispam.train", value=False)
    heard, client = listen(world), await world.login()
    await put(client, "Junk Mail", "one", flags="$Junk")
    await client.settle()
    assert heard == []


async def test_many_messages_are_told_in_several_words(world: World) -> None:
    heard, client = listen(world), await world.login()
    box = await world.store.mailbox(1, "INBOX")
    assert box is not None
    await world.store.append(box.mailbox_id, [NewMessage(message("one"))] * 1201)
    await client.do("SELECT INBOX")
    words = await taught(world, client, heard, 'MOVE 1:* "Junk Mail"')
    assert [len(uids) for _, uids, _ in words] == [500, 500, 201]


def test_what_is_no_such_word_is_none() -> None:
    good = Taught(7, 8, (1, 2), True)
    assert taught_of(good.payload) == good
    for payload in ({}, {**good.payload, "uids": "1"}, {**good.payload, "uids": [1] * 501}, {**good.payload, "account": None}):
        assert taught_of(payload) is None
