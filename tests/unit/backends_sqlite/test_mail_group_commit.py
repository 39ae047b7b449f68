"""The writing thread: groups share one fsync, a bad unit fails alone, a full disk fails a group whole and passes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from posthouse.backends.notices import Committed, ignore
from posthouse.backends.sqlite.check import check
from posthouse.backends.sqlite.local_gate import LocalGate
from posthouse.backends.sqlite.mailstore import SqliteMailStore
from posthouse.backends.sqlite.sink import SqliteSink
from posthouse.backends.sqlite.spool import SqliteSpool
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.errors import NoSpace, NotFound, Temporary
from posthouse.base.metrics import REGISTRY
from posthouse.model.mailbox import NewMessage
from support.mail_backends import acceptance, letter, texts, to_mailbox


def commits() -> float:
    return REGISTRY.get_sample_value("posthouse_store_commits_total") or 0.0


class Held:
    """A writer whose thread stands still in its first commit's notice until ``go``: what is handed in meanwhile waits."""

    def __init__(self, path: Path) -> None:
        self.standing = threading.Event()
        self.go = threading.Event()
        self.writer = MailWriterThread(path, self._told)
        self.writer.start()
        self.first = self.writer.submit("subscribe", [1, "INBOX", True, 10])
        self.create = self.writer.submit("create", [1, "first", "", 100, None])
        self.standing.wait(60)

    def _told(self, committed: Committed) -> None:
        del committed
        self.standing.set()
        self.go.wait(60)


def create(writer: MailWriterThread, name: str) -> Future[Any]:
    return writer.submit("create", [1, name, "", 1000, None])


def test_units_that_wait_for_a_commit_share_the_next_one(tmp_path: Path) -> None:
    held = Held(tmp_path / "mail.db")
    before = commits()
    waiting = [create(held.writer, f"box{number}") for number in range(200)]
    held.go.set()
    assert len({future.result(10) for future in waiting}) == 200
    assert commits() - before <= 5
    held.writer.stop()
    assert check(tmp_path / "mail.db").problems == ()


def test_a_bad_unit_fails_alone_in_its_group(tmp_path: Path) -> None:
    told: list[Committed] = []
    held = Held(tmp_path / "mail.db")
    before = commits()
    good = create(held.writer, "good")
    bad = [
        held.writer.submit("append", [424242, [], None, ""]),
        held.writer.submit("no such kind", []),
        held.writer.submit("create", [1]),
        held.writer.submit("create", [1, {"not": "text"}, "", 100, None]),
        held.writer.submit("create", [2**80, "x", "", 100, None]),
    ]
    also_good = create(held.writer, "also good")
    held.go.set()
    with pytest.raises(NotFound):
        bad[0].result(10)
    for future in bad[1:]:
        with pytest.raises(Temporary):
            future.result(10)
    assert good.result(10) != also_good.result(10)
    assert commits() - before <= 3
    held.writer.stop()
    assert not told and check(tmp_path / "mail.db").problems == ()


async def test_a_unit_that_fails_leaves_nothing_and_tells_nothing(tmp_path: Path) -> None:
    told: list[Committed] = []
    async with running(tmp_path / "mail.db", told) as (store, sink, _):
        await store.mailboxes(1)
        await store.delete_account(2)
        told.clear()
        with pytest.raises(Temporary):
            await sink.commit(acceptance(letter("x"), to_mailbox(1), to_mailbox(2)))
        assert told == []
    report = check(tmp_path / "mail.db", contents=True)
    assert (report.problems, report.messages, report.bodies) == ((), 0, 0)


class running:
    """Store, sink and writer on one database."""

    def __init__(self, path: Path, told: list[Committed] | None = None) -> None:
        self._path = path
        self.writer = MailWriterThread(path, ignore if told is None else told.append)

    async def __aenter__(self) -> tuple[SqliteMailStore, SqliteSink, MailWriterThread]:
        self.writer.start()
        gate = LocalGate(self.writer)
        self._store = SqliteMailStore(gate, self._path)
        return self._store, SqliteSink(gate, self._path), self.writer

    async def __aexit__(self, *_: object) -> None:
        self._store.close()
        self.writer.stop()


async def test_twenty_clients_need_far_fewer_commits_than_units(tmp_path: Path) -> None:
    async with running(tmp_path / "mail.db") as (store, sink, _):
        await store.mailboxes(1)
        before = commits()

        async def client(number: int) -> None:
            for turn in range(20):
                await sink.commit(acceptance(letter(f"{number} {turn}"), to_mailbox(1)))

        await asyncio.gather(*(client(number) for number in range(20)))
        assert commits() - before < 0.5 * 400
        info = await store.mailbox(1, "INBOX")
        assert info and info.exists == 400


