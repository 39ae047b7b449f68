"""Who sends much holds up nobody but himself, at one destination as well (OUT-6)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from support.full_queue import fill_queue
from support.knot import free_port
from support.node import PASSWORD, Node, running, until
from support.scripted_host import ScriptedHost, in_background
from support.sending import queue, submit, submit_many

FLOOD = 400
OMAR = "omar@example.org"


@pytest.mark.spec_part("OUT-6")
def test_one_users_flood_to_a_slow_host_does_not_hold_up_another_users_message(tmp_path: Path) -> None:
    """Neither in the line nor behind it: the line takes 200 messages. Urgent mail of the same user goes first, too."""

    def slowly(step: str, connection: int, argument: str) -> None:
        if step == "END":
            time.sleep(0.05)

    host = ScriptedHost(slowly)
    with in_background(host), running(tmp_path / "node", workers=1) as node:
        node.run("route", "add", "faraway.test", f"127.0.0.1:{host.port}/off")
        node.run("setting", "set", "queue.concurrency_per_destination", "2")
        submit_many(node, FLOOD)
        with node.smtp("submission") as client:
            client.login(OMAR, PASSWORD)
            client.sendmail(OMAR, ["y@faraway.test"], f"From: <{OMAR}>\r\nSubject: alone\r\n\r\nx\r\n")
        submit(node, "urgent", "z@faraway.test", options=["MT-PRIORITY=2"])
        before = len(host.heard)
        subjects = until(lambda: _subjects(host) if {"alone", "urgent"} <= set(_subjects(host)) else None)
        assert subjects.index("alone") - before < 30
        assert subjects.index("urgent") - before < 30
        assert len(queue(node)) > FLOOD // 3, "the flood was over too soon to show anything"


@pytest.mark.spec_part("OUT-6")
def test_a_dead_host_is_tried_by_few_of_those_that_wait_and_gets_them_all_when_it_is_back(tmp_path: Path) -> None:
    port, living = free_port(), ScriptedHost()
    back = ScriptedHost(port=port)
    with in_background(living), running(tmp_path / "node", workers=1, services=("submission",)) as node:
        node.run("route", "add", "living.test", f"127.0.0.1:{living.port}/off")
        node.run("setting", "set", "queue.first_retry_s", "3600")
        node.stop()
        asyncio.run(fill_queue(node, f"127.0.0.1:{port}/off", FLOOD))
        node.start()
        submit(node, "beside", "y@living.test")
        until(lambda: _subjects(living) == ["beside"], 60)
        rows = until(lambda: _all_tried(node), 60)
        assert sum("not tried" not in str(row["last_reply"]) for row in rows) < 20
        trace_id = next(str(row["queue_id"]) for row in rows if "not tried" in str(row["last_reply"]))
        until(lambda: "not tried" in node.run("mail", "trace", trace_id).stdout, 60)
        with in_background(back):  # a port that was free a moment ago
            node.run("queue", "retry")
            until(lambda: len(back.heard) == FLOOD, 60)
            until(lambda: queue(node) == [], 60)
        assert len({heard.content for heard in back.heard}) == FLOOD


@pytest.mark.spec_part("OUT-6")
def test_a_host_that_turns_us_away_is_left_in_peace_and_gets_all_when_it_takes_mail_again(tmp_path: Path) -> None:
    """It says 421 in place of a greeting, as hosts do to whom we come too often."""
    count, away = 120, ["421 4.7.0 too many connections from you"]
    busy, living = (
        ScriptedHost(lambda step, connection, argument: away[0] if step == "GREETING" and away else None),
        ScriptedHost(),
    )
    with in_background(busy, living), running(tmp_path / "node", workers=1, services=("submission",)) as node:
        node.run("route", "add", "living.test", f"127.0.0.1:{living.port}/off")
        node.run("setting", "set", "queue.first_retry_s", "3600")
        node.stop()
        asyncio.run(fill_queue(node, f"127.0.0.1:{busy.port}/off", count))
        node.start()
        submit(node, "beside", "y@living.test")
        until(lambda: _subjects(living) == ["beside"])
        until(lambda: all(row["attempts"] for row in queue(node)))
        assert busy.connections < 20
        away.clear()
        node.run("queue", "retry")
        until(lambda: len(busy.heard) == count)
        until(lambda: queue(node) == [])


def _all_tried(node: Node) -> list[dict[str, object]] | None:
    rows = queue(node)
    return rows if len(rows) == FLOOD and all(row["attempts"] for row in rows) else None


def _subjects(host: ScriptedHost) -> list[str]:
    return [heard.content.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode() for heard in host.heard]
