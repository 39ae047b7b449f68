"""Mail into mbox and Maildir files and back: nothing is lost, others can read it, and it can be done again for what changed."""

from __future__ import annotations

import mailbox
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.base.errors import AlreadyExists
from posthouse.model.mailbox import NewMessage
from posthouse.model.migration import Medium
from support.migrating import JANE, MigrationHouse, letters, migration_house, spec

TREE = {"INBOX": 40, "Sent": 3, "Work/2026": 60, "Work": 2, "Größe & Maß": 5, "a.b": 2, "Empty": 0}
MEDIA: tuple[Medium, ...] = ("mbox", "maildir")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[MigrationHouse]:
    (tmp_path / "one").mkdir()
    with migration_house(tmp_path / "one") as made:
        yield made


@pytest.fixture
def other(tmp_path: Path) -> Iterator[MigrationHouse]:
    """Another house, for the way back."""
    (tmp_path / "two").mkdir()
    with migration_house(tmp_path / "two") as made:
        yield made


async def fill(house: MigrationHouse) -> None:
    for seed, (name, count) in enumerate(TREE.items()):
        await house.fill(name, letters(count, seed))


@pytest.mark.parametrize("medium", MEDIA)
async def test_a_tree_comes_back_as_it_was(
    house: MigrationHouse, other: MigrationHouse, tmp_path: Path, medium: Medium
) -> None:
    await fill(house)
    out = await house.run(spec("out", medium, tmp_path / "out"))
    assert (out.state, out.counts.copied, out.counts.failed) == ("done", sum(TREE.values()), 0)
    back = await other.run(spec("in", medium, tmp_path / "out"))
    assert (back.state, back.counts.copied, back.counts.failed) == ("done", sum(TREE.values()), 0)
    for name, count in TREE.items():
        if count or medium == "maildir":
            assert sorted(await other.kept(name)) == sorted(await house.kept(name))
    there = {info.name for info in await other.store.mailboxes(JANE)}
    assert "INBOX (2)" not in there


async def test_an_exported_mbox_is_read_by_pythons_mailbox_module(house: MigrationHouse, tmp_path: Path) -> None:
    await house.fill("Work", letters(30))
    (tmp_path / "out").mkdir(0o700)
    job = await house.run(spec("out", "mbox", tmp_path / "out" / "work.mbox", "Work"))
    assert job.state == "done", job
    box = mailbox.mbox(tmp_path / "out" / "work.mbox", create=False)
    assert [message["Subject"] for message in box] == [f"1.{number}" for number in range(30)]
    flags = [set(message.get_flags()) - {"O"} for message in box]
    letter = {"\\Seen": "R", "\\Answered": "A", "\\Flagged": "F", "\\Draft": "T"}
    assert flags == [{letter[flag] for flag in kept[1] if flag in letter} for kept in await house.kept("Work")]
    box.close()


async def test_an_exported_maildir_is_read_by_pythons_mailbox_module(house: MigrationHouse, tmp_path: Path) -> None:
    await fill(house)
    await house.run(spec("out", "maildir", tmp_path / "out"))
    box = mailbox.Maildir(tmp_path / "out", create=False)
    assert len(box) == TREE["INBOX"]
    assert {"Work", "Work.2026", "Sent", "Empty"} <= set(box.list_folders())
    seen = sorted(message["Subject"] for message in box if "S" in message.get_flags())
    subjects = [
        (kept[0].partition(b"Subject: ")[2].partition(b"\r")[0].decode(), kept[1]) for kept in await house.kept("INBOX")
    ]
    assert seen == sorted(subject for subject, flags in subjects if "\\Seen" in flags)


async def test_a_maildir_that_python_wrote_comes_in_with_flags_and_dates(house: MigrationHouse, tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "in")
    message = mailbox.MaildirMessage(b"Subject: one\n\nHello\n")
    message.set_flags("FS")
    message.set_subdir("cur")
    message.set_date(1_500_000_000)
    box.add(message)
    box.add_folder("Gesendete Objekte").add(b"Subject: two\n\nHello\n")
    job = await house.run(spec("in", "maildir", tmp_path / "in"))
    assert (job.state, job.counts.copied) == ("done", 2)
    assert await house.kept("INBOX") == [(b"Subject: one\r\n\r\nHello\r\n", ("\\Flagged", "\\Seen"), 1_500_000_000)]
    assert [kept[:2] for kept in await house.kept("Sent")] == [(b"Subject: two\r\n\r\nHello\r\n", ())]


