"""The store on a local disk, on a block device as of a SAN, and on a NAS: all promises hold there. What cannot keep a promise
is refused or told of (HA-1)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.books import Books
from support.disks import NasMount, block_device, mounted, nas, volatile
from support.flood import Audit, Flood, prepare, run
from support.node import POSTHOUSE, Node, running
from support.soundness import unsound

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
]


@contextlib.contextmanager
def storage(kind: str, folder: Path) -> Iterator[tuple[Path, NasMount | None]]:
    if kind == "local":
        yield folder, None
    elif kind == "block":
        with block_device(folder) as where:
            yield where, None
    else:
        with nas(folder, "mount") as (machine,):
            yield machine.where, machine


def placed(folder: Path, data: Path) -> Path:
    """A node's folder whose data is elsewhere."""
    folder.mkdir()
    data.mkdir(exist_ok=True)
    (folder / "data").symlink_to(data)
    return folder


def disk_findings(node: Node) -> list[dict[str, Any]]:
    found = node.run("check", "disk", "--json", check=False)
    return list(json.loads(found.stdout)["findings"])


def refused(folder: Path) -> str:
    """The one line with which a node ends that may not start there."""
    node = Node(folder, workers=1)
    done = subprocess.run(
        [*POSTHOUSE, "serve", "--config", str(node.config)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, ""), done.stdout
    return done.stderr.splitlines()[-1]


async def flood_until_killed(node: Node, books: Books, name: str, machine: NasMount | None) -> None:
    """Only the node dies, or with it the machine that has mounted the NAS."""
    flood = Flood(node, books, name)
    clients = [asyncio.ensure_future(one) for one in flood.everybody(strangers=6, submitters=2)]
    await asyncio.sleep(0.8)
    flood.over = True
    await asyncio.to_thread(node.kill, machine.crash if machine else None)
    async with asyncio.timeout(30):
        await asyncio.gather(*clients)


@pytest.mark.spec("HA-1")
@pytest.mark.parametrize("kind", ["local", "block", "nas"])
def test_mail_on_it_is_safe_from_crashes_and_the_check_calls_it_fit(kind: str, tmp_path: Path) -> None:
    with storage(kind, tmp_path) as (where, machine), running(placed(tmp_path / "node", where / "data")) as node:
        found = disk_findings(node)
        assert found[0]["state"] == "ok" and "fsync" in found[0]["found"] and "locks hold" in found[0]["found"]
        assert [each["state"] for each in found[1:]] == (["note", "ok"] if kind == "nas" else ["ok"])
        books = prepare(node)
        before = books.counts["acknowledged"]
        run(flood_until_killed(node, books, kind, machine))
        if machine is not None:
            machine.mount()
        node.start(90)
        assert books.counts["acknowledged"] > before, books.counts
        Audit(node, books).everything()
        assert not books.problems, books.problems
        assert node.json("store", "check")["sound"]
        assert unsound(node.folder / "data") == []
        assert node.stop() == 0


@pytest.mark.spec("HA-1")
def test_of_two_machines_that_mount_one_nas_only_one_opens_the_store(tmp_path: Path) -> None:
    with (
        nas(tmp_path, "first", "second") as (first, second),
        running(placed(tmp_path / "one", first.where / "data"), workers=1) as node,
    ):
        node.send("jane@example.test", "Subject: kept\r\n\r\nx\r\n")
        other = placed(tmp_path / "other", second.where / "data")
        assert "another node runs here" in refused(other)
        node.kill(first.crash)
        first.mount()
        with Node(other, workers=1) as took_over:
            assert took_over.imap("jane@example.test").select("INBOX")[1] == [b"1"]
            assert took_over.stop(60) == 0


@pytest.mark.spec("HA-1")
def test_a_file_system_without_locks_that_hold_is_refused(tmp_path: Path) -> None:
    with nas(tmp_path, "mount", locks=False) as (machine,):
        assert "lock" in refused(placed(tmp_path / "node", machine.where / "data"))
        assert not (machine.where / "data/mail.db").exists()


@pytest.mark.spec("HA-1")
def test_a_file_system_without_shared_memory_is_refused(tmp_path: Path) -> None:
    with nas(tmp_path, "mount", options=("--direct-io-mode=enable",)) as (machine,):
        assert "databases do not work" in refused(placed(tmp_path / "node", machine.where / "data"))


@pytest.mark.spec("HA-1")
@pytest.mark.parametrize("kind", ["volatile", "nobarrier", "tmpfs"])
def test_a_disk_that_does_not_sync_is_told_of_at_the_start_and_by_the_check(kind: str, tmp_path: Path) -> None:
    disks = {
        "volatile": lambda: volatile(tmp_path),
        "nobarrier": lambda: block_device(tmp_path, "nobarrier"),
        "tmpfs": lambda: mounted(tmp_path / "memory", "-t", "tmpfs", "tmpfs", "-o", "size=200m"),
    }
    with disks[kind]() as where:
        node = Node(where / "node", workers=1)
        with node:
            wrong = [each for each in disk_findings(node) if each["state"] == "wrong"]
            assert len(wrong) == 1 and wrong[0]["advice"]
            assert ("memory" if kind == "tmpfs" else kind) in wrong[0]["found"]
            [said] = [line for line in node.log().splitlines() if "disk-in-doubt" in line]
            assert wrong[0]["found"] in said
