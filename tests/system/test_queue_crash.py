"""kill -9 of the whole node while mail is leaving: every message is at the next host or in the queue (OUT-6)."""

from __future__ import annotations

import smtplib
import time
from collections import Counter
from pathlib import Path

import pytest

from support.node import PASSWORD, running, until
from support.scripted_host import ScriptedHost, in_background
from support.sending import JANE, queue, until_queue_is_empty

COUNT = 300
AT_A_TIME = 10


@pytest.mark.spec_part("OUT-6")
def test_a_crash_while_300_messages_leave_loses_none_and_doubles_few(tmp_path: Path) -> None:
    """At most as many come twice as deliveries may be under way to one destination."""

    def slowly(step: str, connection: int, argument: str) -> None:
        if step == "END":
            time.sleep(0.01)

    sink = ScriptedHost(slowly)
    with in_background(sink), running(tmp_path / "node", workers=1) as node:
        node.run("route", "add", "faraway.test", f"127.0.0.1:{sink.port}")
        node.run("setting", "set", "queue.concurrency_per_destination", str(AT_A_TIME))
        accepted = []
        killed = 0
        with smtplib.SMTP("127.0.0.1", node.ports["submission"], timeout=30) as client:
            client.login(JANE, PASSWORD)
            for number in range(COUNT):
                message = f"From: <{JANE}>\r\nSubject: n{number}\r\n\r\n" + "x" * 3000
                client.sendmail(JANE, [f"u{number}@faraway.test"], message)
                accepted.append(f"n{number}")
        for times in (1, 2):
            until(lambda times=times: len(sink.heard) >= COUNT * times // 4)
            node.kill()
            killed += 1
            node.start()
            left = len(queue(node))
            assert left > 0, "the crash came too late to show anything"
            assert len(_subjects(sink)) + left >= COUNT
        until_queue_is_empty(node, 60)
    seen = _subjects(sink)
    assert set(seen) == set(accepted)
    assert sum(seen.values()) - COUNT <= killed * AT_A_TIME


def _subjects(sink: ScriptedHost) -> Counter[str]:
    return Counter(heard.content.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode() for heard in sink.heard)
