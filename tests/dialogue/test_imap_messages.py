"""FETCH, STORE, SEARCH, COPY, MOVE, EXPUNGE, APPEND as scripts (RFC 9051 §6.4 and the extensions at each)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from posthouse.model.mailbox import NewMessage
from support.imap_dialogue import Client, World, message

MULTIPART = (
    b"From: a@b.example\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\naMOpbGxv\r\n"
    b"--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--x--\r\n"
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.stop()


async def filled(world: World, *contents: bytes) -> Client:
    """A client with INBOX selected, holding these messages."""
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    await world.store.append(inbox.mailbox_id, [NewMessage(one, (), 1_700_000_000.0) for one in contents])
    client = await world.login()
    await client.do("SELECT INBOX")
    return client


async def test_fetch_of_flags_and_facts(world: World) -> None:
    client = await filled(world, message("one"), message("two"), message("three"))
    size = len(message("two"))
    await world.play(
        f"""
        C: a1 FETCH 1:* (UID FLAGS)
        S: * 1 FETCH (UID 1 FLAGS ())
        S: * 2 FETCH (UID 2 FLAGS ())
        S: * 3 FETCH (UID 3 FLAGS ())
        S: a1 OK FETCH completed
        C: a2 UID FETCH 2,9 (RFC822.SIZE INTERNALDATE)
        S: * 2 FETCH (UID 2 RFC822.SIZE {size} INTERNALDATE "14-Nov-2023 22:13:20 +0000")
        S: a2 OK ...
        C: a3 FETCH 3 ENVELOPE
        S: * 3 FETCH (ENVELOPE ("Tue, 24 Nov 2026 02:00:00 +0000" "three" (("Ann" NIL "ann" "example.org")) ...))
        S: a3 OK ...
        C: a4 FETCH 9 FLAGS
        S: a4 BAD ...
        C: a5 UID FETCH 99:* FLAGS
        S: * 3 FETCH (UID 3 FLAGS ())
        S: a5 OK ...
        C: a6 FETCH 1 (EMAILID THREADID SAVEDATE)
        S: * 1 FETCH (EMAILID (M...) THREADID (T...) SAVEDATE "...")
        S: a6 OK ...
        """,
        client,
    )


async def test_an_empty_mailbox_has_nothing_to_fetch(world: World) -> None:
    client = await filled(world)
    for command in ("FETCH 1:* FLAGS", "UID FETCH 1:* FLAGS", "FETCH * FLAGS", "STORE 1:* +FLAGS (\\Seen)"):
        assert [line[:3] for line in await client.do(command)] == ["OK "]
    assert (await client.do("FETCH 1 FLAGS"))[-1].startswith("BAD ")


async def test_pipelined_commands_are_answered_in_order(world: World) -> None:
    client = await filled(world, message())
    client.send(b"".join(b"p%d NOOP\r\n" % n for n in range(100)))
    assert [(await client.next_line()).split()[0] for _ in range(100)] == [f"p{n}" for n in range(100)]


async def test_a_body_that_is_fetched_becomes_seen_and_a_peek_does_not(world: World) -> None:
    client = await filled(world, message("one", "Hello\r\n"), message("two"))
    await world.play(
        """
        C: a1 FETCH 1 BODY.PEEK[TEXT]
        S: * 1 FETCH (BODY[TEXT] {7}
        S: Hello
        S: )
        S: a1 OK ...
        C: a2 FETCH 1 BODY[TEXT]<1.3>
        S: * 1 FETCH (BODY[TEXT]<1> {3}
        S: ell FLAGS (\\Seen))
        S: a2 OK ...
        C: a3 FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]
        S: * 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {16}
        S: Subject: one
        S:
        S: )
        S: a3 OK ...
        C: a4 EXAMINE INBOX
        """,
        client,
    )
    while not (await client.next_line()).startswith("a4 OK [READ-ONLY]"):
        pass
    await world.play(
        """
        C: a5 FETCH 2 (BODY[TEXT] FLAGS)
        S: * 2 FETCH (BODY[TEXT] {...}
        S: Hi there.
        S:  FLAGS ())
        S: a5 OK ...
        C: a6 STORE 2 +FLAGS (\\Seen)
        S: a6 NO ...read only
        C: a7 EXPUNGE
        S: a7 NO ...read only
        """,
        client,
    )


async def test_parts_binary_and_preview(world: World) -> None:
    client = await filled(world, MULTIPART)
    await world.play(
        """
        C: a1 FETCH 1 (BINARY.PEEK[2] BINARY.SIZE[1])
        S: * 1 FETCH (BINARY[2] ~{3}
        S: \0\x01\x02 BINARY.SIZE[1] 6)
        S: a1 OK ...
        C: a2 FETCH 1 (BODY.PEEK[3] BODY.PEEK[2.MIME])
        S: * 1 FETCH (BODY[3] NIL BODY[2.MIME] {...}
        S: Content-Type: application/octet-stream
        S: Content-Transfer-Encoding: base64
        S:
        S: )
        S: a2 OK ...
        C: a3 FETCH 1 PREVIEW
        S: * 1 FETCH (PREVIEW {6}
        S: héllo)
        S: a3 OK ...
        """,
        client,
    )


async def test_store_answers_and_silence(world: World) -> None:
    client = await filled(world, message(), message("b"))
    await world.play(
        """
        C: a1 STORE 1 +FLAGS (\\Seen $Work)
        S: * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work $Forwarded $MDNSent $Junk $NotJunk $Phishing)
        S: * OK [PERMANENTFLAGS (\\Answered ... \\Draft $Work $Forwarded ... $Junk $NotJunk $Phishing \\*)] ...
        S: * 1 FETCH (FLAGS (\\Seen $Work))
        S: a1 OK ...
        C: a2 STORE 1:2 -FLAGS.SILENT (\\Seen)
        S: a2 OK ...
        C: a3 UID STORE 2 FLAGS (\\Flagged)
        S: * 2 FETCH (UID 2 FLAGS (\\Flagged))
        S: a3 OK ...
        C: a4 FETCH 1:2 FLAGS
        S: * 1 FETCH (FLAGS ($Work))
        S: * 2 FETCH (FLAGS (\\Flagged))
        S: a4 OK ...
        """,
        client,
    )


async def test_conditional_store(world: World) -> None:
    client = await filled(world, message(), message("b"))
    await world.play(
        """
        C: a1 FETCH 1 MODSEQ
        S: * 1 FETCH (MODSEQ (2))
        S: a1 OK ...
        C: a2 STORE 2 +FLAGS (\\Seen)
        S: * 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (3))
        S: a2 OK ...
        C: a3 STORE 1:2 (UNCHANGEDSINCE 2) +FLAGS.SILENT (\\Flagged)
        S: * 1 FETCH (UID 1 MODSEQ (4))
        S: a3 OK [MODIFIED 2] ...
        C: a4 SEARCH MODSEQ 4
        S: * SEARCH 1 (MODSEQ 4)
        S: a4 OK ...
        C: a5 FETCH 1:* (FLAGS) (CHANGEDSINCE 3)
        S: * 1 FETCH (FLAGS (\\Flagged) MODSEQ (4))
        S: a5 OK ...
        """,
        client,
    )


async def test_search_in_its_forms(world: World) -> None:
    client = await filled(world, message("apple"), message("pear", "a Banana\r\n"), message("=?utf-8?q?caf=C3=A9?="))
    await world.play(
        """
        C: a1 SEARCH UNSEEN
        S: * SEARCH 1 2 3
        S: a1 OK ...
        C: a2 SEARCH SUBJECT APPLE
        S: * SEARCH 1
        S: a2 OK ...
        C: a3 SEARCH BODY banana NOT SUBJECT apple
        S: * SEARCH 2
        S: a3 OK ...
        C: a4 UID SEARCH RETURN (MIN MAX COUNT ALL) OR SUBJECT apple SUBJECT pear
        S: * ESEARCH (TAG "a4") UID MIN 1 MAX 2 ALL 1:2 COUNT 2
        S: a4 OK ...
        C: a5 SEARCH CHARSET UTF-8 SUBJECT {5+}
        C: café
        S: * SEARCH 3
        S: a5 OK ...
        C: a6 SEARCH CHARSET KLINGON SUBJECT x
        S: a6 NO [BADCHARSET (US-ASCII UTF-8)] ...
        C: a7 SEARCH RETURN (SAVE) SUBJECT pear
        S: a7 OK ...
        C: a8 FETCH $ UID
        S: * 2 FETCH (UID 2)
        S: a8 OK ...
        C: a9 SEARCH RETURN (PARTIAL -1:-2) ALL
        S: * ESEARCH (TAG "a9") PARTIAL (-1:-2 2:3)
        S: a9 OK ...
        C: b1 SEARCH RETURN (COUNT) $ SEEN
        S: * ESEARCH (TAG "b1") COUNT 0
        S: b1 OK ...
        C: b2 SEARCH FROM ann@example.org TEXT "hi there"
        S: * SEARCH 1 3
        S: b2 OK ...
        C: b3 SEARCH SENTON 24-Nov-2026 SINCE 1-Nov-2023 SMALLER 100000
        S: * SEARCH 1 2 3
        S: b3 OK ...
        C: b4 SEARCH KEYWORD nothing
        S: * SEARCH
        S: b4 OK ...
        """,
        client,
    )


async def test_copy_move_and_uid_expunge(world: World) -> None:
    client = await filled(world, *(message(str(n)) for n in range(5)))
    await world.play(
        """
        C: a1 COPY 1:2 missing
        S: a1 NO [TRYCREATE] ...
        C: a2 COPY 1:2 Archive
        S: a2 OK [COPYUID ... 1:2 1:2] ...
        C: a3 UID MOVE 2,4 Trash
        S: * OK [COPYUID ... 2,4 1:2] ...
        S: * 4 EXPUNGE
        S: * 2 EXPUNGE
        S: a3 OK ...
        C: a4 STORE 1:3 +FLAGS.SILENT (\\Deleted)
        S: a4 OK ...
        C: a5 UID EXPUNGE 2:3
        S: * 2 EXPUNGE
        S: a5 OK ...
        C: a6 EXPUNGE
        S: * 2 EXPUNGE
        S: * 1 EXPUNGE
        S: a6 OK ...
        C: a7 STATUS Archive (MESSAGES UIDNEXT UNSEEN SIZE)
        S: * STATUS Archive (MESSAGES 2 UIDNEXT 3 UNSEEN 2 SIZE ...)
        S: a7 OK ...
        """,
        client,
    )


async def test_close_expunges_in_silence(world: World) -> None:
    client = await filled(world, message(), message())
    await client.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert await client.do("CLOSE") == ["OK CLOSE completed"]
    assert "* 1 EXISTS" in await client.do("SELECT INBOX")


async def test_append_with_flags_date_and_many(world: World) -> None:
    client = await filled(world)
    one, two = message("one"), message("two")
    lines = await client.do(
        b'APPEND INBOX (\\Seen $X) "01-Feb-2020 10:00:00 +0100" {%d+}\r\n%b {%d+}\r\n%b' % (len(one), one, len(two), two)
    )
    assert lines[0] == "* 2 EXISTS"
    assert lines[-1].startswith("OK [APPENDUID ") and lines[-1].split("]")[0].endswith("1:2")
    assert (await client.do("FETCH 1 (FLAGS INTERNALDATE)"))[0] == (
        '* 1 FETCH (FLAGS (\\Seen $X) INTERNALDATE "01-Feb-2020 09:00:00 +0000")'
    )
    assert (await client.do(b"APPEND missing {3+}\r\nabc"))[-1].startswith("NO [TRYCREATE]")
    await world.play(
        """
        C: a1 APPEND INBOX {12}
        S: + OK
        C: Subject: x
        C:
        S: * 3 EXISTS
        S: a1 OK [APPENDUID ...
        """,
        client,
    )


async def test_append_follows_a_name_and_not_the_mailbox_that_had_it(world: World) -> None:
    one = await filled(world)
    two = await world.login()

    async def exists(name: str) -> str:
        return (await two.do(f"STATUS {name} (MESSAGES)"))[0].split("(")[1]

    await one.do("CREATE Work")
    assert (await one.do(b"APPEND Work {1+}\r\na"))[-1].startswith("OK")
    await two.do("RENAME Work Old")
    assert (await one.do(b"APPEND Work {1+}\r\nb"))[-1].startswith("NO [TRYCREATE]")
    await two.do("CREATE Work")
    for body in (b"a", b"b"):
        assert (await one.do(b"APPEND Work {1+}\r\n%b" % body))[-1].startswith("OK [APPENDUID")
    assert (await exists("Old"), await exists("Work")) == ("MESSAGES 1)", "MESSAGES 2)")
    await two.do("DELETE Work")
    await two.do("CREATE Work")
    await one.do("SELECT Work")
    assert "* 1 EXISTS" in await one.do(b"APPEND Work {1+}\r\nc")
    assert await exists("Work") == "MESSAGES 1)"


async def test_expunge_elsewhere_is_not_told_during_commands_by_number(world: World) -> None:
    one = await filled(world, message("a"), message("b"), message("c"))
    two = await world.login()
    await two.do("SELECT INBOX")
    await world.play(
        """
        C: a1 FETCH 1:* UID
        S: * 1 FETCH (UID 1)
        S: * 2 FETCH (UID 2)
        S: * 3 FETCH (UID 3)
        S: a1 OK ...
        C2: a1 STORE 1:2 +FLAGS.SILENT (\\Deleted)
        S2: a1 OK ...
        C2: a2 EXPUNGE
        S2: * 2 EXPUNGE
        S2: * 1 EXPUNGE
        S2: a2 OK ...
        C: a2 FETCH 3 FLAGS
        S: * 3 FETCH (FLAGS ())
        S: a2 OK ...
        C: a3 FETCH 1:3 ENVELOPE
        S: * 3 FETCH (ENVELOPE (...))
        S: a3 NO [EXPUNGEISSUED] ...
        C: a4 STORE 1,3 +FLAGS (\\Seen)
        S: * 3 FETCH (FLAGS (\\Seen))
        S: a4 NO [EXPUNGEISSUED] ...
        C: a5 SEARCH SEEN
        S: * SEARCH 3
        S: a5 OK ...
        C: a6 COPY 1:3 Archive
        S: a6 NO [EXPUNGEISSUED] ...
        """.replace("S: a6", "S: * 2 EXPUNGE\n        S: * 1 EXPUNGE\n        S: a6"),
        one,
        two,
    )


async def test_flags_changed_elsewhere_are_seen_by_the_next_command(world: World) -> None:
    one = await filled(world, message("a"), message("b"))
    two = await world.login()
    await two.do("SELECT INBOX")
    await one.do("FETCH 1 FLAGS")
    await world.play(
        """
        C2: a1 STORE 2 +FLAGS (\\Answered)
        S2: * 2 FETCH (FLAGS (\\Answered))
        S2: a1 OK ...
        C: a1 SEARCH ANSWERED
        S: * 2 FETCH (UID 2 FLAGS (\\Answered))
        S: * SEARCH 2
        S: a1 OK ...
        """,
        one,
        two,
    )


async def test_store_by_number_tells_first_what_happened_elsewhere(world: World) -> None:
    one = await filled(world, message("a"), message("b"))
    two = await world.login()
    await two.do("SELECT INBOX")
    await one.do("FETCH 1 FLAGS")
    await two.do("STORE 1 +FLAGS.SILENT (other)")
    await two.do("STORE 2 +FLAGS.SILENT (\\Answered)")
    done = await one.do("STORE 1 +FLAGS (\\Seen)")
    assert [line.split(" (")[0] for line in done] == [
        "* FLAGS",
        "* OK [PERMANENTFLAGS",
        "* 2 FETCH",
        "* 1 FETCH",
        "OK STORE completed",
    ]
    assert done[2:4] == ["* 2 FETCH (UID 2 FLAGS (\\Answered))", "* 1 FETCH (FLAGS (\\Seen other))"]
    await two.do("STORE 1 +FLAGS.SILENT (\\Flagged)")
    done = await one.do("STORE 1 -FLAGS.SILENT (\\Seen)")
    assert done[0] == "* 1 FETCH (UID 1 FLAGS (\\Flagged other))", "what another did is not silent"
    await one.do("NOOP")
    await two.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    await two.do("EXPUNGE")
    assert (await one.do("STORE 1 +FLAGS (\\Seen)"))[-1].startswith("NO [EXPUNGEISSUED]")
    assert (await one.do("STORE 2 +FLAGS (\\Seen)"))[0] == "* 2 FETCH (FLAGS (\\Answered \\Seen))"
    assert (await one.do("NOOP"))[0] == "* 1 EXPUNGE"


async def test_a_keyword_made_elsewhere_is_told_before_the_flags_that_have_it(world: World) -> None:
    one = await filled(world, message("a"), message("b"))
    two = await world.login()
    await two.do("SELECT INBOX")
    await one.do("FETCH 1 FLAGS")
    await two.do("FETCH 1 FLAGS")
    await world.play(
        """
        C2: a1 STORE 2 +FLAGS (fresh)
        S2: * FLAGS (...
        S2: * OK [PERMANENTFLAGS ...
        S2: * 2 FETCH (FLAGS (fresh))
        S2: a1 OK ...
        C2: a2 STORE 1 +FLAGS (\\Seen)
        S2: * 1 FETCH (FLAGS (\\Seen))
        S2: a2 OK ...
        C: a1 NOOP
        S: * FLAGS (...
        S: * OK [PERMANENTFLAGS ...
        S: * 1 FETCH (UID 1 FLAGS (\\Seen))
        S: * 2 FETCH (UID 2 FLAGS (fresh))
        S: a1 OK ...
        """,
        one,
        two,
    )


async def test_changes_between_select_and_the_first_numbers_are_told(world: World) -> None:
    """SELECT does not load the view; what happened before it is loaded must still be told by the numbers of SELECT."""
    one = await filled(world, *(message(str(n)) for n in range(4)))
    two = await world.login()
    await two.do("SELECT INBOX")
    await two.do("STORE 2 +FLAGS.SILENT (\\Deleted)")
    await two.do("EXPUNGE")
    await two.do(b"APPEND INBOX {%d+}\r\n%b" % (len(message()), message()))
    await world.play(
        """
        C: a1 FETCH 4 UID
        S: * 5 EXISTS
        S: * 4 FETCH (UID 4)
        S: a1 OK ...
        C: a2 NOOP
        S: * 2 EXPUNGE
        S: a2 OK ...
        C: a3 UID FETCH 1:* UID
        S: * 1 FETCH (UID 1)
        S: * 2 FETCH (UID 3)
        S: * 3 FETCH (UID 4)
        S: * 4 FETCH (UID 5)
        S: a3 OK ...
        """,
        one,
    )


async def test_qresync_tells_what_happened_while_away(world: World) -> None:
    client = await filled(world, *(message(str(n)) for n in range(4)))
    assert client is not None
    inbox = await world.store.mailbox(world.account_id, "INBOX")
    assert inbox is not None
    await world.store.store_flags(inbox.mailbox_id, [2], "add", ["\\Deleted"])
    await world.store.expunge(inbox.mailbox_id, None)
    await world.store.store_flags(inbox.mailbox_id, [3], "add", ["\\Seen"])
    fresh = await world.login()
    await fresh.do("ENABLE QRESYNC")
    lines = await fresh.do(f"SELECT INBOX (QRESYNC ({inbox.uid_validity} {inbox.mod_seq} 1:4))")
    assert lines[-3:] == [
        "* VANISHED (EARLIER) 2",
        "* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (5))",
        "OK [READ-WRITE] SELECT completed",
    ]
    await fresh.do("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert await fresh.do("EXPUNGE") == ["* VANISHED 1", "OK [HIGHESTMODSEQ 7] EXPUNGE completed"]


async def test_compression_goes_both_ways(world: World) -> None:
    import zlib

    client = await filled(world, message())
    assert (await client.do("COMPRESS DEFLATE"))[-1].startswith("OK ")
    pack, unpack = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
    client.send(pack.compress(b"a1 FETCH 1 FLAGS\r\n") + pack.flush(zlib.Z_SYNC_FLUSH))
    await client.settle()
    assert unpack.decompress(client.octets()) == b"* 1 FETCH (FLAGS ())\r\na1 OK FETCH completed\r\n"
