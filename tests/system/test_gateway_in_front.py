"""A gateway alone in front of an inbound node (GRY-6): greylists, relays, learns whom the other does not have."""

from __future__ import annotations

import imaplib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.greylisted import Attempt, greylisting
from support.node import Node, running, until
from support.zone import Zone

WAIT = "450 4.7.1 mailbox temporarily unavailable"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Sequence[Node]]:
    """The gateway, and the inbound node that has the mailboxes."""
    with ExitStack() as stack:
        zone = stack.enter_context(Zone())
        inbound = stack.enter_context(running(tmp_path / "inbound", services=("smtp", "imap"), workers=1, extra=zone.toml))
        inbound.run("smtp", "set", "sender_check", "off")
        gateway = Node(tmp_path / "gateway", services=("smtp",), workers=1, name="gw.example.test", extra=zone.toml)
        stack.enter_context(gateway)
        gateway.run("route", "add", "example.test", f"127.0.0.1:{inbound.ports['smtp']}")
        greylisting(gateway, latest_s="60s", auto_allow="0")
        until(lambda: Attempt("probe@elsewhere.test").at(gateway.ports["smtp"]) == WAIT)
        yield gateway, inbound


def passed(gateway: Node, attempt: Attempt) -> str:
    """The answer once greylisting lets it through."""
    return str(until(lambda: (reply := attempt.at(gateway.ports["smtp"])) != WAIT and reply))


def count(client: imaplib.IMAP4) -> int:
    """The messages in the inbox."""
    return int(client.select("INBOX")[1][0] or b"0")


@pytest.mark.spec("GRY-6")
def test_mail_that_passes_is_relayed_and_unknown_recipients_are_learnt_from_the_queue(nodes: Sequence[Node]) -> None:
    gateway, inbound = nodes
    assert passed(gateway, Attempt("one@elsewhere.test")).startswith("250")
    with inbound.imap("jane@example.test") as client:
        until(lambda: count(client) >= 1)
    stranger = Attempt("two@elsewhere.test", "nobody@example.test")
    assert passed(gateway, stranger).startswith("250"), "nothing is known against it yet"
    until(lambda: gateway.json("recipient", "unknown"))
    assert stranger.at(gateway.ports["smtp"]).startswith("550 5.1.1"), "and from then on it is refused at RCPT"
    [row] = gateway.json("recipient", "unknown")
    assert row["address"] == "nobody@example.test"
    gateway.run("recipient", "forget", "nobody@example.test")
    assert gateway.json("recipient", "unknown") == []


@pytest.mark.spec_part("INB-9")
def test_in_session_the_sender_gets_the_answer_of_the_node_behind(nodes: Sequence[Node]) -> None:
    gateway, inbound = nodes
    gateway.run("setting", "set", "route.hand_over", "in-session")
    unknown = Attempt("three@elsewhere.test", "nobody2@example.test")
    assert passed(gateway, unknown).startswith("550 5.1.1")
    assert gateway.json("queue", "list") == []
    assert [row["address"] for row in gateway.json("recipient", "unknown")] == ["nobody2@example.test"]
    with inbound.imap("jane@example.test") as client:
        before = count(client)
    assert passed(gateway, Attempt("four@elsewhere.test")).startswith("250")
    with inbound.imap("jane@example.test") as client:
        until(lambda: count(client) > before)
    inbound.kill()
    assert passed(gateway, Attempt("five@elsewhere.test")).startswith("250"), "kept while the node behind is down"
    assert len(gateway.json("queue", "list")) == 1
    inbound.start()
