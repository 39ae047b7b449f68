"""Strangers who mean ill: garbage by the thousands, lines and literals without end, messages built to hurt, slow clients.

Each gets a clear refusal early, costs a bounded amount of memory, and disturbs nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.async_clients import Imap, Lost, Smtp, connect
from support.flood import run
from support.node import PASSWORD, Node, running, until

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("heavy")]
CLEAR = ("smtp", "imap", "pop3", "submission")
TLS = ("imaps", "pop3s", "submissions")
JANE = "jane@example.test"
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(196))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("hostile")) as started:
        yield started


def descriptors(node: Node) -> Counter[str]:
    """What the node's processes hold open, by what it is."""
    kinds: Counter[str] = Counter()
    for pid in node.pids():
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                kinds[os.readlink(f"/proc/{pid}/fd/{name}").partition(":")[0]] += 1
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


# Ten thousand connections of garbage


async def rubbish(port: int, held: list[asyncio.StreamWriter]) -> None:
    """One connection by someone who does not speak the protocol."""
    try:
        reader, writer = await connect(port)
    except Lost:
        return
    kind = random.randrange(8)
    transport = writer.transport
    if kind == 0:  # gone at once
        writer.close()
        return
    if kind == 1:  # gone with a reset
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        return
    if kind == 2:  # says nothing, and stays for a while
        held.append(writer)
        return
    octets = {
        3: random.randbytes(random.randrange(1, 5000)),
        4: CLIENT_HELLO,
        5: b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<jane@example.test>\r\nDATA\r\nSubject: never ends\r\n",
        6: b"a APPEND INBOX {1000000}\r\nb LOGIN {10}\r\nc AUTHENTICATE PLAIN\r\n",
        7: b"USER " + b"x" * random.randrange(1, 3000),
    }[kind]
    with contextlib.suppress(OSError):
        writer.write(octets)
        if random.random() < 0.5 and writer.can_write_eof():
            writer.write_eof()
        async with asyncio.timeout(0.3):
            while await reader.read(4096):
                pass
    transport.abort()


async def many(node: Node, count: int, at_once: int = 200) -> None:
    ports = [node.ports[service] for service in (*CLEAR, *TLS)]
    held: list[asyncio.StreamWriter] = []
    slots = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with slots:
            with contextlib.suppress(TimeoutError):
                await rubbish(random.choice(ports), held)
        if len(held) > at_once:
            for writer in held[: at_once // 2]:
                writer.transport.abort()
            del held[: at_once // 2]

    await asyncio.gather(*(one() for _ in range(count)))
    for writer in held:
        writer.transport.abort()


def test_10000_garbage_connections_leave_memory_and_descriptors_where_they_were(node: Node) -> None:
    run(many(node, 2_000))  # what is loaded at first use is loaded; so many at a time have their room
    served_in_s(node)
    fds, kib, pids = descriptors(node), node.pss_kib(), node.pids()
    began_at = time.monotonic()
    run(many(node, 10_000))
    took_s = time.monotonic() - began_at
    assert served_in_s(node) < 1.0
    assert took_s < 60
    with contextlib.suppress(AssertionError):
        until(lambda: descriptors(node) <= fds, 10)
    assert sum((descriptors(node) - fds).values()) <= 2, descriptors(node) - fds
    until(lambda: node.pss_kib() <= kib + 4096, 10)
    assert node.pids() == pids, "a process died of it"
    assert '"level":"error"' not in node.log(), [line for line in node.log().splitlines() if '"level":"error"' in line][:3]


# Lines, literals and messages without measure


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


LOGIN = (f'l LOGIN "{JANE}" "{PASSWORD}"\r\n'.encode(), b"l OK")
ENVELOPE = [
    (b"EHLO x\r\n", b"250"),
    (b"MAIL FROM:<a@b.test>\r\n", b"250"),
    (b"RCPT TO:<jane@example.test>\r\n", b"250"),
    (b"DATA\r\n", b"354"),
]
X = b"x" * 65536
MOST_SENT = 16 << 20
"""What can leave a client before the refusal reaches it: 1 MiB that is read past, and what the kernel's buffers hold."""


@pytest.mark.parametrize(
    ("service", "first", "answer"),
    [
        ("smtp", [], b"500 "),
        ("submission", [(b"EHLO x\r\n", b"250")], b"500 "),
        ("imap", [], b"BAD"),
        ("imap", [LOGIN], b"BAD"),
        ("pop3", [], b"-ERR"),
    ],
)
def test_a_line_of_100_mb_is_refused_when_little_of_it_is_read(
    node: Node, service: str, first: list[tuple[bytes, bytes]], answer: bytes
) -> None:
    with peak_kib(node) as more_kib:
        refusal = pour(node.ports[service], first, X, 100 << 20)
    assert answer in refusal.said, refusal
    assert refusal.sent < MOST_SENT
    assert more_kib() < 8 << 10


def test_a_message_line_of_100_mb_is_refused_and_not_kept(node: Node) -> None:
    with peak_kib(node) as more_kib:
        refusal = pour(node.ports["smtp"], ENVELOPE, X, 100 << 20, b"\r\n.\r\n")
    assert refusal.said.startswith((b"552 ", b"500 ", b"554 ")), refusal
    assert more_kib() < 64 << 10, "the largest message allowed, and a little"
    assert served_in_s(node) < 1.0


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"".join(b"X-%d: y\r\n" % number for number in range(100_000)) + b"\r\nhi\r\n", id="100000-headers"),
        pytest.param(
            b"MIME-Version: 1.0\r\n"
            + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000))
            + b"\r\nhi\r\n",
            id="10000-nested-multiparts",
        ),
        pytest.param(b"Content-Type: message/rfc822\r\n\r\n" * 10_000 + b"\r\nhi\r\n", id="10000-nested-messages"),
        pytest.param(
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nhi\r\n" * 10_000 + b"--b--\r\n",
            id="10000-parts",
        ),
    ],
)
def test_a_message_built_to_hurt_is_refused_by_smtp_and_harmless_by_append(node: Node, message: bytes) -> None:
    began_at = time.monotonic()
    with peak_kib(node) as more_kib:
        refusal = pour(node.ports["smtp"], ENVELOPE, message, 1, b".\r\n")
        assert refusal.said.startswith((b"552 ", b"554 ", b"550 ")), refusal
        append = pour(node.ports["imap"], [LOGIN], b"a APPEND INBOX {%d+}\r\n" % len(message), 1, message + b"\r\n")
        assert b"a OK" in append.said or b"a NO" in append.said, append
        if b"a OK" in append.said:
            said = pour(
                node.ports["imap"], [LOGIN, (b"s SELECT INBOX\r\n", b"s OK")], b"f FETCH * (ENVELOPE BODYSTRUCTURE)\r\n", 1
            ).said
            assert b"f OK" in said or len(said) > 10_000
    assert time.monotonic() - began_at < 5
    assert more_kib() < 48 << 10


