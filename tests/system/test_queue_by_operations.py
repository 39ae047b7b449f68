"""The queue's operations on a running node, in every administration face (OUT-6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.asking import Asking
from support.faces import FACES, LISTENERS, Faces
from support.node import Node, running, until
from support.scripted_host import ScriptedHost, in_background
from support.sending import JANE, submit, with_subject


@dataclass
class Busy:
    """``node`` sends mail for ops.test to ``host``, which says 450 to every recipient until it is told otherwise."""

    node: Node
    host: ScriptedHost
    faces: Faces

    def queue(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = Asking(self.node).ask("queue", "list")
        return rows

    def asked(self) -> int:
        return sum(command.startswith("RCPT") for command in self.host.commands)


def busy(step: str, connection: int, argument: str) -> str | None:
    return "450 4.2.1 busy" if step == "RCPT" else None


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    host = ScriptedHost()
    services = ("smtp", "submission", "pop3", *LISTENERS)
    with (
        in_background(host),
        running(tmp_path_factory.mktemp("operations") / "node", workers=1, services=services) as node,
        Faces(node) as faces,
    ):
        node.run("route", "add", "ops.test", f"127.0.0.1:{host.port}")
        node.run("setting", "set", "queue.first_retry_s", "600")
        yield Busy(node, host, faces)


@pytest.fixture(autouse=True)
def fresh(world: Busy) -> Iterator[None]:
    world.host.says = busy
    world.host.heard.clear()
    world.host.commands.clear()
    yield
    if left := [str(row["queue_id"]) for row in world.queue()]:
        world.node.run("queue", "delete", *left)


@pytest.mark.spec_part("OUT-6", "ADM-1")
@pytest.mark.parametrize("face", FACES)
def test_list_show_hold_release_retry_export_delete_and_redirect(world: Busy, face: str) -> None:
    node, host, ask = world.node, world.host, world.faces.ask(face)
    subject = f"operated by {face}"
    trace_id = submit(node, subject, "a@ops.test", "b@ops.test")
    until(lambda: [row for row in world.queue() if row["attempts"] == 1])
    assert all(word in ask("queue", "list") for word in (trace_id, "waiting", "450 4.2.1 busy"))
    shown = ask("queue", "show", trace_id, "--header") if face != "protocol" else ask("queue", "show", trace_id)
    assert all(word in shown for word in ("a@ops.test", "b@ops.test", "127.0.0.1", "450 4.2.1 busy"))
    assert "2" in ask("queue", "count")
    ask("queue", "retry", trace_id)
    until(lambda: world.asked() == 4 and world.queue()[0]["attempts"] == 2)
    ask("queue", "hold", trace_id)
    ask("queue", "retry")
    assert "held" in ask("queue", "list")
    host.says = lambda step, connection, argument: "450 no" if "b@" in argument else None
    ask("queue", "release", trace_id)
    until(lambda: host.heard)
    assert host.heard[0].recipients == ["RCPT TO:<a@ops.test>"]
    until(lambda: world.queue()[0]["recipients"] == ["b@ops.test"])
    ask("queue", "redirect", trace_id, JANE)
    assert with_subject(node, subject)["Return-Path"] == f"<{JANE}>"
    assert world.queue() == []
    other = submit(node, "dropped", "b@ops.test")
    until(lambda: [row for row in world.queue() if row["attempts"] == 1])
    ask("queue", "delete", other)
    assert world.queue() == []


def test_a_message_is_exported_octet_for_octet_with_its_envelope_and_over_nothing(world: Busy) -> None:
    node, host = world.node, world.host
    host.says = lambda step, connection, argument: "450 no" if "b@" in argument else None
    trace_id = submit(node, "exported", "a@ops.test", "b@ops.test")
    until(lambda: host.heard and world.queue()[0]["recipients"] == ["b@ops.test"])
    folder = node.folder / "exported"
    names = node.json("queue", "export", trace_id, "--path", str(folder))
    assert names == [str(folder / f"{trace_id}.eml"), str(folder / f"{trace_id}.json")]
    assert host.heard[0].content in (folder / f"{trace_id}.eml").read_bytes()
    envelope = json.loads((folder / f"{trace_id}.json").read_text())
    assert [row["state"] for row in envelope["recipients"]] == ["done", "waiting"]
    assert (folder / f"{trace_id}.eml").stat().st_mode & 0o077 == 0
    assert len(world.queue()) == 1
    for path in (str(folder), "relative", "/proc/nowhere"):
        assert node.run("queue", "export", trace_id, "--path", path, check=False).returncode != 0
    assert "queue export" in node.run("audit", "list").stdout.lower()


def test_operations_on_what_is_not_there_say_so(world: Busy) -> None:
    for words in (
        ("show",),
        ("hold",),
        ("release",),
        ("retry",),
        ("delete",),
        ("export", "--path", "/tmp"),
        ("redirect", JANE),
    ):
        done = world.node.run("queue", words[0], "01NOSUCHMESSAGE0000000000X", *words[1:], check=False)
        assert done.returncode != 0, words
        assert "no message" in done.stderr, words
