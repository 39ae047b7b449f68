"""``store check`` finds each kind of damage, and finds nothing in a store that is sound."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from posthouse.backends.sqlite.check import check
from posthouse.backends.sqlite.mail_schema import MIGRATIONS
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.errors import Permanent, Temporary
from posthouse.model.mailbox import NewMessage
from support.mail_backends import acceptance, letter, mail_backends, to_mailbox, to_quarantine, to_queue

LARGE = letter("large") + random.Random(1).randbytes(200_000)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    async with mail_backends("sqlite", tmp_path) as backends:
        for number in range(5):
            content = letter(f"m{number}")
            await backends.sink.commit(acceptance(content, to_mailbox(1), to_queue(), trace_id=f"T{number}"))
        await backends.sink.commit(acceptance(letter("held"), to_quarantine(to_mailbox(1)), to_quarantine(to_mailbox(2))))
        box = await backends.store.mailbox(1, "INBOX")
        assert box
        await backends.store.append(
            box.mailbox_id, [NewMessage(LARGE, ("\\Deleted",)), NewMessage(letter("x"), ("\\Deleted",))]
        )
        await backends.store.expunge(box.mailbox_id, [7])
    return tmp_path / "mail.db"


def test_a_sound_store_has_no_findings(path: Path) -> None:
    report = check(path, contents=True)
    assert (report.problems, report.messages, report.mailboxes, report.files) == ((), 6, 6, 1)


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        ("UPDATE mailbox SET unseen = unseen + 1 WHERE name = 'INBOX'", "counts 6 messages, 7 unseen"),
        ("UPDATE mailbox SET size_bytes = 1 WHERE name = 'Trash'", "1 octets; has 0"),
        ("UPDATE mailbox SET uid_next = 3 WHERE name = 'INBOX'", "past the mailbox's own"),
        ("INSERT INTO vanished SELECT mailbox_id, 1, uid, 0 FROM message", "is there and also gone"),
        ("DELETE FROM mailbox WHERE name = 'INBOX'", "belongs to no mailbox"),
        ("DELETE FROM body WHERE body_id = 1", "message 1 has no body 1"),
        ("DELETE FROM body WHERE body_id = 1", "queue: message T0 has no body"),
        ("UPDATE message SET size_bytes = 5", "differs in size"),
        ("UPDATE mailbox SET uid_validity = 5", "UIDVALIDITY 5"),
        ("DELETE FROM queued WHERE queue_id = 'T1'", "belongs to no message T1"),
        ("UPDATE queued_recipient SET state = 'done' WHERE queue_id = 'T2'", "message T2 has no recipient"),
        ("DELETE FROM content WHERE body_id = 2", "body 2: its content is missing"),
        ("INSERT INTO content VALUES (77, 0, x'00')", "body 77: a content without a body"),
        ("DELETE FROM message WHERE uid = 6", "nothing names it"),
        ("DELETE FROM held", "nothing names it"),
        ("DELETE FROM body WHERE body_id = 6", "quarantine: message 2 has no body 6"),
        ("UPDATE held SET size_bytes = 5 WHERE held_id = 1", "quarantine: message 1 differs in size"),
        ("DELETE FROM message WHERE uid = 6", "flags of message 6, which is not there"),
        ("DELETE FROM flag_block", "the flags of message 1 are missing"),
        ("UPDATE flag_block SET flags = x'01'", "of flags is damaged"),
        ("UPDATE flag_block SET uids = x'010203'", "of flags is damaged"),
        ("UPDATE flag_block SET flags = zeroblob(length(flags))", "6 unseen, 1 deleted, "),
        ("UPDATE flag_block SET mod_seq = mod_seq + 1", "of flags is damaged"),
        (
            "INSERT INTO flag_block SELECT block_id + (900 << 25), 900, mod_seq, uids, flags, mod_seqs FROM flag_block",
            "mailbox 900: flags of a mailbox that is not there",
        ),
        ("UPDATE content SET octets = zeroblob(length(octets)) WHERE body_id = 3", "body 3: its content was damaged"),
    ],
)
def test_damage_in_the_tables_is_found(path: Path, damage: str, finding: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(damage)
    connection.close()
    problems = check(path, contents=True).problems
    assert any(finding in problem for problem in problems), problems


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def flip(file: Path) -> None:
    file.write_bytes(b"X" + file.read_bytes()[1:])


@pytest.mark.parametrize(
    ("damage", "finding"),
    [(Path.unlink, "file of its content is missing"), (cut, "wrong length"), (flip, "was damaged")],
)
def test_damage_to_a_large_content_is_found(path: Path, damage: Callable[[Path], None], finding: str) -> None:
    (file,) = (file for file in (path.parent / "blobs").rglob("*") if file.is_file())
    damage(file)
    problems = check(path, contents=True).problems
    assert any(finding in problem for problem in problems), problems


def test_a_damaged_page_is_found(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    for page in range(2, len(octets) // 4096):
        octets[page * 4096 : page * 4096 + 40] = bytes(40)
    path.write_bytes(octets)
    try:
        problems = check(path).problems
    except Temporary as error:
        problems = (error.cause,)
    assert problems


def test_a_database_of_a_newer_version_is_refused(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(Permanent):
        MailWriterThread(path).start()
    with pytest.raises(Temporary):
        check(path)