@pytest.mark.parametrize(
    ("first", "words", "answer"),
    [
        pytest.param([], b"a LOGIN {99999999}\r\n", b"a BAD", id="large-before-login"),
        pytest.param([], b"a LOGIN {99999999999999999999999}\r\n", b"a BAD", id="absurd-before-login"),
        pytest.param([LOGIN], b"a APPEND INBOX {999999999}\r\n", b"a NO [TOOBIG]", id="append-too-large"),
        pytest.param([LOGIN], b"a APPEND INBOX {99999999999999999999}\r\n", b"a NO [TOOBIG]", id="append-absurd"),
        pytest.param([LOGIN], b"a SELECT {99999999}\r\n", b"a BAD", id="large-name"),
    ],
)
def test_a_literal_without_measure_is_refused_when_it_is_announced(
    node: Node, first: list[tuple[bytes, bytes]], words: bytes, answer: bytes
) -> None:
    refusal = pour(node.ports["imap"], first, words, 1)
    assert answer in refusal.said, refusal
    assert b"+ " not in refusal.said


@pytest.mark.parametrize("first", [[], [LOGIN]], ids=["before-login", "logged-in"])
@pytest.mark.parametrize(
    "piece",
    [
        b"a SEARCH {1+}\r\nx {1+}\r\ny" + b" {1+}\r\nx" * 1000,
        b"a APPEND INBOX {99999999999+}\r\n" + X,
        b"a NOOP {0+}\r\n" * 1000,
    ],
    ids=["chain", "never-ending", "empty"],
)
def test_literals_without_end_are_refused_and_not_kept(node: Node, first: list[tuple[bytes, bytes]], piece: bytes) -> None:
    with peak_kib(node) as more_kib:
        refusal = pour(node.ports["imap"], first, piece, 50 << 20)
    assert b"BAD" in refusal.said or b"NO [" in refusal.said or b"BYE" in refusal.said, refusal
    assert refusal.sent < MOST_SENT
    assert more_kib() < 16 << 10


# Slow and greedy clients


