"""NOTIFY as scripts: events of all mailboxes without being asked (RFC 5465)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.model.mailbox import NewMessage
from support.imap_dialogue import Client, World, message

pytestmark = pytest.mark.spec_part("IMP-1", "IMP-2")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


async def pair(world: World) -> tuple[Client, Client]:
    return await world.login(), await world.login()


async def put(world: World, name: str, count: int = 1) -> None:
    box = await world.store.mailbox(world.account_id, name)
    assert box is not None
    await world.store.append(box.mailbox_id, [NewMessage(message(f"m{n}")) for n in range(count)])


async def test_messages_of_other_mailboxes_come_as_status(world: World) -> None:
    one, two = await pair(world)
    await two.do("CREATE work/plans")
    await two.do("CREATE private")
    await world.play(
        """
        C: a1 NOTIFY SET (SUBTREE work (MessageNew MessageExpunge FlagChange)) (MAILBOXES (Drafts) (MessageNew MessageExpunge))
        S: a1 OK NOTIFY completed
        C2: b1 APPEND private {1+}
        C2: x
        S2: b1 OK ...
        C2: b2 APPEND work/plans {1+}
        C2: x
        S2: b2 OK ...
        S: * STATUS work/plans (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ... UNSEEN 1)
        C2: b3 APPEND Drafts (\\Deleted) {1+}
        C2: x
        S2: b3 OK ...
        S: * STATUS Drafts (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ... UNSEEN 1)
        C2: b4 SELECT work/plans
        """,
        one,
        two,
    )
    while not (await two.next_line()).startswith("b4 OK"):
        pass
    await two.do("STORE 1 +FLAGS (\\Seen)")
    assert (await one.next_line()).startswith("* STATUS work/plans (MESSAGES 1 UIDNEXT 2 ")
    await two.do("SELECT Drafts")
    await two.do("STORE 1 +FLAGS (\\Flagged)")  # Drafts is watched without FlagChange
    await two.do("EXPUNGE")
    assert (await one.next_line()).startswith("* STATUS Drafts (MESSAGES 0 UIDNEXT 2 ")
    assert await one.do("NOOP") == ["OK Completed"]


async def test_the_first_group_that_fits_decides(world: World) -> None:
    one, two = await pair(world)
    await one.do("NOTIFY SET (MAILBOXES Sent NONE) (PERSONAL (MessageNew MessageExpunge))")
    await two.do("APPEND Sent {1+}\r\nx")
    await two.do("APPEND Trash {1+}\r\nx")
    assert (await one.next_line()).startswith("* STATUS Trash ")


async def test_condstore_adds_the_mod_sequence(world: World) -> None:
    one, two = await pair(world)
    await one.do("ENABLE CONDSTORE")
    await one.do("NOTIFY SET (INBOXES (MessageNew MessageExpunge))")
    await two.do("APPEND Trash {1+}\r\nx")
    await two.do("APPEND INBOX {1+}\r\nx")
    assert (await one.next_line()).startswith("* STATUS INBOX ") and one.transport.sent.count(b"HIGHESTMODSEQ 2)") == 1


async def test_status_of_all_is_told_at_once_when_asked(world: World) -> None:
    one, _ = await pair(world)
    await put(world, "Sent", 2)
    await one.do("SELECT Trash")
    found = await one.do("NOTIFY SET STATUS (MAILBOXES (Sent Trash Drafts) (MessageNew MessageExpunge)) (SELECTED NONE)")
    assert [line.split()[2] for line in found[:-1]] == ["Drafts", "Sent"]
    assert "(MESSAGES 2 UIDNEXT 3 " in found[1]


async def next_name(client: Client) -> str:
    """The next line, but for those about the tree of deleted messages, which comes and goes by itself."""
    while "Deleted Messages" in (line := await client.next_line()):
        pass
    return line


async def test_names_that_come_go_and_change(world: World) -> None:
    one, two = await pair(world)
    await one.do("NOTIFY SET (PERSONAL (MailboxName SubscriptionChange))")
    await two.do("CREATE a/b")
    assert await next_name(one) == '* LIST (\\HasChildren) "/" a'
    assert await next_name(one) == '* LIST (\\HasNoChildren) "/" a/b'
    await two.do("RENAME a/b c")
    assert await next_name(one) == '* LIST (\\HasNoChildren) "/" c ("OLDNAME" (a/b))'
    await two.do("SUBSCRIBE c")
    assert await next_name(one) == '* LIST (\\HasNoChildren \\Subscribed) "/" c'
    await two.do("UNSUBSCRIBE c")
    assert await next_name(one) == '* LIST (\\HasNoChildren) "/" c'
    await two.do("SUBSCRIBE later")
    assert await next_name(one) == '* LIST (\\NonExistent \\Subscribed) "/" later'
    await two.do("DELETE c")
    assert await next_name(one) == '* LIST (\\NonExistent) "/" c'
    await two.do("CREATE a/b")
    assert await next_name(one) == '* LIST (\\HasNoChildren) "/" a/b'
    await two.do("DELETE a")
    assert await next_name(one) == '* LIST (\\Noselect \\HasChildren) "/" a'


async def test_the_selected_mailbox_is_told_between_commands(world: World) -> None:
    one, two = await pair(world)
    await put(world, "INBOX", 3)
    await one.do("SELECT INBOX")
    await two.do("SELECT INBOX")
    await one.do("NOTIFY SET (SELECTED (MessageNew (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)]) MessageExpunge FlagChange))")
    await two.do("STORE 2 +FLAGS (\\Deleted)")
    assert await one.next_line() == "* 2 FETCH (UID 2 FLAGS (\\Deleted))"
    await two.do("EXPUNGE")
    assert await one.next_line() == "* 2 EXPUNGE"
    await put(world, "INBOX")
    assert [await one.next_line() for _ in range(4)] == [
        "* 3 EXISTS", "* 3 FETCH (UID 4 BODY[HEADER.FIELDS (SUBJECT)] {15}", "Subject: m0", "",
    ]  # fmt: skip
    assert await one.next_line() == ")"
    assert (await one.do("FETCH 3 FLAGS"))[0] == "* 3 FETCH (FLAGS ())"


async def test_delayed_expunges_wait_for_a_command_that_allows_them(world: World) -> None:
    one, two = await pair(world)
    await put(world, "INBOX", 3)
    await one.do("SELECT INBOX")
    await two.do("SELECT INBOX")
    await one.do("NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))")
    await two.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert await one.next_line() == "* 1 FETCH (UID 1 FLAGS (\\Deleted))"
    await two.do("EXPUNGE")
    await put(world, "INBOX")
    assert await one.next_line() == "* 4 EXISTS"
    assert (await one.do("FETCH 1:2 UID"))[:-1] == ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)"]
    assert (await one.do("NOOP"))[0] == "* 1 EXPUNGE"


async def test_the_selected_mailbox_is_never_told_as_status(world: World) -> None:
    one, two = await pair(world)
    await one.do("SELECT INBOX")
    await one.do("NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge)) (PERSONAL (MessageNew MessageExpunge))")
    await two.do("APPEND INBOX {1+}\r\nx")
    assert await one.next_line() == "* 1 EXISTS"
    await two.do("APPEND Trash {1+}\r\nx")
    assert (await one.next_line()).startswith("* STATUS Trash ")
    await one.do("UNSELECT")
    await two.do("APPEND INBOX {1+}\r\nx")
    assert (await one.next_line()).startswith("* STATUS INBOX (MESSAGES 2 ")


async def test_none_ends_it_and_so_does_a_new_set(world: World) -> None:
    one, two = await pair(world)
    await one.do("NOTIFY SET (PERSONAL (MessageNew MessageExpunge))")
    await one.do("NOTIFY NONE")
    await two.do("APPEND Trash {1+}\r\nx")
    await one.settle()
    assert await one.do("NOOP") == ["OK Completed"]
    await one.do("NOTIFY SET (PERSONAL (MessageNew MessageExpunge))")
    await one.do("NOTIFY SET (MAILBOXES Sent (MessageNew MessageExpunge))")
    await two.do("APPEND Trash {1+}\r\nx")
    await two.do("APPEND Sent {1+}\r\nx")
    assert (await one.next_line()).startswith("* STATUS Sent ")


async def test_notices_also_come_in_idle_and_stop_with_unauthenticate(world: World) -> None:
    one, two = await pair(world)
    await one.do("NOTIFY SET (SUBSCRIBED (MessageNew MessageExpunge))")
    one.send(b"i IDLE\r\n")
    assert await one.next_line() == "+ idling"
    await two.do("APPEND Trash {1+}\r\nx")
    assert (await one.next_line()).startswith("* STATUS Trash ")
    one.send(b"DONE\r\n")
    assert (await one.next_line()).startswith("i OK")
    await one.do("UNAUTHENTICATE")
    await two.do("APPEND Trash {1+}\r\nx")
    await one.settle()
    assert await one.do("NOOP") == ["OK Completed"]


async def test_a_command_under_way_is_never_mixed_with_notices(world: World) -> None:
    one, two = await pair(world)
    await put(world, "INBOX", 30)
    await one.do("SELECT INBOX")
    await one.do("NOTIFY SET (SELECTED (MessageNew MessageExpunge)) (PERSONAL (MessageNew MessageExpunge))")
    one.send(b"".join(b"f%d FETCH 1:* (FLAGS ENVELOPE)\r\n" % n for n in range(10)))
    for _ in range(10):
        two.send(b"x APPEND Trash {1+}\r\nx\r\n")
    lines: list[str] = []
    while not lines or not lines[-1].startswith("f9 OK"):
        lines.append(await one.next_line())
    inside = False
    for line in lines:
        assert line.startswith(("* ", "f"))
        if line.startswith("* STATUS"):
            assert not inside, "a notice stands inside a command's answer"
        elif line.startswith("* "):
            inside = not line.endswith("EXISTS")
        else:
            inside = False


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("NOTIFY", "BAD"),
        ("NOTIFY SET", "BAD"),
        ("NOTIFY SET ()", "BAD"),
        ("NOTIFY MAYBE", "BAD"),
        ("NOTIFY SET (PERSONAL ())", "BAD"),
        ("NOTIFY SET (PERSONAL (MessageNew))", "BAD"),
        ("NOTIFY SET (PERSONAL (FlagChange))", "BAD"),
        ("NOTIFY SET (SELECTED (MailboxName))", "BAD"),
        ("NOTIFY SET (WORLD (MailboxName))", "BAD"),
        ("NOTIFY SET (SUBTREE (MailboxName))", "BAD"),
        ("NOTIFY SET (PERSONAL (MessageNew (UID) MessageExpunge))", "BAD"),
        ("NOTIFY SET (PERSONAL (Earthquake))", "NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName"),
        ("NOTIFY SET (PERSONAL (AnnotationChange MessageNew MessageExpunge))", "NO [BADEVENT ("),
        ("notify set status (personal none)", "OK"),
        ('NOTIFY SET (MAILBOXES "INBOX" (messagenew messageexpunge)) (SUBTREE (a b) NONE)', "OK"),
    ],
)
async def test_what_is_asked_for_wrongly_is_refused(world: World, command: str, answer: str) -> None:
    client = await world.login()
    assert (await client.do(command))[-1].startswith(answer)


# --- mailboxes of others


async def shared(world: World, rights: str = "lrsw") -> tuple[Client, Client]:
    """Omar, and Jane whose Work he may see."""
    await world.add_user("omar@example.com")
    omar, jane = await world.login(user="omar@example.com"), await world.login()
    await jane.do("CREATE Work/Plans")
    await jane.do("CREATE Private")
    if rights:
        await jane.do(f"SETACL Work omar@example.com {rights}")
    return omar, jane


async def test_changes_of_others_mailboxes_are_told_with_ones_own_unseen(world: World) -> None:
    omar, jane = await shared(world)
    await world.play(
        """
        C: a1 NOTIFY SET STATUS (SUBTREE "Other Users" (MessageNew MessageExpunge FlagChange))
        S: * STATUS "Other Users/jane@example.com/Work" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ... UNSEEN 0)
        S: a1 OK NOTIFY completed
        C2: b1 APPEND Private {1+}
        C2: x
        S2: b1 OK ...
        C2: b2 APPEND Work (\\Seen) {1+}
        C2: x
        S2: b2 OK ...
        S: * STATUS "Other Users/jane@example.com/Work" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ... UNSEEN 1)
        """,
        omar,
        jane,
    )
    await jane.do("SELECT Work")
    await jane.do("STORE 1 +FLAGS (\\Deleted)")
    assert "MESSAGES 1" in await omar.next_line()
    await jane.do("EXPUNGE")
    assert "MESSAGES 0 UIDNEXT 2" in await omar.next_line()


async def test_what_is_shared_renamed_and_taken_away_is_told_as_it_happens(world: World) -> None:
    omar, jane = await shared(world, "")
    await omar.do('NOTIFY SET (SUBTREE ("Other Users" Shared) (MailboxName MessageNew MessageExpunge))')
    await jane.do("SETACL Work omar@example.com lr")
    work = '"Other Users/jane@example.com/Work"'
    assert await omar.next_line() == f'* LIST (\\HasNoChildren) "/" {work}'
    await jane.do("APPEND Work {1+}\r\nx")
    assert (await omar.next_line()).startswith(f"* STATUS {work} (MESSAGES 1 ")
    await jane.do("RENAME Work Job")
    assert await omar.next_line() == f'* LIST (\\HasNoChildren) "/" "Other Users/jane@example.com/Job" ("OLDNAME" ({work}))'
    await jane.do("CREATE Job/New")
    assert await omar.next_line() == '* LIST (\\HasNoChildren) "/" "Other Users/jane@example.com/Job/New"'
    await jane.do("DELETEACL Job omar@example.com")
    assert await omar.next_line() == '* LIST (\\NonExistent) "/" "Other Users/jane@example.com/Job"'
    await jane.do("APPEND Job {1+}\r\nx")
    assert await omar.do("NOOP") == ["OK Completed"]


async def test_attack_no_count_is_told_of_what_may_only_be_looked_up(world: World) -> None:
    omar, jane = await shared(world, "l")
    told = await omar.do('NOTIFY SET STATUS (SUBTREE "Other Users" (MessageNew MessageExpunge))')
    assert told == ["OK NOTIFY completed"]
    await jane.do("APPEND Work {1+}\r\nx")
    assert await omar.do("NOOP") == ["OK Completed"]
    await jane.do("SETACL Work omar@example.com lr")
    await jane.do("APPEND Work {1+}\r\nx")
    assert "MESSAGES 2" in await omar.next_line()


async def test_ones_own_filters_do_not_reach_into_others_trees_and_subscriptions_do(world: World) -> None:
    omar, jane = await shared(world)
    await omar.do("NOTIFY SET (PERSONAL (MessageNew MessageExpunge))")
    await jane.do("APPEND Work {1+}\r\nx")
    assert await omar.do("NOOP") == ["OK Completed"]
    await omar.do('SUBSCRIBE "Other Users/jane@example.com/Work"')
    await omar.do("NOTIFY SET (SUBSCRIBED (MessageNew MessageExpunge))")
    await jane.do("APPEND Work {1+}\r\nx")
    assert "Work" in await omar.next_line()
    await omar.do("NOTIFY NONE")
    await jane.do("APPEND Work {1+}\r\nx")
    assert await omar.do("NOOP") == ["OK Completed"]
