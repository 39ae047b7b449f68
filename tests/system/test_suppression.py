"""Lists on a running node stop sending to members whose hosts know them no more, and start again when told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.node import Node, running, until
from support.scripted_host import ScriptedHost, in_background
from support.sending import submit, until_queue_is_empty

DEAD, ALIVE = "dead@faraway.test", "alive@faraway.test"


def knows_the_living(step: str, connection: int, argument: str) -> str | None:
    if step == "RCPT" and DEAD in argument:
        return "550 5.1.1 No such user"
    return None


def recipients(host: ScriptedHost) -> list[str]:
    return [recipient for heard in host.heard for recipient in heard.recipients]


def send(node: Node, subject: str, to: str = "list@example.test") -> str:
    trace_id = submit(node, subject, to, notify="NEVER")
    until_queue_is_empty(node)
    return trace_id


@pytest.mark.spec_part("OUT-6", "GRP-2")
def test_a_dead_member_gets_no_more_copies_until_it_is_taken_off(tmp_path: Path) -> None:
    host = ScriptedHost(knows_the_living)
    with in_background(host), running(tmp_path / "node", workers=1) as node:
        node.run("route", "add", "unused.test", "127.0.0.1:1")
        node.run("setting", "set", "route.smart_host", f"127.0.0.1:{host.port}")
        node.run("alias", "add", "list@example.test", DEAD, ALIVE)
        for number in range(3):
            assert node.json("suppression", "list") == []
            send(node, f"news {number}")
        [row] = until(lambda: node.json("suppression", "list"))
        assert row["address"] == DEAD and "No such user" in row["why"]
        asked = sum(DEAD in command for command in host.commands)
        trace_id = send(node, "news 4")
        assert sum(DEAD in command for command in host.commands) == asked
        assert "suppressed: 550 5.1.1 No such user" in node.run("mail", "trace", trace_id).stdout
        send(node, "to the address itself", DEAD)
        assert sum(DEAD in command for command in host.commands) == asked + 1
        node.run("suppression", "delete", DEAD)
        send(node, "news 5")
        assert sum(DEAD in command for command in host.commands) == asked + 2
    assert len(recipients(host)) == 5 and all(ALIVE in command for command in recipients(host))