async def test_folders_in_folders_come_in_with_keywords_and_subscriptions(house: MigrationHouse, tmp_path: Path) -> None:
    for name in ("", "Work", "Work/2026", "&AOQ-rger"):
        for sub in ("cur", "new", "tmp"):
            (tmp_path / "in" / name / sub).mkdir(parents=True)
    (tmp_path / "in/Work/2026/cur/1600000000.M1.host:2,Sb").write_bytes(b"Subject: x\n\ny\n")
    (tmp_path / "in/Work/2026/dovecot-keywords").write_text("0 Junk\n1 Important\n")
    (tmp_path / "in/&AOQ-rger/new/1600000001.M1.host").write_bytes(b"Subject: z\n\ny\n")
    (tmp_path / "in/subscriptions").write_text("Work/2026\n")
    job = await house.run(spec("in", "maildir", tmp_path / "in"))
    assert (job.state, job.counts.folders, job.counts.copied) == ("done", 4, 2)
    assert [kept[1] for kept in await house.kept("Work/2026")] == [("Important", "\\Seen")]
    assert len(await house.kept("ärger")) == 1
    subscribed = await house.store.subscriptions(JANE)
    assert "Work/2026" in subscribed and "ärger" not in subscribed


async def test_a_delta_brings_new_messages_and_changed_flags_and_removes_only_when_asked(
    house: MigrationHouse, tmp_path: Path
) -> None:
    box = mailbox.Maildir(tmp_path / "in")
    keys = [box.add(f"Subject: {number}\n\nHello\n".encode()) for number in range(5)]
    job = await house.run(spec("in", "maildir", tmp_path / "in"))
    uids = [row.uid for row in (await house.store.rows(await house.mailbox("INBOX")))[1]]
    await house.store.store_flags(await house.mailbox("INBOX"), uids, "add", ["Mine"])
    changed = box[keys[0]]
    changed.set_flags("S")
    changed.set_subdir("cur")
    box[keys[0]] = changed
    box.discard(keys[1])
    box.add(b"Subject: new\n\nHello\n")
    again = await house.again(job)
    assert (again.counts.copied, again.counts.updated, again.counts.removed) == (6, 1, 0)
    found = {kept[0].splitlines()[0]: kept[1] for kept in await house.kept("INBOX")}
    assert found[b"Subject: 0"] == ("Mine", "\\Seen")
    assert found[b"Subject: 1"] == ("Mine",)
    assert found[b"Subject: new"] == ()
    removed = await house.again(job, remove=True)
    assert (removed.counts.copied, removed.counts.removed, removed.runs) == (6, 1, 3)
    assert len(await house.kept("INBOX")) == 5


async def test_what_was_exported_already_is_not_exported_twice(house: MigrationHouse, tmp_path: Path) -> None:
    await house.fill("INBOX", letters(10))
    for medium in MEDIA:
        await house.run(spec("out", medium, tmp_path / medium))
    await house.fill("INBOX", letters(3, seed=2))
    for job in await house.jobs.jobs():
        assert (await house.again(job)).counts.copied == 13
    with_status = mailbox.mbox(tmp_path / "mbox" / "INBOX", create=False)
    assert len(with_status) == len(mailbox.Maildir(tmp_path / "maildir", create=False)) == 13
    with_status.close()


async def test_the_same_job_is_not_begun_twice(house: MigrationHouse, tmp_path: Path) -> None:
    mailbox.Maildir(tmp_path / "in").add(b"Subject: x\n\ny\n")
    job = await house.run(spec("in", "maildir", tmp_path / "in"))
    with pytest.raises(AlreadyExists, match=job.job_id):
        await house.jobs.begin(spec("in", "maildir", tmp_path / "in"))
    await house.jobs.delete(job.job_id)
    assert (await house.run(spec("in", "maildir", tmp_path / "in"))).counts.copied == 1


