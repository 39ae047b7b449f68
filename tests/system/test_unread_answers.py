"""Clients that send commands without end and read no answers, before any login: the node stops listening to them."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest

from support.node import SERVICES, Node, running

FLOODS = {
    "smtp": b"EHLO x\r\n",
    "submission": b"EHLO x\r\n",
    "imap": b"a CAPABILITY\r\n",
    "pop3": b"CAPA\r\n",
    "managesieve": b"CAPABILITY\r\n",
}
LONGEST_S = 0.5
STILL_S = 2.0
GIVE_UP_S = 15.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("unread"), workers=1, services=(*SERVICES, "managesieve")) as started:
        yield started


def comes_to_rest(client: socket.socket, line: bytes, node: Node) -> tuple[bool, float]:
    """Sends until nothing more is taken for a while; whether that came, and the longest wait of another client meanwhile."""
    client.setblocking(False)
    began = last = time.monotonic()
    longest = 0.0
    with node.smtp("smtp") as other:
        while time.monotonic() - last < STILL_S:
            if time.monotonic() - began > GIVE_UP_S:
                return False, longest
            if select.select([], [client], [], 0.05)[1]:
                try:
                    client.send(line * 4_000)
                except OSError:  # it was put out
                    return True, longest
                last = time.monotonic()
            asked = time.monotonic()
            other.noop()
            longest = max(longest, time.monotonic() - asked)
    return True, longest


@pytest.mark.parametrize("service", FLOODS)
def test_attack_who_reads_no_answers_is_not_listened_to_any_more(node: Node, service: str) -> None:
    """SMTP kept all answers in memory for as long as the client liked to ask."""
    with socket.create_connection(("127.0.0.1", node.ports[service]), timeout=30) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        rested, longest = comes_to_rest(client, FLOODS[service], node)
    assert rested
    assert longest < LONGEST_S
