"""kill -9 of the whole node while mail is leaving: the next host's log and the queue add up exactly (OUT-6)."""

from __future__ import annotations

import re
import smtplib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from support.node import PASSWORD, Node, running, until
from support.scripted_host import ScriptedHost, in_background
from support.sending import JANE, until_queue_is_empty

COUNT = 5_000
KILLS_AT = (COUNT // 5, COUNT * 3 // 5)
AT_A_TIME = 20
IN_ONE_CONNECTION, IN_ONE_FLIGHT = 1000, 100
_ID = re.compile(rb"\sid ([0-9A-Z]{26})\b")


@pytest.mark.spec_part("OUT-6")
def test_a_crash_while_5000_messages_leave_loses_none_and_doubles_only_those_whose_answer_was_lost(tmp_path: Path) -> None:
    """At each kill a message is in the log or in the queue; what is in both is what was answered and not written down yet, no
    more than were under way, and comes once more. Nothing else comes twice."""
    submitted = threading.Event()

    def once_all_is_submitted(step: str, connection: int, argument: str) -> None:
        if step == "END":
            submitted.wait(30)

    sink = ScriptedHost(once_all_is_submitted)
    with in_background(sink), running(tmp_path / "node", workers=2) as node:
        node.run("route", "add", "faraway.test", f"127.0.0.1:{sink.port}/off")
        node.run("setting", "set", "queue.concurrency_per_destination", str(AT_A_TIME))
        with ThreadPoolExecutor(2) as pool:
            accepted = [each for ids in pool.map(lambda _: _submit(node), range(COUNT // IN_ONE_CONNECTION)) for each in ids]
        assert len(set(accepted)) == COUNT
        submitted.set()
        wanted = Counter(accepted)
        for enough in KILLS_AT:
            until(lambda enough=enough: len(sink.heard) >= enough, step_s=0.005)
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


def _submit(node: Node) -> list[str]:
    """The ids of the messages of one connection, all of them acknowledged."""
    accepted = []
    content = f"From: <{JANE}>\r\nSubject: on its way\r\n\r\n{'x' * 500}\r\n"
    one = f"MAIL FROM:<{JANE}>\r\nRCPT TO:<x@faraway.test>\r\nBDAT {len(content)} LAST\r\n{content}"
    with smtplib.SMTP("127.0.0.1", node.ports["submission"], timeout=30) as client:
        client.login(JANE, PASSWORD)
        for _ in range(IN_ONE_CONNECTION // IN_ONE_FLIGHT):
            client.send(one * IN_ONE_FLIGHT)
            for _ in range(IN_ONE_FLIGHT):
                replies = [client.getreply() for _ in range(3)]
                assert [code for code, _ in replies] == [250, 250, 250]
                accepted.append(replies[-1][1].decode().split()[-1])
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