async def trickle(port: int, words: bytes) -> None:
    """A client that sends one octet at a time, for ever."""
    reader, writer = await connect(port)
    try:
        while True:
            for octet in words:
                writer.write(bytes([octet]))
                await asyncio.sleep(random.uniform(0.05, 0.3))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.001):
                    await reader.read(4096)
    except OSError:
        return
    finally:
        writer.transport.abort()


async def honest_times_s(node: Node, rounds: int) -> list[float]:
    """Seconds for each step of an honest client: an SMTP transaction, an IMAP NOOP that shows it."""
    times = []
    imap = await Imap.begin(node.ports["imap"], JANE)
    await imap.select("INBOX")
    for number in range(rounds):
        began_at = time.monotonic()
        smtp = await Smtp.begin(node.ports["smtp"])
        reply = await smtp.envelope("a@b.test", [JANE])
        assert reply.code == 354, reply
        assert (await smtp.ask(f"Subject: while slow {number}\r\n\r\nhello\r\n.\r\n".encode())).code == 250
        smtp.close()
        times.append(time.monotonic() - began_at)
        began_at = time.monotonic()
        assert any(b"EXISTS" in line for line in (await imap.ask("NOOP")).lines)
        times.append(time.monotonic() - began_at)
    imap.close()
    return sorted(times)


def test_200_slow_clients_do_not_disturb_an_honest_one(node: Node) -> None:
    async def main() -> list[float]:
        words = b"EHLO slow\r\nMAIL FROM:<a@b.test>\r\nRSET\r\n"
        slow = [asyncio.ensure_future(trickle(node.ports["smtp"], words)) for _ in range(100)]
        slow += [asyncio.ensure_future(trickle(node.ports["imap"], b"a CAPABILITY\r\nb NOOP\r\n")) for _ in range(50)]
        slow += [asyncio.ensure_future(trickle(node.ports["pop3"], b"CAPA\r\nNOOP\r\n")) for _ in range(50)]
        await asyncio.sleep(1)
        try:
            return await honest_times_s(node, 100)
        finally:
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)

    times = run(main())
    assert times[int(len(times) * 0.99)] < 0.5, times[-10:]


def test_past_its_capacity_a_service_says_421_at_once_and_the_others_go_on(tmp_path: Path) -> None:
    with running(tmp_path, workers=1) as node:
        node.run("smtp", "set", "max_connections", "10")
        under_way = node.smtp()
        under_way.ehlo()
        held = [socket.create_connection(("127.0.0.1", node.ports["smtp"]), timeout=10) for _ in range(9)]
        try:
            for peer in held:
                assert peer.recv(1000).startswith(b"220 ")
            began_at = time.monotonic()
            for _ in range(200):
                with socket.create_connection(("127.0.0.1", node.ports["smtp"]), timeout=10) as peer:
                    assert peer.recv(1000).startswith(b"421 4.3.2 ")
                    assert peer.recv(1000) == b""
            assert time.monotonic() - began_at < 2
            under_way.sendmail("a@b.test", [JANE], b"Subject: under way\r\n\r\nstill served\r\n")
            assert node.imap(JANE).select()[1] == [b"1"], "reading has a budget of its own"
            with node.smtp("submission") as client:
                assert client.ehlo()[0] == 250
            assert node.json("node", "status")["state"] == "running"
            under_way.quit()
            assert until(lambda: node.smtp().ehlo()[0] == 250)
        finally:
            for peer in held:
                peer.close()


def test_past_the_memory_for_incoming_mail_messages_are_put_off_with_452(tmp_path: Path) -> None:
    with running(tmp_path, workers=1, services=("smtp", "imap")) as node:
        node.run("smtp", "set", "memory_bytes", "4M")
        mebibyte = (b"x" * 62 + b"\r\n") * (1 << 14)
        first, second = node.smtp(), node.smtp()
        for client in (first, second):
            client.ehlo()
            client.mail("a@b.test")
            client.rcpt(JANE)
            client.docmd("DATA")
        first.send(b"Subject: first\r\n\r\n" + 3 * mebibyte)
        until(lambda: all_is_read(node.ports["smtp"]))
        second.send(b"Subject: second\r\n\r\n" + 3 * mebibyte + b".\r\n")
        assert (second.getreply()[0], second.rset()[0]) == (452, 250)
        first.send(b".\r\n")
        assert first.getreply()[0] == 250
        second.sendmail("a@b.test", [JANE], b"Subject: third\r\n\r\nroom again\r\n")
        for client in (first, second):
            client.quit()
        with node.imap(JANE) as reader:
            assert reader.select()[1] == [b"2"]
