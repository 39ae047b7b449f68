"""What the tests with hostile clients measure with: descriptors, memory at its peak, an honest client's time; and a pump that
pours octets into a service until it is stopped."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from support.node import Node

JANE = "jane@example.test"


def descriptors(node: Node) -> Counter[str]:
    """What the node's processes hold open, by what it is; not its databases, which are opened when first needed."""
    kinds: Counter[str] = Counter()
    for pid in node.pids():
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                kind = os.readlink(f"/proc/{pid}/fd/{name}").partition(":")[0]
                kinds[kind] += "/data/" not in kind
    return kinds


def all_is_read(port: int) -> bool:
    """Whether the node has taken in everything that its clients have sent to this port: no kernel buffer holds any of it."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    name = f":{port:04X}"
    open_ = [row for row in rows if row[3] == "01" and (row[1].endswith(name) or row[2].endswith(name))]
    return all(row[4] == "00000000:00000000" for row in open_)


@contextlib.contextmanager
def peak_kib(node: Node) -> Iterator[Callable[[], int]]:
    """How much more memory the node took at most while inside, in KiB."""
    before = peak = node.pss_kib()
    done = threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, node.pss_kib())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield lambda: peak - before
    finally:
        done.set()
        thread.join()


def served_in_s(node: Node) -> float:
    """How long an honest client takes for its whole business: send, log in, find."""
    began_at = time.monotonic()
    token = f"honest-{time.monotonic_ns()}"
    node.send(JANE, f"Subject: {token}\r\n\r\nhello\r\n")
    with node.imap(JANE) as client:
        client.select(readonly=True)
        assert client.search(None, "SUBJECT", token)[1] != [b""]
    with contextlib.closing(node.pop(JANE)) as pop:
        assert pop.stat()[0] > 0
        pop.quit()
    return time.monotonic() - began_at


@dataclass
class Refusal:
    """What came back, and after how many octets sent."""

    said: bytes
    sent: int


def pour(port: int, first: list[tuple[bytes, bytes]], piece: bytes, octets: int, last: bytes = b"") -> Refusal:
    """Speaks ``first`` (what to send, how the answer must begin), then sends ``piece`` again and again until the other side
    says something, or ``octets`` are through; then ``last``; gives what came back."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.recv(4096)
        for words, wanted in first:
            peer.sendall(words)
            answer = peer.recv(65536)
            assert wanted in answer, (words[:100], answer)
        sent = 0
        try:
            while sent < octets and not select.select([peer], [], [], 0)[0]:
                sent += peer.send(piece)
            if sent >= octets:
                peer.sendall(last)
            return Refusal(rest(peer), sent)
        except (BrokenPipeError, ConnectionResetError):
            return Refusal(rest(peer), sent)


def rest(peer: socket.socket) -> bytes:
    """What the other side says next, and all that follows within a moment."""
    said = b""
    with contextlib.suppress(ConnectionResetError, TimeoutError):
        while chunk := peer.recv(65536):
            said += chunk
            peer.settimeout(0.3)
    return said
