"""kill -9 of the whole node while mail is leaving: the next host's log and the queue add up exactly (OUT-6)."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path

import apsw
import pytest

from posthouse.backends.sqlite.local_gate import LocalGate
from posthouse.backends.sqlite.sink import SqliteSink
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.clock import SystemClock
from posthouse.base.ids import Ids
from posthouse.formats.mime import summarise
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, ToQueue
from support.node import Node, running, until
from support.scripted_host import ScriptedHost, in_background
from support.sending import JANE, until_queue_is_empty

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
        accepted = asyncio.run(_fill(node, f"127.0.0.1:{sink.port}/off"))
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


async def _fill(node: Node, next_hop: str) -> list[str]:
    """Puts messages into the queue of a node that is not running; gives their ids, which they carry."""
    path = node.folder / "data" / "mail.db"
    writer, ids = MailWriterThread(path, lambda _: None), Ids(SystemClock())
    writer.start()
    sink = SqliteSink(LocalGate(writer), path)
    now, sender = SystemClock().now(), Sender(Address.parse(JANE))
    destination = ToQueue(Recipient(Address.parse("x@faraway.test")), next_hop)
    accepted = [ids.new() for _ in range(COUNT)]
    try:
        for at in range(0, COUNT, 500):
            contents = [
                (each, f"Message-ID: <{each}@test>\r\n\r\n{'x' * 500}\r\n".encode()) for each in accepted[at : at + 500]
            ]
            letters = [Acceptance(each, now, sender, octets, summarise(octets), (destination,)) for each, octets in contents]
            await asyncio.gather(*(sink.commit(letter) for letter in letters))
    finally:
        writer.stop()
    return accepted


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
