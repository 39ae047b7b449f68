"""``store repair`` leaves a store that is sound, loses nothing that can be read, and says what it did."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from posthouse.backends.sqlite.sink import SqliteSink
from posthouse.formats.damaged import HEADER
from posthouse.model.plan import Destination
from support.cared_store import Cared, cared_store
from support.mail_backends import acceptance, letter, to_mailbox, to_quarantine, to_queue
from support.stored_mail import mail

HELD = letter("held")
LARGE = letter("large") + random.Random(1).randbytes(200_000)


@pytest.fixture
async def cared(tmp_path: Path) -> AsyncIterator[Cared]:
    """Account 1 has messages 1 to 5, of which T0 to T2 go elsewhere too, and a large one; account 2 has a copy of message 4."""
    async with cared_store(tmp_path) as made:
        sink = SqliteSink(made.care._gate, made.path, packer=made.store.packer)
        for number in range(5):
            where: list[Destination] = [
                to_mailbox(1),
                *([to_queue()] if number < 3 else []),
                *([to_mailbox(2)] if number == 3 else []),
            ]
            await sink.commit(acceptance(letter(f"m{number}", 300 + number), *where, trace_id=f"T{number}"))
        await made.append(LARGE)
        await sink.commit(acceptance(HELD, to_quarantine(to_mailbox(1)), to_quarantine(to_mailbox(2))))
        await made.store.store_flags(made.inbox, [4, 6], "add", ["\\Flagged", "work"])
        await made.store.expunge(made.inbox, [1], unmarked=True)
        yield made


async def contents(cared: Cared, mailbox_id: int = 0) -> list[bytes]:
    _, rows = await cared.store.rows(mailbox_id or cared.inbox)
    facts = await cared.store.facts(mailbox_id or cared.inbox, [row.uid for row in rows])
    return [await cared.store.content(fact.body_id) for fact in facts]


WHOLE = [letter(f"m{number}", 300 + number) for number in range(1, 5)] + [LARGE]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE mailbox SET unseen = unseen + 1 WHERE name = 'INBOX' AND account_id = 1", "counted anew"),
        ("UPDATE mailbox SET size_bytes = 1 WHERE name = 'Trash'", "counted anew"),
        ("UPDATE mailbox SET uid_next = 3, mod_seq = 2 WHERE mailbox_id = 1", "counted anew"),
        ("INSERT INTO vanished SELECT mailbox_id, 1, uid, 0 FROM message", "put right"),
        ("UPDATE message SET size_bytes = 5 WHERE uid = 3", "put right"),
        ("UPDATE mailbox SET uid_validity = 5 WHERE account_id = 1", "a new UIDVALIDITY"),
        ("UPDATE account_usage SET size_bytes = size_bytes + 1", "sums of"),
        ("DELETE FROM queued WHERE queue_id = 'T1'", "1 recipients in the queue without a message"),
        ("UPDATE queued_recipient SET state = 'done' WHERE queue_id = 'T2'", "nobody to send it to"),
        ("INSERT INTO content VALUES (77, 0, x'00')", "body 77: a content that nothing has"),
        ("UPDATE body SET in_file = 1 WHERE body_id = 2", "found in the database"),
        ("UPDATE body SET in_file = 0 WHERE in_file", "found in a file"),
        ("DELETE FROM body WHERE body_id = 3", "made anew from its content"),
        ("UPDATE held SET size_bytes = 5 WHERE held_id = 1", "quarantine: message 1: its size put right"),
        ("DELETE FROM body WHERE digest = (SELECT digest FROM held JOIN body USING (body_id))", "made anew from its content"),
        ("DELETE FROM flag_block", "the flags of 5 messages are lost"),
        ("UPDATE flag_block SET flags = x'01' WHERE mailbox_id = 1", "the flags of 5 messages are lost"),
        ("UPDATE flag_block SET mailbox_id = 9 WHERE mailbox_id = 1", "the flags of 0 messages are lost"),
        ("UPDATE flag_block SET flags = x'0101010101' WHERE mailbox_id = 1", "counted anew"),
        (
            "INSERT INTO flag_block SELECT (900 << 25) + 1, 900, 1, uids, flags, mod_seqs FROM flag_block LIMIT 1",
            "blocks of flags",
        ),
        ("INSERT INTO acl VALUES (999, 'ann@example.com', 'lr')", "1 rights on mailboxes that are not there"),
        ("INSERT INTO seen VALUES (1, 2, 77, 1, 1)", "1 marks of readers"),
    ],
)
async def test_what_can_be_told_from_the_rest_is_put_right(cared: Cared, damage: str, said: str) -> None:
    cared.damage(damage)
    assert cared.problems()
    done = await cared.care.repair()
    assert any(said in line for line in done) and not any("not repaired" in line for line in done), done
    await cared.upkeep_done()
    assert cared.problems() == ()
    assert await contents(cared) == WHOLE
    assert await cared.care.repair() == []


async def test_a_sound_store_is_left_alone(cared: Cared) -> None:
    before = cared.rows("SELECT * FROM mailbox"), cared.rows("SELECT * FROM message")
    assert await cared.care.repair() == []
    assert (cared.rows("SELECT * FROM mailbox"), cared.rows("SELECT * FROM message")) == before


async def test_a_marked_message_stands_for_one_that_cannot_be_read_in_every_mailbox(cared: Cared) -> None:
    body_id = await cared.body_id(4)
    octets = b"\x01" * 50
    cared.damage("UPDATE content SET octets = ? WHERE body_id = ?", octets, body_id)
    assert len(await cared.care.scrub()) == 1
    done = await cared.care.repair()
    assert len(done) == 2 and all("cannot be read" in line for line in done)
    await cared.upkeep_done()
    assert cared.problems() == () and (await cared.care.scrubbing()).damaged == 0
    info, rows = await cared.store.rows(cared.inbox)
    assert [row.uid for row in rows] == [2, 3, 5, 6, 7] and info.keywords == ("work",)
    assert rows[4].flags == rows[3].flags and rows[3].flags  # flagged, and the keyword, like the old one
    found = await contents(cared)
    assert found[:4] == [content for content in WHOLE if content != WHOLE[2]]
    for part in (f"{HEADER}:", "sha256=", "Subject: [Damaged message] m3", "damaged/body-"):
        assert part.encode() in found[4]
    assert b"Jane <jane@example.com>" in found[4]
    other = await cared.store.mailbox(2, "INBOX")
    assert other and await contents(cared, other.mailbox_id) == [found[4]]
    assert 4 in (await cared.store.changes(cared.inbox, 1)).vanished
    (kept,) = (cared.path.parent / "damaged").iterdir()
    assert kept.read_bytes() == octets and kept.stat().st_mode & 0o777 == 0o600


async def test_a_lost_file_and_a_lost_body_are_replaced_and_said(cared: Cared) -> None:
    (file,) = (file for file in (cared.path.parent / "blobs").rglob("*") if file.is_file())
    file.unlink()
    lost = await cared.body_id(5)
    cared.damage("DELETE FROM content WHERE body_id = ?", lost)
    cared.damage("DELETE FROM body WHERE body_id = ?", lost)
    done = await cared.care.repair()
    assert sum("cannot be read" in line for line in done) == 2
    await cared.upkeep_done()
    assert cared.problems() == ()
    assert (await contents(cared))[:3] == WHOLE[:3] and len(await contents(cared)) == 5


async def test_a_message_in_the_queue_that_is_damaged_is_held_never_sent(cared: Cared) -> None:
    ((body_id,),) = cared.rows("SELECT body_id FROM queued WHERE queue_id = 'T1'")
    cared.damage("UPDATE content SET octets = x'00' WHERE body_id = ?", body_id)
    assert await cared.care.scrub()
    done = await cared.care.repair()
    assert any("queue: message T1 held" in line for line in done)
    queued = await cared.spool.get("T1")
    assert queued and [recipient.state for recipient in queued.recipients] == ["held"]
    assert (await cared.care.scrubbing()).damaged == 1  # until it is deleted
    await cared.spool.delete("T1")
    await cared.upkeep_done()
    assert await cared.care.scrub() == [] and cared.problems() == ()


async def test_a_held_message_that_is_damaged_is_taken_out_and_kept_as_a_file(cared: Cared) -> None:
    cared.damage("UPDATE content SET octets = zeroblob(length(octets)) WHERE body_id = (SELECT body_id FROM held LIMIT 1)")
    await cared.care.scrub()
    done = await cared.care.repair()
    assert sum("quarantine: message" in line for line in done) == 2
    assert list((cared.path.parent / "damaged").iterdir())
    await cared.upkeep_done()
    assert (cared.problems(), cared.rows("SELECT * FROM held")) == ((), [])


async def test_what_is_held_keeps_its_content_until_it_goes(cared: Cared) -> None:
    bodies = cared.rows("SELECT count(*) FROM body")
    gate = cared.care._gate
    for held_id, left in ((1, 0), (2, 1)):
        await gate.call("held_delete", [held_id])
        await cared.upkeep_done()
        assert cared.rows("SELECT count(*) FROM body") == [(int(str(bodies[0][0])) - left,)]
    assert cared.problems() == ()


async def test_the_junk_of_a_deleted_account_goes_with_it(cared: Cared) -> None:
    sink = SqliteSink(cared.care._gate, cared.path, packer=cared.store.packer)
    await sink.commit(acceptance(HELD, to_quarantine(to_mailbox(1), "virus")))
    await cared.store.delete_account(1)
    await cared.upkeep_done()
    assert cared.rows("SELECT account_id, kind FROM held ORDER BY held_id") == [(2, "junk"), (1, "virus")]
    assert cared.problems() == ()


async def test_messages_of_no_mailbox_are_kept_as_files(cared: Cared) -> None:
    cared.damage("DELETE FROM mailbox WHERE mailbox_id = ?", cared.inbox)
    done = await cared.care.repair()
    assert sum("kept as damaged/" in line for line in done) == 5
    await cared.upkeep_done()
    assert cared.problems() == ()
    kept = sorted(path.read_bytes() for path in (cared.path.parent / "damaged").glob("*.eml"))
    assert kept == sorted(WHOLE)


async def test_a_damaged_index_is_made_anew(cared: Cared) -> None:
    await cared.append(*mail(5, seed=1))
    connection = apsw.Connection(str(cared.path))
    connection.execute("PRAGMA writable_schema = ON")
    ((kept,),) = connection.execute("SELECT rowid FROM sqlite_schema WHERE name = 'message_by_body'").fetchall()
    sql = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE rowid = ?"
    entry = connection.execute(sql, (kept,)).fetchone()
    connection.execute("DELETE FROM sqlite_schema WHERE name = 'message_by_body'")
    connection.close()
    cared.damage("DELETE FROM message WHERE uid = 2")
    connection = apsw.Connection(str(cared.path))
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", entry)
    connection.close()
    assert any("index" in problem for problem in cared.problems())
    done = await cared.care.repair()
    assert "the indexes of the database were damaged and made anew" in done
    await cared.upkeep_done()
    assert cared.problems() == ()
