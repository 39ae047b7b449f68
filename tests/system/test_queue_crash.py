"""kill -9 of the whole node while mail is leaving: the next host's log and the queue add up exactly (OUT-6)."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from pathlib import Path

import apsw
import pytest

from support.full_queue import fill_queue
from support.node import Node, is_alive, running, until
from support.scripted_host import ScriptedHost, in_background
from support.sending import until_queue_is_empty

COUNT = 5_000
KILLS_AT = (COUNT // 5, COUNT * 3 // 5)
AT_A_TIME = 50
_ID = re.compile(rb"^Message-ID: <([0-9A-Z]{26})@", re.M)


@pytest.mark.spec_part("OUT-6")
def test_a_crash_while_5000_messages_leave_loses_none_and_doubles_only_those_whose_answer_was_lost(tmp_path: Path) -> None:
    """At each kill a message is in the log or in the queue; what is in both is what was answered and not written down yet, no
    more than were under way, and comes once more. Nothing else comes twice."""
    sink = ScriptedHost()
    with in_background(sink), running(tmp_path / "node", workers=1) as node:
        node.run("setting", "set", "queue.concurrency_per_destination", str(AT_A_TIME))
        node.stop()
        accepted = asyncio.run(fill_queue(node, f"127.0.0.1:{sink.port}/off", COUNT))
        wanted = Counter(accepted)
        node.start()
        for enough in KILLS_AT:
            until(lambda enough=enough: len(sink.heard) >= enough, 60, step_s=0.005)
            node.kill()
            until(lambda: sink.open == 0)
            heard, waiting = _heard(sink), _waiting(node)
            assert waiting, "the crash came too late to show anything"
            assert set(heard) | waiting == set(accepted)
            in_doubt = {each for each in waiting if heard[each] == wanted[each]}
            assert len(in_doubt) <= AT_A_TIME
            wanted.update(in_doubt)
            node.start()
        until_queue_is_empty(node, 60)
        assert _heard(sink) == wanted


def _heard(sink: ScriptedHost) -> Counter[str]:
    """The next host's log: how often each message came."""
    found = [_ID.search(heard.content) for heard in sink.heard]
    return Counter(match[1].decode() for match in found if match is not None)


def _waiting(node: Node) -> set[str]:
    """The queue as it lies on the disk, while no node is running."""
    database = apsw.Connection(str(node.folder / "data" / "mail.db"))
    try:
        return {str(row[0]) for row in database.execute("SELECT trace_id FROM queued")}
    finally:
        database.close()


@pytest.mark.parametrize("killed", ["worker-1", "steward", "indexer", "supervisor"])
def test_a_process_of_any_kind_that_dies_while_mail_leaves_loses_none(tmp_path: Path, killed: str) -> None:
    """Twice, each time that process alone. The node goes on by itself, or ends as a whole when its supervisor is gone. What
    was under way at that moment may come twice; nothing else does."""
    count, at_a_time, rounds, sink = 800, 20, 2, ScriptedHost()
    with in_background(sink), running(tmp_path / "node") as node:
        node.run("setting", "set", "queue.concurrency_per_destination", str(at_a_time))
        node.run("setting", "set", "queue.first_retry_s", "0.5")
        node.stop()
        accepted = asyncio.run(fill_queue(node, f"127.0.0.1:{sink.port}/off", count))
        node.start()
        for number in range(1, rounds + 1):
            pid = until(lambda: pid_of(node, killed))
            until(lambda number=number: len(sink.heard) >= count * number // 5, 60, step_s=0.005)
            family = node.pids()
            os.kill(pid, signal.SIGKILL)
            assert len(sink.heard) < count, "the crash came too late to show anything"
            if killed == "supervisor":
                until(lambda family=family: not any(map(is_alive, family)))
                node.forget()
                node.start()
            else:
                until(lambda pid=pid: pid_of(node, killed) not in (0, pid))
        until_queue_is_empty(node, 60)
        heard = _heard(sink)
        assert set(heard) == set(accepted)
        assert sum(heard.values()) - count <= at_a_time * rounds


def pid_of(node: Node, kind: str) -> int:
    """The process of the node that is so called; 0 while there is none."""
    if kind == "supervisor":
        return node.pids()[0]
    return next((pid for pid in node.pids() if name_of(pid) == f"ph-{kind}"), 0)


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
