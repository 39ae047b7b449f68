"""The disk is full: clear temporary refusals, nothing acknowledged lost, reading goes on, and all is well when room returns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from posthouse.roles.reserve import PART_OF_DISK
from support.async_clients import Imap, Lost, Smtp
from support.books import Books, Place
from support.disks import mounted
from support.flood import APPEND_BOXES, FLAG_BOXES, INBOXES, READER, Audit, Flood, prepare, run
from support.node import Node, running, until
from support.soundness import unsound

SIZE_MIB = 24
BALLAST_MIB = 8
pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]


class SmallDisk:
    """A node whose data folder is a small disk of its own, with a ballast file that can be thrown away."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.data = node.folder / "data"
        self._ballast = self.data / "ballast"
        self.books: Books
        self.audit: Audit

    def load(self) -> None:
        self._ballast.write_bytes(bytes(BALLAST_MIB << 20))

    def make_room(self) -> None:
        self._ballast.unlink()

    def free_bytes(self) -> int:
        room = os.statvfs(self.data)
        return room.f_bavail * room.f_frsize

    def in_order(self) -> None:
        self.audit.everything()
        assert not self.books.problems, self.books.problems
        assert unsound(self.data) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder for a node whose data will lie on a small disk."""
    with mounted(tmp_path / "data", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=0700", "tmpfs"):
        yield tmp_path


@pytest.fixture
def disk(small: Path) -> Iterator[SmallDisk]:
    with running(small) as node:
        disk = SmallDisk(node)
        node.run("setting", "set", "store.min_free_bytes", "0")
        disk.load()
        disk.books = prepare(node)
        disk.audit = Audit(node, disk.books)
        yield disk


async def fill(disk: SmallDisk, name: str, enough: Callable[[], bool] = bool) -> Flood:
    """Large and small messages by SMTP and APPEND until nothing at all is taken any more, or it is ``enough``."""
    flood = Flood(disk.node, disk.books, name, large=0.1, large_bytes=300_000)
    clients = [asyncio.ensure_future(one) for one in flood.everybody(strangers=6, submitters=2)]
    quiet_since = time.monotonic()
    taken = 0
    async with asyncio.timeout(60):
        while time.monotonic() < quiet_since + 1.5 and not enough():
            await asyncio.sleep(0.05)
            if disk.books.counts["acknowledged"] != taken:
                taken, quiet_since = disk.books.counts["acknowledged"], time.monotonic()
    flood.over = True
    async with asyncio.timeout(60):
        await asyncio.gather(*clients)
    return flood


async def one_of_each(disk: SmallDisk, name: str) -> tuple[int, str, str]:
    """An SMTP message, an APPEND and a STORE: how each is answered."""
    flood = Flood(disk.node, disk.books, name, large=0.0)
    smtp = await Smtp.begin(disk.node.ports["smtp"])
    imap = await Imap.begin(disk.node.ports["imap"], READER)
    with contextlib.closing(smtp), contextlib.closing(imap):
        reply = await flood.send(smtp, flood.token(), "stranger@elsewhere.test", [READER])
        append = await flood.append(imap, Place(READER, APPEND_BOXES[0]), flood.token())
        await imap.select(FLAG_BOXES[0])
        rows = await imap.messages()
        store = await flood.store(imap, Place(READER, FLAG_BOXES[0]), {rows[0].uid: rows[0].token})
    return reply.code, append, store


def first_of(disk: SmallDisk, mailbox: str) -> tuple[str, str]:
    """Marks the first message of a mailbox and expunges it: how both are answered."""
    client = disk.node.imap(READER)
    client.select(mailbox)
    said = client.store("1", "+FLAGS", "(\\Seen \\Deleted)")[0], client.expunge()[0]
    client.logout()
    return said


async def until_taken(disk: SmallDisk) -> float:
    """How long it takes until everything is taken again."""
    began_at = time.monotonic()
    for attempt in range(200):
        with contextlib.suppress(Lost):
            if await one_of_each(disk, f"again{attempt}-{time.monotonic_ns()}") == (250, "OK", "OK"):
                break
        await asyncio.sleep(0.1)
    return time.monotonic() - began_at


@pytest.mark.spec_part("STO-1")
def test_a_full_disk_refuses_clearly_loses_nothing_and_recovers_without_restart(disk: SmallDisk) -> None:
    run(fill(disk, "fill"))
    counts = disk.books.counts
    print(dict(counts), disk.free_bytes())
    assert counts["250 to a message"] > 30
    assert counts["452 to a message"] > 20
    assert counts["NO to APPEND"] > 5
    assert counts["refused"] >= counts["452 to a message"] + counts["NO to APPEND"], "every refusal says that it is for room"
    assert sum(count for what, count in counts.items() if what[:3] in ("451", "554")) == 0, counts

    disk.in_order()
    assert {READER, *INBOXES} == {row["address"] for row in disk.node.json("user", "list")}
    disk.make_room()
    assert run(until_taken(disk)) < 30
    disk.in_order()
    assert disk.node.json("store", "check")["sound"]
    assert disk.node.stop() == 0


@pytest.mark.spec_part("STO-1")
def test_a_node_that_crashes_on_a_full_disk_starts_again_and_has_everything(disk: SmallDisk) -> None:
    run(fill(disk, "fill"))
    for _ in range(3):
        disk.node.kill()
        disk.node.start()
        disk.in_order()
    run(fill(disk, "more"))
    disk.node.kill()
    disk.make_room()
    disk.node.start()
    assert run(until_taken(disk)) < 30
    disk.in_order()
    assert disk.node.json("store", "check")["sound"]


def fill_to_the_last_octet(data: Path) -> None:
    with (data / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert os.statvfs(data).f_bavail == 0


@pytest.mark.spec_part("STO-1")
def test_a_node_starts_on_a_disk_without_any_room_however_it_had_ended(small: Path) -> None:
    data = small / "data"
    with running(small, workers=1) as node:
        for round_number, ends in enumerate(("in order", "by a crash", "with the machine"), 1):
            node.send("jane@example.test", f"Subject: {ends}\r\n\r\nx\r\n")
            if ends == "in order":
                assert node.stop() == 0
            else:
                node.kill()
            if ends == "with the machine":  # what is never synced may be gone then
                for index in data.glob("*.db-shm"):
                    index.unlink()
            fill_to_the_last_octet(data)
            assert len(node.json("user", "list")) == 2
            fill_to_the_last_octet(data)
            node.start()
            assert node.imap("jane@example.test").select("INBOX")[1] == [b"%d" % round_number]
            assert "disk-full" in node.log()
            (data / "filler").unlink()
        assert node.json("store", "check")["sound"]
        assert node.stop() == 0
        assert (data / "reserve").stat().st_size == SIZE_MIB * (1 << 20) // PART_OF_DISK


@pytest.mark.spec_part("STO-1")
def test_new_mail_stops_before_the_disk_is_full_so_that_deleting_and_marking_go_on(disk: SmallDisk) -> None:
    node = disk.node
    node.run("setting", "reset", "store.min_free_bytes")
    until(lambda: run(one_of_each(disk, f"before{time.monotonic_ns()}")) == (250, "OK", "OK"))
    with node.smtp("lmtp") as lmtp:
        lmtp.putcmd("LHLO", "client.test")
        lmtp.getreply()
        run(fill(disk, "fill", lambda: disk.books.counts["452 to the envelope"] > 50))
        held_back = SIZE_MIB * (1 << 20) // 5
        assert disk.free_bytes() > held_back // 2, "some room is left"
        assert disk.free_bytes() < held_back + (2 << 20)
        code, text = lmtp.mail("stranger@elsewhere.test")
        assert (code, text[:5]) == (452, b"4.3.1")
    counts = disk.books.counts
    assert counts["452 to the envelope"] > 50
    assert counts["NO to APPEND"] > 5
    for _ in range(30):
        assert first_of(disk, "INBOX") == ("OK", "OK")
    pop = node.pop(INBOXES[1])
    for number in range(1, 11):
        assert pop.dele(number).startswith(b"+OK")
    assert pop.quit().startswith(b"+OK")
    client = node.imap(READER)
    assert client.create("Made")[0] == "OK"
    client.select(FLAG_BOXES[1])
    assert client.store("1:*", "+FLAGS", "kept")[0] == "OK"
    assert client.copy("1:*", "Made")[1][0].startswith(b"[LIMIT]")
    assert client._simple_command("MOVE", "1:*", "Made")[0] == "OK"
    client.logout()
    node.kill()
    node.start()
    assert node.imap(READER).select("Made")[1] == [b"30"]
    assert unsound(disk.data) == []
    disk.make_room()
    assert run(until_taken(disk)) < 30
    assert node.json("store", "check")["sound"]
