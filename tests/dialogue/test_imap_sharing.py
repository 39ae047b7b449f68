"""Mailboxes shared between users over IMAP: rights, names, seen state, the ACL commands (RFC 4314, RFC 2342, RFC 8440;
STO-3)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.model.address import Address
from posthouse.model.expiry import ENTRY
from posthouse.model.namespaces import shared_account_id
from support.imap_dialogue import Client, World, message

WORK = '"Other Users/jane@example.com/Work"'


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    await world.add_user("omar@example.com")
    await world.add_user("lena@example.org")
    yield world
    await world.stop()


@pytest.fixture
async def jane(world: World) -> Client:
    client = await world.login()
    await client.do("CREATE Work")
    for subject in ("one", "two", "three"):
        await append(client, "Work", subject)
    return client


@pytest.fixture
async def omar(world: World, jane: Client) -> Client:
    return await world.login(user="omar@example.com")


async def append(client: Client, mailbox: str, subject: str, flags: str = "") -> str:
    content = message(subject)
    head = f"APPEND {mailbox} {flags + ' ' if flags else ''}{{{len(content)}+}}\r\n".encode()
    return (await client.do(head + content))[-1]


async def flags(client: Client, numbers: str = "1:*") -> list[str]:
    """The flags of the messages, in order."""
    return [line.partition("FLAGS ")[2].rstrip(")") + ")" for line in (await client.do(f"FETCH {numbers} FLAGS"))[:-1]]


async def share(jane: Client, rights: str, who: str = "omar@example.com", mailbox: str = "Work") -> None:
    assert (await jane.do(f"SETACL {mailbox} {who} {rights}"))[-1].startswith("OK")


async def listed(client: Client, pattern: str = "*") -> list[str]:
    return [line for line in (await client.do(f'LIST "" "{pattern}"'))[:-1] if "Other Users" in line or "Shared" in line]


async def test_a_mailbox_that_is_not_shared_is_not_there(world: World, omar: Client) -> None:
    """Nothing tells a hidden mailbox from one that does not exist (RFC 4314 §6)."""
    for name in (WORK, WORK.replace("Work", "Nothing"), WORK.replace("jane", "nobody"), "Shared/Nothing"):
        for command in ("SELECT {}", "EXAMINE {}", "STATUS {} (MESSAGES)", "DELETE {}", "GETACL {}", "SETACL {} omar lr",
                        "DELETEACL {} jane", "LISTRIGHTS {} omar", "MYRIGHTS {}", "RENAME {} Mine"):  # fmt: skip
            done = await omar.do(command.format(name))
            assert done == ["NO [NONEXISTENT] There is no such mailbox"], command
        assert (await append(omar, name, "x")) == "NO [TRYCREATE] There is no such mailbox"
        below = name.rstrip('"') + '/x"' if name.endswith('"') else name + "/x"
        assert await omar.do(f"CREATE {below}") == ["NO [NOPERM] You may not make mailboxes there"]
    assert await listed(omar) == []


async def test_a_shared_mailbox_is_listed_opened_and_read(world: World, jane: Client, omar: Client) -> None:
    await share(jane, "lr")
    await world.play(
        """
        C: a1 LIST "" "Other*"
        S: * LIST (\\NonExistent \\Noselect \\HasChildren) "/" "Other Users"
        S: * LIST (\\NonExistent \\Noselect \\HasChildren) "/" "Other Users/jane@example.com"
        S: * LIST (\\HasNoChildren) "/" "Other Users/jane@example.com/Work"
        S: a1 OK ...
        C: a2 LIST "" "Other Users/%/%" RETURN (MYRIGHTS STATUS (MESSAGES UNSEEN))
        S: * LIST (\\HasNoChildren) "/" "Other Users/jane@example.com/Work"
        S: * MYRIGHTS "Other Users/jane@example.com/Work" lr
        S: * STATUS "Other Users/jane@example.com/Work" (MESSAGES 3 UNSEEN 3)
        S: a2 OK ...
        C: a3 SELECT "Other Users/jane@example.com/Work"
        S: * FLAGS (...)
        S: * OK [PERMANENTFLAGS ()] ...
        S: * 3 EXISTS
        S: * 0 RECENT
        S: * OK [UIDVALIDITY ...
        S: * OK [UIDNEXT 4] ...
        S: * OK [HIGHESTMODSEQ ...
        S: * OK [MAILBOXID ...
        S: * OK [URLMECH ...
        S: * OK [UNSEEN 1] ...
        S: a3 OK [READ-ONLY] ...
        C: a4 FETCH 2 (BODY[HEADER.FIELDS (SUBJECT)])
        S: * 2 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {16}
        S: Subject: two
        S:
        S: )
        S: a4 OK ...
        C: a5 STORE 1 +FLAGS (\\Seen)
        S: a5 NO ...
        C: a6 EXPUNGE
        S: a6 NO ...
        C: a7 MOVE 1 INBOX
        S: a7 NO ...
        C: a8 COPY 1 INBOX
        S: a8 OK [COPYUID ...
        """,
        omar,
    )


async def test_what_a_right_is_missing_for_is_refused_by_name(jane: Client, omar: Client) -> None:
    await share(jane, "l")
    for command in (f"SELECT {WORK}", f"STATUS {WORK} (MESSAGES)", f"DELETE {WORK}", f"GETACL {WORK}", f"RENAME {WORK} Mine",
                    f"SETACL {WORK} omar +r", f"LISTRIGHTS {WORK} omar"):  # fmt: skip
        (answer,) = await omar.do(command)
        assert answer.startswith("NO [NOPERM]"), command
    assert (await append(omar, WORK, "x")).startswith("NO [NOPERM]")
    assert await omar.do(f"MYRIGHTS {WORK}") == [f"* MYRIGHTS {WORK} l", "OK MYRIGHTS completed"]


async def test_each_flag_asks_for_its_own_right(jane: Client, omar: Client) -> None:
    await share(jane, "lrs")
    assert any("PERMANENTFLAGS (\\Seen)" in line for line in await omar.do(f"SELECT {WORK}"))
    assert (await omar.do("STORE 1 +FLAGS (\\Flagged)"))[-1].startswith("NO [NOPERM]")
    assert (await omar.do("STORE 1 +FLAGS ($Work)"))[-1].startswith("NO [NOPERM]")
    assert (await omar.do("STORE 1 +FLAGS (\\Seen \\Flagged \\Deleted)")) == [
        "* 1 FETCH (FLAGS (\\Seen))",
        "OK STORE completed",
    ]
    await share(jane, "+w")
    done = await omar.do("NOOP")
    assert any(
        "PERMANENTFLAGS (\\Answered \\Flagged \\Seen \\Draft $Forwarded $MDNSent $Junk $NotJunk $Phishing \\*)" in line
        for line in done
    ), done
    await omar.do("STORE 1 +FLAGS (\\Flagged \\Deleted $Work)")
    assert await flags(omar) == ["(\\Flagged \\Seen $Work)", "()", "()"]
    assert (await omar.do("STORE 1 FLAGS (\\Draft)"))[-1].startswith("OK")
    assert await flags(omar, "1") == ["(\\Draft)"]
    await share(jane, "+t")
    await omar.do("STORE 1 +FLAGS (\\Deleted)")
    assert (await omar.do("EXPUNGE"))[-1].startswith("NO [NOPERM]")
    await omar.do("CLOSE")
    assert "* 3 EXISTS" in await jane.do("SELECT Work"), "CLOSE without the right to expunge leaves them"
    await share(jane, "+e")
    await omar.do(f"SELECT {WORK}")
    assert (await omar.do("EXPUNGE"))[0] == "* 1 EXPUNGE"


async def test_replacing_flags_leaves_those_alone_that_one_may_not_change(jane: Client, omar: Client) -> None:
    await jane.do("SELECT Work")
    await jane.do("STORE 1 FLAGS (\\Deleted \\Flagged)")
    await share(jane, "lrs")
    await omar.do(f"SELECT {WORK}")
    await omar.do("STORE 1 FLAGS (\\Seen)")
    assert await flags(omar, "1") == ["(\\Flagged \\Deleted \\Seen)"]
    assert await flags(jane, "1") == ["(\\Flagged \\Deleted)"]


async def test_everyone_has_their_own_seen_state(world: World, jane: Client, omar: Client) -> None:
    await share(jane, "lrs", "anyone")
    lena = await world.login(user="lena@example.org")
    for client, name in ((omar, WORK), (lena, WORK), (jane, "Work")):
        await client.do(f"SELECT {name}")
    await jane.do("STORE 1 +FLAGS (\\Seen)")
    await omar.do("FETCH 2 (BODY[TEXT])")
    await lena.do("STORE 2:3 +FLAGS.SILENT (\\Seen)")
    assert await flags(jane) == ["(\\Seen)", "()", "()"]
    assert await flags(omar) == ["()", "(\\Seen)", "()"]
    assert await flags(lena) == ["()", "(\\Seen)", "(\\Seen)"]
    assert await omar.do(f"STATUS {WORK} (UNSEEN)") == [f"* STATUS {WORK} (UNSEEN 2)", "OK STATUS completed"]
    assert (await lena.do("SEARCH UNSEEN"))[0] == "* SEARCH 1"
    await lena.do("STORE 2 -FLAGS (\\Seen)")
    assert await flags(lena) == ["()", "()", "(\\Seen)"]
    assert await flags(omar) == ["()", "(\\Seen)", "()"]
    assert await jane.do("STATUS Work (UNSEEN)") == ["* STATUS Work (UNSEEN 2)", "OK STATUS completed"]


async def test_a_readers_other_session_is_told_of_its_seen_state_and_condstore_holds(
    world: World, jane: Client, omar: Client
) -> None:
    await share(jane, "lrs")
    again = await world.login(user="omar@example.com")
    for client in (omar, again):
        await client.do(f"SELECT {WORK} (CONDSTORE)")
    before = (await omar.do("FETCH 3 (MODSEQ)"))[0]
    await again.do("FETCH 1:* FLAGS")
    (told, done) = await omar.do("STORE 2 +FLAGS (\\Seen)")
    assert "\\Seen" in told
    assert done.startswith("OK")
    assert "* 2 FETCH (UID 2 FLAGS (\\Seen)" in (await again.do("NOOP"))[0]
    since = before.partition("MODSEQ (")[2].partition(")")[0]
    assert (await again.do(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {since})"))[:-1] == [told.replace(" (UID 2 ", " (")]
    assert "[MODIFIED 2]" in (await again.do(f"STORE 2 (UNCHANGEDSINCE {since}) -FLAGS (\\Seen)"))[-1]


async def test_messages_that_come_and_go_are_told_to_readers(jane: Client, omar: Client) -> None:
    await share(jane, "lrs")
    await omar.do(f"SELECT {WORK}")
    await omar.do("STORE 1:3 +FLAGS (\\Seen)")
    await append(jane, "Work", "four", "(\\Seen)")
    assert (await omar.do("NOOP"))[0] == "* 4 EXISTS"
    assert await flags(omar) == ["(\\Seen)", "(\\Seen)", "(\\Seen)", "()"]
    await jane.do("SELECT Work")
    await jane.do("STORE 2 +FLAGS (\\Deleted)")
    await jane.do("EXPUNGE")
    assert "* 2 EXPUNGE" in await omar.do("NOOP")
    assert await omar.do(f"STATUS {WORK} (MESSAGES UNSEEN)") == [
        f"* STATUS {WORK} (MESSAGES 3 UNSEEN 1)",
        "OK STATUS completed",
    ]


async def test_idle_tells_a_reader(world: World, jane: Client, omar: Client) -> None:
    await share(jane, "lrs")
    await omar.do(f"SELECT {WORK}")
    await world.play("C: i IDLE\nS: + idling", omar)
    await append(jane, "Work", "four")
    await world.play("S: * 4 EXISTS\nC: DONE\nS: i OK ...", omar)


async def test_a_right_that_is_taken_away_is_gone_at_the_next_command(jane: Client, omar: Client) -> None:
    await share(jane, "lrs")
    await omar.do(f"SELECT {WORK}")
    await omar.do("FETCH 1 FLAGS")
    await share(jane, "l")
    assert await omar.do("FETCH 1 FLAGS") == [
        "* OK [CLOSED] The mailbox is closed",
        "NO [NOPERM] You may not do that with this mailbox",
    ]
    assert (await omar.do("FETCH 1 FLAGS"))[-1].startswith("BAD")
    await share(jane, "+r")
    await omar.do(f"SELECT {WORK}")
    assert (await jane.do("DELETEACL Work omar@example.com"))[-1].startswith("OK")
    assert await omar.do("NOOP") == ["* OK [CLOSED] The mailbox is closed", "OK Completed"]
    assert await listed(omar) == []


async def test_an_idling_session_without_the_right_to_read_ends_instead_of_telling(
    world: World, jane: Client, omar: Client
) -> None:
    await share(jane, "lrs")
    await omar.do(f"SELECT {WORK}")
    await world.play("C: i IDLE\nS: + idling", omar)
    await share(jane, '""')
    await append(jane, "Work", "secret")
    assert (await omar.next_line()).startswith("* BYE")
    assert omar.octets() == b""


async def test_inserting_and_copying_into_a_shared_mailbox(jane: Client, omar: Client) -> None:
    await share(jane, "lrsi")
    assert (await append(omar, WORK, "four", "(\\Seen \\Flagged $Work)")).startswith("OK [APPENDUID")
    await append(omar, "INBOX", "five", "(\\Seen \\Flagged)")
    await append(omar, "INBOX", "six")
    await omar.do("SELECT INBOX")
    assert (await omar.do(f"COPY 1:2 {WORK}"))[-1].startswith("OK [COPYUID")
    await omar.do(f"SELECT {WORK}")
    assert await flags(omar, "4:6") == ["(\\Seen)", "(\\Seen)", "()"], "only what one may set there"
    await jane.do("SELECT Work")
    assert await flags(jane, "4:6") == ["()", "()", "()"], "the owner has not seen them"
    await jane.do("STORE 6 +FLAGS (\\Seen \\Flagged)")
    assert (await omar.do("COPY 4,6 INBOX"))[-1].startswith("OK")
    await omar.do("SELECT INBOX")
    assert await flags(omar, "3:4") == ["(\\Seen)", "(\\Flagged)"], "the copies are as their reader saw them"


async def test_moving_out_asks_for_the_rights_to_delete(jane: Client, omar: Client) -> None:
    await share(jane, "lrt")
    await omar.do(f"SELECT {WORK}")
    assert (await omar.do("MOVE 1 INBOX"))[-1].startswith("NO [NOPERM]")
    await share(jane, "+e")
    assert (await omar.do("MOVE 1 INBOX"))[-1].startswith("OK")
    assert "* 2 EXISTS" in await jane.do("SELECT Work")


async def test_replace_in_a_shared_mailbox(jane: Client, omar: Client) -> None:
    content = message("better")
    command = b"REPLACE 1 %b (\\Seen) {%d+}\r\n%b" % (WORK.encode(), len(content), content)
    await share(jane, "lrsi")
    await omar.do(f"SELECT {WORK}")
    assert (await omar.do(command))[-1].startswith("NO [NOPERM]")
    await share(jane, "+te")
    assert (await omar.do(command))[-1].startswith("OK")
    assert await flags(omar) == ["()", "()", "(\\Seen)"]
    await jane.do("SELECT Work")
    assert await flags(jane) == ["()", "()", "()"]


async def test_making_renaming_and_deleting_below_a_shared_mailbox(jane: Client, omar: Client) -> None:
    await share(jane, "lrk")
    below = WORK[:-1] + '/Sub"'
    assert (await omar.do(f"CREATE {below}"))[-1].startswith("OK")
    assert "lrk" in (await omar.do(f"MYRIGHTS {below}"))[0], "it begins with the rights of the one above"
    assert (await omar.do(f"DELETE {below}"))[-1].startswith("NO [NOPERM]")
    assert (await omar.do(f'RENAME {below} {below[:-1]}2"'))[-1].startswith("NO [NOPERM]")
    await share(jane, "+x", mailbox="Work/Sub")
    assert (await omar.do(f"RENAME {below} Mine"))[-1].startswith("NO [CANNOT]")
    renamed = below[:-1] + '2"'
    assert (await omar.do(f"RENAME {below} {renamed}"))[-1].startswith("OK")
    assert "lrkx" in (await omar.do(f"MYRIGHTS {renamed}"))[0], "renaming keeps the rights"
    assert (await omar.do(f"DELETE {renamed}"))[-1].startswith("OK")
    assert 'LIST (\\HasNoChildren) "/" Work' in (await jane.do('LIST "" "Work*"'))[0]
    await jane.do("CREATE Work/Sub2")
    await jane.do("DELETE Work")
    assert (await omar.do(f"MYRIGHTS {WORK}"))[-1].startswith("NO [NONEXISTENT]"), "deleting ends what was shared"
    await jane.do("DELETE Work/Sub2")
    await jane.do("DELETE Work")
    await jane.do("CREATE Work")
    assert await listed(omar) == [], "a new mailbox of that name is not shared"


async def test_the_acl_commands(world: World, jane: Client) -> None:
    await world.play(
        """
        C: a1 GETACL INBOX
        S: * ACL INBOX jane@example.com lrswipkxteacd
        S: a1 OK ...
        C: a2 SETACL INBOX omar lrs
        S: a2 OK ...
        C: a3 SETACL INBOX -lena@example.org wd
        S: a3 OK ...
        C: a4 SETACL INBOX domain:example.org +l
        S: a4 OK ...
        C: a5 SETACL INBOX omar@example.com -s
        S: a5 OK ...
        C: a6 SETACL INBOX omar@example.com +ic
        S: a6 OK ...
        C: a7 GETACL inbox
        S: * ACL INBOX jane@example.com lrswipkxteacd -lena@example.org wted domain:example.org l omar@example.com lrikxc
        S: a7 OK ...
        C: a8 LISTRIGHTS INBOX omar
        S: * LISTRIGHTS INBOX omar "" l r s w i p k x t e a c d
        S: a8 OK ...
        C: a9 LISTRIGHTS INBOX jane@example.com
        S: * LISTRIGHTS INBOX jane@example.com lrswipkxteacd
        S: a9 OK ...
        C: b1 MYRIGHTS INBOX
        S: * MYRIGHTS INBOX lrswipkxteacd
        S: b1 OK ...
        C: b2 DELETEACL INBOX omar
        S: b2 OK ...
        C: b3 DELETEACL INBOX -lena@example.org
        S: b3 OK ...
        C: b4 SETACL INBOX domain:example.org ""
        S: b4 OK ...
        C: b5 GETACL INBOX
        S: * ACL INBOX jane@example.com lrswipkxteacd
        S: b5 OK ...
        C: b6 SETACL INBOX nobody lr
        S: b6 NO [NONEXISTENT] ...
        C: b7 SETACL INBOX omar lrz
        S: b7 BAD ...
        C: b8 SETACL INBOX jane l
        S: b8 NO [CANNOT] ...
        C: b9 SETACL INBOX domain:nowhere.test l
        S: b9 NO [NONEXISTENT] ...
        C: c1 SETACL Nothing omar lr
        S: c1 NO [NONEXISTENT] ...
        C: c2 DELETEACL INBOX someone@example.net
        S: c2 OK ...
        C: c3 LIST "" INBOX RETURN (MYRIGHTS)
        S: * LIST (\\HasNoChildren) "/" INBOX
        S: * MYRIGHTS INBOX lrswipkxteacd
        S: c3 OK ...
        """,
        jane,
    )


async def test_who_holds_a_may_share_on(world: World, jane: Client, omar: Client) -> None:
    await share(jane, "lra")
    assert (await omar.do(f"SETACL {WORK} lena@example.org lr"))[-1].startswith("OK")
    lena = await world.login(user="lena@example.org")
    assert (await lena.do(f"SELECT {WORK}"))[-1].startswith("OK [READ-ONLY]")
    assert (await omar.do(f"GETACL {WORK}"))[0] == (
        f"* ACL {WORK} jane@example.com lrswipkxteacd lena@example.org lr omar@example.com lra"
    )
    assert (await omar.do(f"SETACL {WORK} jane l"))[-1].startswith("NO [CANNOT]")


async def test_groups_domains_and_rights_taken_away(world: World, jane: Client, omar: Client) -> None:
    await world.directory.put_alias(Address.parse("inner@example.com"), [Address.parse("omar@example.com")])
    await world.directory.put_alias(Address.parse("team@example.com"), [Address.parse("inner@example.com")])
    lena = await world.login(user="lena@example.org")
    await share(jane, "lr", "$team")
    assert (await omar.do(f"MYRIGHTS {WORK}"))[0] == f"* MYRIGHTS {WORK} lr", "a list's member by way of another list"
    assert (await lena.do(f"MYRIGHTS {WORK}"))[0].startswith("NO")
    assert "group:team@example.com lr" in (await jane.do("GETACL Work"))[0]
    await share(jane, "lrs", "domain:example.org")
    assert (await lena.do(f"MYRIGHTS {WORK}"))[0] == f"* MYRIGHTS {WORK} lrs"
    await share(jane, "r", "-lena@example.org")
    assert (await lena.do(f"MYRIGHTS {WORK}"))[0] == f"* MYRIGHTS {WORK} ls"
    assert (await lena.do(f"SELECT {WORK}"))[-1].startswith("NO [NOPERM]")
    assert (await jane.do("DELETEACL Work team"))[-1].startswith("OK")
    assert (await omar.do(f"MYRIGHTS {WORK}"))[0].startswith("NO")


async def test_subscriptions_to_others_mailboxes(world: World, jane: Client, omar: Client) -> None:
    await share(jane, "lr")
    await omar.do(f"SUBSCRIBE {WORK}")
    await world.play(
        """
        C: a1 LSUB "" "Other*"
        S: * LSUB () "/" "Other Users/jane@example.com/Work"
        S: a1 OK ...
        C: a2 LIST (SUBSCRIBED) "" "Other*"
        S: * LIST (\\Subscribed \\HasNoChildren) "/" "Other Users/jane@example.com/Work"
        S: a2 OK ...
        """,
        omar,
    )
    await jane.do("DELETEACL Work omar")
    assert (await omar.do('LIST (SUBSCRIBED) "" "Other*"'))[0].startswith("* LIST (\\NonExistent \\Subscribed")
    assert (await omar.do(f"UNSUBSCRIBE {WORK}"))[-1].startswith("OK")


async def test_the_shared_tree_of_a_domain(world: World, jane: Client, omar: Client) -> None:
    domain = await world.directory.domain("example.com")
    assert domain is not None
    tree = shared_account_id(domain.domain_id)
    news = await world.store.create(tree, "News/Company")
    above = await world.store.mailbox(tree, "News")
    assert above is not None
    assert len(await world.store.mailboxes(tree)) == 2, "a shared tree has no INBOX"
    assert await listed(omar) == []
    await world.store.set_acl(news.mailbox_id, "domain:example.com", "replace", "lrsi")
    assert await listed(omar, "%") == ['* LIST (\\NonExistent \\Noselect \\HasChildren) "/" Shared']
    assert '* LIST (\\HasNoChildren) "/" Shared/News/Company' in await listed(omar)
    assert (await append(omar, "Shared/News/Company", "party")).startswith("OK")
    await jane.do("SELECT Shared/News/Company")
    await jane.do("STORE 1 +FLAGS (\\Seen)")
    assert (await omar.do("STATUS Shared/News/Company (UNSEEN)"))[0].endswith("(UNSEEN 1)")
    assert (await jane.do("STATUS Shared/News/Company (UNSEEN)"))[0].endswith("(UNSEEN 0)")
    lena = await world.login(user="lena@example.org")
    assert (await lena.do("SELECT Shared/News/Company"))[-1].startswith("NO [NONEXISTENT]")
    await world.store.set_acl(news.mailbox_id, "lena@example.org", "replace", "lr")
    assert '* LIST (\\HasNoChildren) "/" Shared/@example.com/News/Company' in await listed(lena)
    assert (await lena.do("SELECT Shared/@example.com/News/Company"))[-1].startswith("OK")
    assert (await omar.do("CREATE Shared/Mine"))[-1].startswith("NO [NOPERM]")
    assert (await omar.do("CREATE Shared"))[-1].startswith("NO [NOPERM]")


async def test_ones_own_tree_by_its_long_name(jane: Client) -> None:
    assert "* 3 EXISTS" in await jane.do(f"SELECT {WORK}")
    assert (await jane.do(f"MYRIGHTS {WORK}"))[0].endswith("lrswipkxteacd")
    assert (await jane.do(f"STATUS {WORK} (MESSAGES)"))[0].endswith("(MESSAGES 3)")


async def test_attack_who_may_not_delete_anothers_messages_cannot_have_them_expire(jane: Client, omar: Client) -> None:
    """A mailbox shared for reading and marking was emptied by way of its annotation."""
    await share(jane, "lrsw")
    command = f'SETMETADATA {WORK} ({ENTRY} "keep=1")'
    assert await omar.do(command) == ["NO [NOPERM] You may not do that with this mailbox"]
    assert (await omar.do(f'SETMETADATA {WORK} (/shared/comment "mine" {ENTRY} NIL)'))[-1].startswith("NO [NOPERM]")
    assert (await omar.do(f'SETMETADATA {WORK} (/shared/comment "mine")'))[-1].startswith("OK")
    await share(jane, "lrswte")
    assert (await omar.do(command))[-1].startswith("OK")
