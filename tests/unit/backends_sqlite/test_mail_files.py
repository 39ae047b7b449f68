"""Large contents in files: written before they are named, removed only when nothing names them and they are old."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from posthouse.backends.sqlite import writer as writer_module
from posthouse.backends.sqlite.blob_files import KEEP_S, BlobFiles
from posthouse.backends.sqlite.care import SqliteStoreCare
from posthouse.backends.sqlite.check import check
from posthouse.backends.sqlite.local_gate import LocalGate
from posthouse.backends.sqlite.mailstore import SqliteMailStore
from posthouse.backends.sqlite.parcels import IN_FILE_BYTES
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.clock import SystemClock
from posthouse.base.errors import NotFound
from posthouse.mailstore import envelope
from posthouse.model.mailbox import NewMessage
from support.mail_backends import letter


@dataclass
class Real:
    store: SqliteMailStore
    writer: MailWriterThread
    path: Path
    mailbox_id: int
    care: SqliteStoreCare

    def files(self) -> list[Path]:
        return sorted(path for path in (self.path.parent / "blobs").rglob("*") if path.is_file())

    async def append(self, content: bytes, *flags: str) -> int:
        await self.store.append(self.mailbox_id, [NewMessage(content, flags)])
        _, rows = await self.store.rows(self.mailbox_id)
        (fact,) = await self.store.facts(self.mailbox_id, [rows[-1].uid])
        return fact.body_id

    async def swept(self) -> None:
        """Waits until upkeep has nothing left to do."""
        assert self.writer.work
        while self.writer.work.upkeep_due:
            with suppress(NotFound):  # the account may be gone
                await self.store.subscribe(1, "INBOX", on=True)

    def age(self) -> None:
        for path in self.files():
            os.utime(path, (1_000_000, 1_000_000))


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Real]:
    path = tmp_path / "data" / "mail.db"
    writer = MailWriterThread(path)
    writer.start()
    store = SqliteMailStore(LocalGate(writer), path)
    inbox = await store.mailbox(1, "INBOX")
    assert inbox
    care = SqliteStoreCare(LocalGate(writer), path, SystemClock(), lambda: True, envelope.texts)
    yield Real(store, writer, path, inbox.mailbox_id, care)
    care.close()
    store.close()
    writer.stop()


LARGE = letter("large") + random.Random(1).randbytes(IN_FILE_BYTES + 1000)


async def test_only_large_contents_stand_in_files_and_each_once(real: Real) -> None:
    await real.append(letter("small"))
    first = await real.append(LARGE)
    second = await real.append(LARGE)
    assert first == second and len(real.files()) == 1
    assert real.files()[0].read_bytes() == LARGE
    assert check(real.path, contents=True).problems == ()


async def test_expunged_contents_are_reclaimed(real: Real) -> None:
    small, large = await real.append(letter("small"), "\\Deleted"), await real.append(LARGE, "\\Deleted")
    await real.store.expunge(real.mailbox_id, None)
    await real.swept()
    for body_id in (small, large):
        with pytest.raises(NotFound):
            await real.store.content(body_id)
    assert check(real.path).bodies == 0
    assert len(real.files()) == 1 and await real.care.sweep() == 0  # a worker may be about to name it
    real.age()
    assert await real.care.sweep() == 1
    assert real.files() == [] and check(real.path).problems == ()


async def test_a_content_shared_with_another_mailbox_stays(real: Real) -> None:
    body_id = await real.append(LARGE, "\\Deleted")
    trash = await real.store.mailbox(1, "Trash")
    assert trash
    await real.store.copy(real.mailbox_id, [1], trash.mailbox_id)
    await real.store.expunge(real.mailbox_id, None)
    await real.swept()
    real.age()
    assert await real.care.sweep() == 0
    assert await real.store.content(body_id) == LARGE


async def test_a_deleted_mailbox_and_account_give_everything_back(real: Real) -> None:
    box = await real.store.create(1, "big")
    await real.store.append(box.mailbox_id, [NewMessage(letter(f"m{number}")) for number in range(700)])
    await real.store.store_flags(box.mailbox_id, range(1, 300), "add", ["\\Deleted"])
    await real.store.expunge(box.mailbox_id, None)
    await real.store.delete(1, "big")
    await real.append(LARGE)
    await real.store.delete_account(1)
    await real.swept()
    report = check(real.path)
    assert (report.problems, report.messages, report.bodies, report.mailboxes) == ((), 0, 0, 0)
    assert real.store._reading.all("SELECT count(*) FROM vanished", ()) == [(0,)]


async def test_who_fails_again_and_again_holds_up_no_upkeep(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "IDLE_S", 3600.0)
    box = await real.store.create(1, "big")
    await real.store.append(box.mailbox_id, [NewMessage(letter(f"m{number}")) for number in range(700)])
    await real.store.delete(1, "big")
    async with asyncio.timeout(30):
        while real.writer.work and real.writer.work.upkeep_due:
            with suppress(NotFound):
                await real.store.delete(1, "there is none")
    assert check(real.path).problems == ()


async def test_a_file_that_was_swept_just_before_it_is_named_is_written_again(
    real: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = BlobFiles.write
    times = 0

    def swept_at_first(self: BlobFiles, digest: bytes, content: bytes, *, compress: bool = False) -> None:
        nonlocal times
        times += 1
        written(self, digest, content, compress=compress)
        if times == 1:
            self.path(digest).unlink()

    monkeypatch.setattr(BlobFiles, "write", swept_at_first)
    body_id = await real.append(LARGE)
    assert times == 2 and await real.store.content(body_id) == LARGE


async def test_files_that_no_unit_ever_named_go_when_they_are_old(real: Real) -> None:
    blobs = BlobFiles(real.path.parent / "blobs")
    blobs.write(b"\x01" * 32, b"orphan")
    half = blobs.path(b"\x01" * 32).with_name(".half.1.2")
    half.write_bytes(b"x")
    assert check(real.path).problems == ()
    real.age()
    assert any("nothing names it" in problem for problem in check(real.path).problems)
    blobs.write(b"\x01" * 32, b"orphan")  # a worker is about to name it after all
    half.touch()
    assert await real.care.sweep() == 0 and len(real.files()) == 2
    real.age()
    assert await real.care.sweep() == 1
    assert real.files() == [] and check(real.path).problems == ()


def test_writing_a_file_again_makes_it_young(tmp_path: Path) -> None:
    blobs = BlobFiles(tmp_path / "blobs")
    digest = b"\x02" * 32
    blobs.write(digest, b"content")
    os.utime(blobs.path(digest), (1000, 1000))
    blobs.write(digest, b"content")
    now = blobs.path(digest).stat().st_mtime
    assert not blobs.remove(digest, now + KEEP_S - 1)
    assert blobs.remove(digest, now + KEEP_S + 1)
    assert blobs.remove(digest, now)  # gone already
    with pytest.raises(NotFound):
        blobs.read(digest)


async def test_flags_that_cannot_be_read_hold_up_nobody_when_their_mailbox_goes(real: Real) -> None:
    """Upkeep once took the steward down with it, again after each start."""
    theirs = await real.store.mailbox(2, "INBOX")
    assert theirs
    await real.store.append(theirs.mailbox_id, [NewMessage(letter(f"old {number}"), ()) for number in range(200)])
    damaged = apsw.Connection(str(real.path))
    damaged.execute("UPDATE flag_block SET flags = x'00' WHERE mailbox_id = ?", (theirs.mailbox_id,))
    damaged.close()
    await real.store.delete_account(2)
    for number in range(5):
        await real.append(letter(f"new {number}"))
    _, rows = await real.store.rows(real.mailbox_id)
    assert len(rows) == 5
    assert real.writer.work and real.writer.work.upkeep_due, "there is something left that cannot be done"
