"""All that the row about the durable queue says, on one node with real DNS and other hosts (OUT-6). Its parts have tests that
go deeper: test_queue_delivery, test_queue_crash, test_power_loss, test_queue_by_operations.
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from support.asking import Asking
from support.faces import FACES, LISTENERS, Faces
from support.knot import Knot, free_port
from support.node import Node, running, until
from support.scripted_host import ScriptedHost, in_background
from support.sending import JANE, reports, submit, submit_many, with_subject
from support.synced import unsynced_at_answers, watched

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is what watches the system calls"),
]
FIVE_DAYS_S, FOUR_HOURS_S = 432_000, 14_400
RETRY_S = 100
RECORDS = {
    ("busy.test", "A"): ["127.0.4.1"],
    ("many.test", "A"): ["127.0.4.2"],
    ("paced.test", "A"): ["127.0.4.3"],
    ("failing.test", "MX"): ["10 dead.failing.test", "20 half.failing.test"],
    ("dead.failing.test", "A"): ["127.0.4.8"],
    ("half.failing.test", "A"): ["127.0.4.9", "127.0.4.4"],
    ("six.test", "MX"): ["10 mx.six.test"],
    ("mx.six.test", "AAAA"): ["::1"],
}


@dataclass
class World:
    """``busy`` says 451 to everybody until it is told otherwise."""

    node: Node
    busy: ScriptedHost
    many: ScriptedHost
    paced: ScriptedHost
    half: ScriptedHost
    six: ScriptedHost
    ended: list[float]
    """When ``paced`` took its messages."""

    def ask(self, *words: str) -> Any:
        return Asking(self.node).ask(*words)

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("queue", "list")
        return found

    def row(self, queue_id: str) -> dict[str, Any]:
        return next(row for row in self.rows() if row["queue_id"] == queue_id)

    def attempted(self, queue_id: str, times: int) -> None:
        until(lambda: self.row(queue_id)["attempts"] >= times)


def not_yet(step: str, connection: int, argument: str) -> str | None:
    return "451 4.3.0 not yet" if step == "RCPT" else None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    port, ended = free_port(), list[float]()

    def note(step: str, connection: int, argument: str) -> None:
        if step == "END":
            ended.append(time.monotonic())

    busy = ScriptedHost(not_yet, address="127.0.4.1", port=port)
    many = ScriptedHost(address="127.0.4.2", port=port)
    paced = ScriptedHost(note, address="127.0.4.3", port=port)
    half = ScriptedHost(address="127.0.4.4", port=port)
    six = ScriptedHost(address="::1", port=port)
    with ExitStack() as stack:
        knot = stack.enter_context(Knot(tmp_path / "knot", RECORDS))
        stack.enter_context(in_background(busy, many, paced, half, six))
        services = ("smtp", "submission", "pop3", *LISTENERS)
        node = stack.enter_context(running(tmp_path / "node", workers=1, services=services, extra=knot.toml))
        made = World(node, busy, many, paced, half, six, ended)
        assert float(made.ask("setting", "get", "queue.lifetime_s")["value"]) == FIVE_DAYS_S
        assert float(made.ask("setting", "get", "queue.warn_after_s")["value"]) == FOUR_HOURS_S
        for key, value in {"port": port, "allow_loopback": "on", "first_retry_s": RETRY_S}.items():
            made.ask("setting", "set", f"queue.{key}", str(value))
        yield made


def seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def on_disk_before_250_and_after_kill_9(world: World, tmp_path: Path) -> str:
    """Gives the message that waits."""
    log = tmp_path / "calls.txt"
    with watched(world.node, log):
        waiting = submit(world.node, "survives", "x@busy.test")
    answers, late = unsynced_at_answers(log.read_text(errors="replace").splitlines(), world.node.folder / "data")
    assert answers >= 1 and late == []
    world.attempted(waiting, 1)
    world.node.kill()
    world.node.start()
    assert [row["queue_id"] for row in world.rows()] == [waiting]
    return waiting


def intervals_grow(world: World, waiting: str) -> None:
    for attempt in range(1, 4):
        world.attempted(waiting, attempt)
        row = world.row(waiting)
        left_s = seconds(row["next_attempt"]) - time.time()
        whole_s = RETRY_S * 2 ** (row["attempts"] - 1)
        assert whole_s / 2 < left_s <= whole_s + 1, row
        world.ask("queue", "retry", waiting)
    shown = world.ask("queue", "show", waiting)
    assert abs(seconds(shown["expires"]) - seconds(shown["queued"]) - FIVE_DAYS_S) <= 1


def senders_are_told(world: World, waiting: str) -> None:
    """Of the delay once, of the end after five days, in DSNs that machines read."""
    world.ask("setting", "set", "queue.warn_after_s", "1")
    world.ask("queue", "retry", waiting)
    [delayed] = until(lambda: reports(world.node, "survives"))
    assert (delayed["Action"], delayed["Status"]) == ("delayed", "4.3.0")
    assert abs(parsedate_to_datetime(delayed["Will-Retry-Until"]).timestamp() - time.time() - FIVE_DAYS_S) < 600
    world.ask("setting", "reset", "queue.warn_after_s")
    world.node.kill()
    with closing(sqlite3.connect(world.node.folder / "data" / "mail.db")) as database, database:
        database.execute("UPDATE queued SET queued_at = queued_at - ?, expires_at = expires_at - ?", (FIVE_DAYS_S,) * 2)
    world.node.start()
    world.ask("queue", "retry", waiting)
    until(lambda: world.rows() == [])
    _, failed = until(lambda: len(found := reports(world.node, "survives")) == 2 and found)
    assert (failed["Action"], failed["Final-Recipient"]) == ("failed", "rfc822; x@busy.test")
    assert failed["Diagnostic-Code"].startswith("smtp; 451 4.3.0 not yet")


def each_destination_has_its_bounds(world: World) -> None:
    """Few connections, used again; so many deliveries a minute, where that is set."""
    world.ask("setting", "set", "queue.concurrency_per_destination", "2")
    submit_many(world.node, 40, "x@many.test")
    until(lambda: len(world.many.heard) == 40 and world.rows() == [])
    assert world.many.most_open <= 2
    assert world.many.connections < 20
    world.ask("setting", "set", "queue.rate_per_destination", "30")
    submit_many(world.node, 3, "x@paced.test")
    until(lambda: len(world.ended) == 3)
    assert all(later - sooner > 1.0 for sooner, later in itertools.pairwise(world.ended))
    world.ask("setting", "reset", "queue.rate_per_destination")


def dead_hosts_are_passed_over_and_both_protocols_spoken(world: World) -> None:
    """The first MX is dead, and the first address of the second; another domain has IPv6 alone."""
    submit(world.node, "passed over", "x@failing.test", "y@six.test")
    until(lambda: world.half.heard and world.six.heard and world.rows() == [])


def every_face_has_it_in_hand(world: World, faces: Faces, face: str) -> None:
    ask = faces.ask(face)
    first, second = (submit(world.node, f"{which} by {face}", "x@busy.test") for which in ("first", "second"))
    for each in (first, second):
        world.attempted(each, 1)
    listed = ask("queue", "list")
    assert first in listed and second in listed
    assert "451 4.3.0 not yet" in ask("queue", "show", first)
    ask("queue", "hold", first, second)
    assert {row["state"] for row in world.rows()} == {"held"}
    ask("queue", "retry", second)
    world.attempted(second, 2)
    ask("queue", "delete", second)
    assert [row["queue_id"] for row in world.rows()] == [first]
    ask("queue", "redirect", first, JANE)
    assert with_subject(world.node, f"first by {face}")["Return-Path"] == f"<{JANE}>"
    assert world.rows() == []


@pytest.mark.spec("OUT-6")
def test_the_queue_keeps_retries_tells_spreads_and_obeys(world: World, tmp_path: Path) -> None:
    waiting = on_disk_before_250_and_after_kill_9(world, tmp_path)
    intervals_grow(world, waiting)
    senders_are_told(world, waiting)
    each_destination_has_its_bounds(world)
    dead_hosts_are_passed_over_and_both_protocols_spoken(world)
    with Faces(world.node) as faces:
        for face in FACES:
            every_face_has_it_in_hand(world, faces, face)