async def test_symbolic_links_lead_nowhere(house: MigrationHouse, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    mailbox.Maildir(secret).add(b"Subject: secret\n\nSecret\n")
    box = mailbox.Maildir(tmp_path / "in")
    box.add(b"Subject: x\n\ny\n")
    file = next((secret / "new").iterdir())
    (tmp_path / "in" / "cur" / "1600000000.link:2,").symlink_to(file)
    (tmp_path / "in" / ".Stolen").symlink_to(secret)
    os.mkfifo(tmp_path / "in" / "new" / "1600000001.fifo")
    job = await house.run(spec("in", "maildir", tmp_path / "in"))
    assert (job.state, job.counts.copied) == ("done", 1)
    assert b"Secret" not in b"".join(kept[0] for kept in await house.kept("INBOX"))
    mboxes = tmp_path / "mboxes"
    mboxes.mkdir()
    (mboxes / "real").write_bytes(b"From a Sat Jan  3 01:05:34 1996\nSubject: x\n\ny\n")
    (mboxes / "stolen").symlink_to(mboxes / "real")
    assert (await house.run(spec("in", "mbox", mboxes))).counts.copied == 1


async def test_nothing_is_written_where_others_could_lead_it_elsewhere(house: MigrationHouse, tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    for medium in MEDIA:
        job = await house.run(spec("out", medium, open_to_all))
        assert job.state == "failed"
        assert "no one else may write" in job.reason
    assert list(open_to_all.iterdir()) == []


async def test_an_export_does_not_mix_with_what_is_there(house: MigrationHouse, tmp_path: Path) -> None:
    await house.fill("INBOX", letters(2))
    mailbox.Maildir(tmp_path / "old").add(mailbox.MaildirMessage(b"Subject: old\n\n"))
    (tmp_path / "old").chmod(0o700)
    next((tmp_path / "old" / "new").iterdir()).rename(tmp_path / "old" / "cur" / "1.old:2,")
    job = await house.run(spec("out", "maildir", tmp_path / "old"))
    assert job.counts.copied == 0
    problems = await house.jobs.problems(job.job_id)
    assert [(each.folder, "give a new folder" in each.text) for each in problems if each.folder == "INBOX"] == [("INBOX", True)]


async def test_one_bad_message_stops_nothing(house: MigrationHouse, tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "in")
    for number in range(3):
        box.add(f"Subject: {number}\n\nHello\n".encode())
    (tmp_path / "in" / "new" / "1600000000.empty").touch()
    (tmp_path / "in" / "new" / "1600000001.broken").write_bytes(b"\x1f\x8bnot gzip")
    job = await house.run(spec("in", "maildir", tmp_path / "in"))
    assert (job.state, job.counts.found, job.counts.copied, job.counts.failed) == ("done", 5, 3, 2)
    assert [(each.folder, each.text) for each in await house.jobs.problems(job.job_id)] == [
        ("INBOX", "the file is empty"),
        ("INBOX", "the message cannot be unpacked"),
    ]


async def test_a_single_file_goes_into_the_mailbox_that_is_named(house: MigrationHouse, tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"From a Sat Jan  3 01:05:34 1996\nSubject: x\n\ny\n")
    await house.run(spec("in", "mbox", tmp_path / "spool", "Old/Mail"))
    assert len(await house.kept("Old/Mail")) == 1
    await house.run(spec("in", "mbox", tmp_path / "spool"))
    assert len(await house.kept("spool")) == 1


async def test_names_that_are_taken_here_for_other_things_get_other_names(house: MigrationHouse, tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "in")
    for name in ("Shared.x", "Other Users", "Trash", "Deleted Messages", "Sent Items", "Sent", "a*b%"):
        box.add_folder(name).add(b"Subject: x\n\ny\n")
    job = await house.run(spec("in", "maildir", tmp_path / "in"))
    assert (job.counts.copied, job.counts.failed) == (7, 0)
    for name in ("Shared_/x", "Other Users_", "Trash", "Deleted Messages_", "Sent Items", "Sent", "a_b_"):
        assert len(await house.kept(name)) == 1, name


async def test_keywords_beyond_what_a_mailbox_takes_are_lost_not_messages(house: MigrationHouse, tmp_path: Path) -> None:
    keywords = " ".join(f"word{number}" for number in range(60))
    text = f"From a Sat Jan  3 01:05:34 1996\nX-Keywords: {keywords} b(d\nSubject: x\n\ny\n"
    (tmp_path / "in").write_text(text)
    job = await house.run(spec("in", "mbox", tmp_path / "in", "Many"))
    assert (job.counts.copied, job.counts.failed) == (1, 0)
    ((_, flags, _),) = await house.kept("Many")
    assert len(flags) == 50


async def test_empty_mailboxes_and_odd_messages_survive_the_way_through_the_store(
    house: MigrationHouse, other: MigrationHouse, tmp_path: Path
) -> None:
    odd = [NewMessage(content, (), 1.0) for content in (b"\r\nno header\r\n", b"A: b\r\n\r\n", b"A: b\r\n\r\n\r\n", b"\r\n")]
    await house.fill("Odd", odd)
    await house.run(spec("out", "maildir", tmp_path / "out"))
    await other.run(spec("in", "maildir", tmp_path / "out"))
    assert sorted(await other.kept("Odd")) == sorted(await house.kept("Odd"))
