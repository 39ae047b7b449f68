"""A process of the node dies, or the node is told to end, while mail comes in: the service heals itself and keeps its word."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from support.flood import READER, Audit, Flood, prepare, run
from support.node import Node, running
from support.soundness import unsound

pytestmark = [pytest.mark.timeout(120)]
BACK_WITHIN_S = 60.0


class Stage:
    """A running node, its books, and a flood that something happens to."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.books = prepare(node)
        self.audit = Audit(node, self.books)

    def flooded(self, name: str, happening: Callable[[Flood], Awaitable[None]]) -> Flood:
        """Floods, lets it happen, ends the flood when it returns."""

        async def main() -> Flood:
            flood = Flood(self.node, self.books, name)
            clients = [asyncio.ensure_future(one) for one in flood.everybody()]
            await asyncio.sleep(0.7)
            await happening(flood)
            flood.over = True
            async with asyncio.timeout(60):
                await asyncio.gather(*clients)
            return flood

        return run(main())

    def child(self, name: str) -> int:
        """The pid of one process; 0 while it is not there."""
        for pid in self.node.pids():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == f"ph-{name}":
                    return pid
        return 0

    def in_order(self) -> None:
        """Everything acknowledged is there once, and the files are sound."""
        self.audit.everything()
        assert not self.books.problems, self.books.problems
        assert self.node.json("store", "check")["sound"]
        assert unsound(self.node.folder / "data") == []


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with running(tmp_path_factory.mktemp("restarts")) as node:
        yield Stage(node)


@pytest.mark.spec_part("STO-1", "OUT-6")
@pytest.mark.parametrize("name", ["steward", "worker-1"])
def test_one_process_killed_under_load_is_replaced_and_no_promise_is_broken(stage: Stage, name: str) -> None:
    async def kill_one(flood: Flood) -> None:
        for _ in range(3):
            victim = stage.child(name)
            before = stage.books.counts["250 to a message"]
            os.kill(victim, signal.SIGKILL)
            async with asyncio.timeout(BACK_WITHIN_S):
                while stage.child(name) in (0, victim) or stage.books.counts["250 to a message"] < before + 50:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)

    others = [pid for pid in stage.node.pids() if pid != stage.child(name)]
    flood = stage.flooded(name, kill_one)
    assert set(others) < set(stage.node.pids()), "only the killed process was replaced"
    assert flood.books.counts["unanswered"] > 0
    stage.in_order()


def fix_ports(node: Node) -> None:
    """From now on the node listens where it listens now."""
    text = node.config.read_text()
    for service, port in node.ports.items():
        text = text.replace(f'\n{service} = "127.0.0.1:0"', f'\n{service} = "127.0.0.1:{port}"')
    node.config.write_text(text)


@pytest.mark.spec_part("STO-1")
def test_a_killed_supervisor_takes_all_with_it_and_a_new_node_serves_at_once_on_the_same_ports(
    stage: Stage,
) -> None:
    node = stage.node
    fix_ports(node)

    async def kill_supervisor(flood: Flood) -> None:
        pids = node.pids()
        flood.over = True
        os.kill(pids[0], signal.SIGKILL)
        killed_at = time.monotonic()
        while any(alive(pid) for pid in pids):
            assert time.monotonic() < killed_at + 15, "its processes outlive the supervisor"
            await asyncio.sleep(0.01)

    stage.flooded("supervisor", kill_supervisor)
    node.kill()
    node.start()
    node.send(READER, "Subject: after-1\r\nMessage-ID: <after-1@flood.test>\r\n\r\nserved at once\r\n")
    with node.imap(READER) as client:
        client.select(readonly=True)
        assert client.search(None, "SUBJECT", "after-1")[1] != [b""]
        client.select()
        client.store(client.search(None, "SUBJECT", "after-1")[1][0].decode(), "+FLAGS", "(\\Deleted)")
        client.expunge()
    stage.in_order()


def alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.spec_part("STO-1")
def test_sigterm_under_load_tells_clients_and_exits_0_and_keeps_every_promise(stage: Stage) -> None:
    node = stage.node
    cut_off = stage.books.counts["0 to a message"]

    async def end(flood: Flood) -> None:
        assert node.process is not None
        node.process.send_signal(signal.SIGTERM)
        began_at = time.monotonic()
        while node.process.poll() is None:
            assert time.monotonic() < began_at + 60, "still draining"
            await asyncio.sleep(0.02)

    flood = stage.flooded("term", end)
    assert node.process is not None
    assert node.process.wait(60) == 0
    told = [line for line in flood.goodbyes if line.startswith((b"421 ", b"* BYE"))]
    assert len(told) >= 20, flood.goodbyes
    assert any(line.startswith(b"* BYE") for line in told)
    assert [line for line in flood.goodbyes if line not in told] == []
    assert stage.books.counts["0 to a message"] == cut_off, "a message under way got no answer"
    node.kill()
    node.start()
    stage.in_order()
