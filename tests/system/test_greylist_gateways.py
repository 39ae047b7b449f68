"""Several gateways with one triplet database on a real server: a retry through another counts; a dead server lets mail in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.databases import Server, postgres, valkey
from support.greylisted import Attempt, greylisting
from support.node import Node, running, until
from support.zone import Zone

WAIT = "450 4.7.1 mailbox temporarily unavailable"


class Gateways:
    """Two nodes, and the server that they share."""

    def __init__(self, nodes: Sequence[Node], server: Server) -> None:
        self.nodes = nodes
        self.first, self.second = (node.ports["smtp"] for node in nodes)
        self.server = server


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Node]]:
    with ExitStack() as stack:
        zone = stack.enter_context(Zone())
        folder: Path = tmp_path_factory.mktemp("gateways")
        made = [
            stack.enter_context(running(folder / name, services=("smtp",), workers=1, name=name, extra=zone.toml))
            for name in ("mx1.example.test", "mx2.example.test")
        ]
        for node in made:
            greylisting(node, latest_s="60s", auto_allow="0", timeout_s="3s")
        yield made


@pytest.fixture(scope="module", params=[postgres, valkey], ids=["postgres", "valkey"])
def gateways(request: pytest.FixtureRequest, nodes: Sequence[Node]) -> Iterator[Gateways]:
    """The nodes run on while their database is changed under them."""
    with request.param() as (server, url):
        for node in nodes:
            node.run("greylist", "set", "database", url)
        for number, node in enumerate(nodes):
            sender = f"through{number}@elsewhere.test"
            until(lambda node=node, sender=sender: _is_kept(node, sender, nodes[0]))
        yield Gateways(nodes, server)


def _is_kept(node: Node, sender: str, other: Node) -> bool:
    """Whether an attempt at one node is seen by the other."""
    Attempt(sender).at(node.ports["smtp"])
    return bool(other.json("greylist", "triplets", "--sender", sender))


@pytest.mark.spec("GRY-3")
def test_a_retry_through_another_gateway_counts_and_a_dead_database_lets_mail_in(gateways: Gateways) -> None:
    one = Attempt("one@elsewhere.test")
    assert one.at(gateways.first) == WAIT
    assert until(lambda: (reply := one.at(gateways.second)) != WAIT and reply).startswith("250")
    assert one.at(gateways.first).startswith("250"), "valid for both"

    gateways.server.kill()
    other = Attempt("other@elsewhere.test")
    for node, port in zip(gateways.nodes, (gateways.first, gateways.second), strict=True):
        assert other.at(port).startswith("250")
        until(lambda node=node: "fail-open" in str(node.json("mail", "trace", "--sender", "other@elsewhere.test")))
    gateways.server.start()
    until(lambda: Attempt("third@elsewhere.test").at(gateways.second) == WAIT)


def test_statistics_are_those_of_all_gateways(gateways: Gateways) -> None:
    sent = [Attempt(f"counted{number}@elsewhere.test", address="198.18.20.1") for number in range(6)]
    until(lambda: Attempt("again@elsewhere.test").at(gateways.first) == WAIT)
    for number, attempt in enumerate(sent):
        assert attempt.at((gateways.first, gateways.second)[number % 2]) == WAIT
    for node in gateways.nodes:
        rows = node.json("greylist", "stats", "198.18.20.0/24", "--network")
        assert rows[-1]["delayed"] == 6
        assert len(node.json("greylist", "triplets", "--sender", "counted*")) == 6