async def test_a_cancelled_caller_does_not_hurt_the_thread(tmp_path: Path) -> None:
    async with running(tmp_path / "mail.db") as (store, sink, _):
        await store.mailboxes(1)
        task = asyncio.ensure_future(sink.commit(acceptance(letter("one"), to_mailbox(1))))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await sink.commit(acceptance(letter("two"), to_mailbox(1)))
        info = await store.mailbox(1, "INBOX")
        assert info and info.exists in (1, 2)


async def test_a_database_that_cannot_grow_answers_no_space_and_recovers(tmp_path: Path) -> None:
    async with running(tmp_path / "mail.db") as (store, sink, writer):
        await store.mailboxes(1)
        assert writer.work
        pages = writer.work.connection.pragma("page_count")
        writer.work.connection.pragma("max_page_count", pages + 40)
        accepted = 0
        with pytest.raises(NoSpace) as error:
            while True:
                await sink.commit(acceptance(letter(f"{accepted}", 8000), to_mailbox(1)))
                accepted += 1
        assert (error.value.code, error.value.enhanced) == (452, "4.3.1")
        info = await store.mailbox(1, "INBOX")
        assert info and 0 < accepted == info.exists
        writer.work.connection.pragma("max_page_count", pages + 4000)
        await sink.commit(acceptance(letter("after", 8000), to_mailbox(1)))
        found = await texts(store, info.mailbox_id)
        assert found == [letter(f"{number}", 8000) for number in range(accepted)] + [letter("after", 8000)]
    assert check(tmp_path / "mail.db", contents=True).problems == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mounted)]).returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


async def test_a_full_disk_loses_nothing_and_passes(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2 << 20))
    path = small_disk / "mail.db"
    async with running(path) as (store, sink, _):
        await store.mailboxes(1)
        kept: list[bytes] = []
        refused = 0

        async def client(number: int) -> None:
            nonlocal refused
            for turn in range(60):
                # Every fourth one is large enough for a file of its own.
                content = letter(f"{number} {turn}", 150_000 if turn % 4 == 3 else 6000)
                try:
                    await sink.commit(acceptance(content, to_mailbox(1)))
                    kept.append(content)
                except NoSpace:
                    refused += 1

        await asyncio.gather(*(client(number) for number in range(5)))
        assert refused > 0 and kept
        ballast.unlink()
        await sink.commit(acceptance(letter("room again"), to_mailbox(1)))
        info = await store.mailbox(1, "INBOX")
        assert info
        assert sorted(await texts(store, info.mailbox_id)) == sorted([*kept, letter("room again")])
        assert check(path, contents=True).problems == ()


async def test_work_that_waits_at_the_stop_is_done_and_later_work_is_refused(tmp_path: Path) -> None:
    held = Held(tmp_path / "mail.db")
    waiting = [create(held.writer, f"n{number}") for number in range(5)]
    held.go.set()
    held.writer.stop()
    assert all(future.result(0) for future in waiting)
    with pytest.raises(Temporary):
        create(held.writer, "late").result(1)


def test_a_second_process_cannot_write(tmp_path: Path) -> None:
    writer = MailWriterThread(tmp_path / "mail.db")
    writer.start()
    with pytest.raises(Temporary):
        MailWriterThread(tmp_path / "mail.db").start()
    writer.stop()
    again = MailWriterThread(tmp_path / "mail.db")
    again.start()
    again.stop()


async def test_the_log_is_written_back_while_units_go_on(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    async with running(path) as (store, _, _):
        info = await store.mailbox(1, "INBOX")
        assert info
        for number in range(120):
            batch = [NewMessage(letter(f"{number} {part}") + os.urandom(60_000)) for part in range(8)]
            await store.append(info.mailbox_id, batch)
        # 58 MB of mail went through a log that starts again at 16 MB or a little later.
        assert path.with_name("mail.db-wal").stat().st_size < 45 << 20
        assert path.stat().st_size > 20 << 20


async def test_readers_wait_for_the_writer_to_make_the_database(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    writer = MailWriterThread(path)
    store = SqliteMailStore(LocalGate(writer), path)
    spool = SqliteSpool(LocalGate(writer), path)
    with pytest.raises(Temporary):
        await store.mailbox_by_id(1)
    with pytest.raises(Temporary):
        await store.ready(timeout_s=0)
    ready = asyncio.ensure_future(store.ready(timeout_s=10))
    await asyncio.sleep(0)
    writer.start()
    await ready
    assert len(await store.mailboxes(1)) == 6 and await spool.count() == {}
    spool.close()
    store.close()
    writer.stop()


async def test_a_call_after_the_thread_has_stopped_is_answered_at_once(tmp_path: Path) -> None:
    writer = MailWriterThread(tmp_path / "mail.db")
    writer.start()
    gate = LocalGate(writer)
    assert await gate.call("queue_retry", [0.0, "", 10]) == (0, 0, "")
    writer.stop()
    with pytest.raises(Temporary):
        await asyncio.wait_for(gate.call("queue_retry", [0.0, "", 10]), 60)
