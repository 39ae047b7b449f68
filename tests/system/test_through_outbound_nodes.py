"""Nodes that send through outbound nodes: all that leaves them goes there, and only those speak to other sites. Row OUT-9.

Two outbound nodes stand behind one name; the host of the other site notes who greets it.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.knot import Knot, free_port
from support.node import Node, running, until
from support.scripted_host import ScriptedHost, in_background
from support.sending import queue, submit

OUT = {"out1.example.test": "127.0.8.1", "out2.example.test": "127.0.8.2"}


@dataclass
class Site:
    node: Node
    outbound: list[Node]
    far: ScriptedHost

    def greeted_by(self) -> set[str]:
        return {command.split()[1] for command in self.far.commands if command.upper().startswith(("EHLO ", "HELO "))}

    def arrived(self, subject: str) -> bytes:
        text = f"Subject: {subject}".encode()
        until(lambda: any(text in heard.content for heard in self.far.heard))
        return next(heard.content for heard in self.far.heard if text in heard.content)


def outbound_node(folder: Path, name: str, port: int, extra: str) -> Node:
    node = Node(folder, services=("smtp",), workers=1, name=name, extra=extra)
    node.config.write_text(node.config.read_text().replace("127.0.0.1:0", f"{OUT[name]}:{port}"))
    return node


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    far, port = ScriptedHost(), free_port()
    records = {
        ("far.test", "MX"): ["10 mx.far.test"],
        ("mx.far.test", "A"): ["127.0.0.1"],
        ("elsewhere.test", "MX"): ["10 mx.far.test"],
        ("out.example.test", "A"): list(OUT.values()),
    }
    with Knot(tmp_path / "knot", records) as knot, in_background(far):
        outbound = [outbound_node(tmp_path / name, name, port, knot.toml) for name in OUT]
        with outbound[0], outbound[1], running(tmp_path / "node", workers=1, extra=knot.toml) as node:
            for each in (*outbound, node):
                # a node that went to the other site by itself would be heard there
                for key, value in {"port": str(far.port), "allow_loopback": "on", "first_retry_s": "0.3"}.items():
                    each.run("setting", "set", f"queue.{key}", value)
            for each in outbound:
                each.run("smtp", "set", "relay_networks", "127.0.0.0/8")
            node.run("setting", "set", "route.smart_host", f"out.example.test:{port}")
            node.run("alias", "add", "kim@example.test", "kim@far.test")
            yield Site(node, outbound, far)


@pytest.mark.spec("OUT-9")
def test_all_that_leaves_goes_through_outbound_nodes_and_only_those_speak_to_other_sites(site: Site) -> None:
    node, far = site.node, site.far
    # a user's message, a stranger's that is forwarded, and a notice of the node itself
    submit(node, "from a user", "x@far.test")
    assert b"by out" in site.arrived("from a user") and b"by mx.example.test" in site.arrived("from a user")
    with smtplib.SMTP("127.0.0.1", node.ports["smtp"], timeout=30) as stranger:
        stranger.sendmail("lena@elsewhere.test", ["kim@example.test"], "Subject: forwarded\r\n\r\nx\r\n")
    site.arrived("forwarded")
    with smtplib.SMTP("127.0.0.1", node.ports["smtp"], timeout=30) as stranger:
        stranger.sendmail(
            "lena@elsewhere.test", ["jane@example.test"], "Subject: told\r\n\r\nx\r\n", rcpt_options=["NOTIFY=SUCCESS"]
        )
    until(lambda: any("lena@elsewhere.test" in heard.recipients[0] for heard in far.heard))
    assert site.greeted_by() and site.greeted_by() <= OUT.keys()

    # one of them is gone: the other takes all
    site.outbound[0].kill()
    until(lambda: not queue(site.outbound[1]))
    for number in range(3):
        submit(node, f"by the other {number}", "y@far.test")
    for number in range(3):
        assert b"by out2.example.test" in site.arrived(f"by the other {number}")

    # both are gone: the mail waits, and does not go out by another way
    site.outbound[1].kill()
    waiting = submit(node, "waits", "z@far.test")
    until(lambda: node.run("mail", "trace", waiting).stdout.count("out.example.test") >= 2)
    assert site.greeted_by() <= OUT.keys()
    site.outbound[1].start()
    node.run("queue", "retry")
    site.arrived("waits")
    until(lambda: not queue(node))
    assert site.greeted_by() <= OUT.keys()
    assert len([heard for heard in far.heard if b"Subject: waits" in heard.content]) == 1
