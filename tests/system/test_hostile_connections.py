"""Strangers who mean ill, by their connections: garbage by the thousands, slow clients, more clients than there is room for.

Nothing of them stays, and nobody else is disturbed. What they send at length is in ``test_hostile_input.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.async_clients import Imap, Lost, Smtp, connect
from support.flood import run
from support.hostile import JANE, all_is_read, descriptors, served_in_s
from support.node import Node, running, until

pytestmark = [pytest.mark.timeout(400)]
CLEAR = ("smtp", "imap", "pop3", "submission")
TLS = ("imaps", "pop3s", "submissions")
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(196))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("hostile")) as started:
        yield started


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


LEAST_LEAK_KIB = 2048
"""A fifth of a KiB a connection: whatever a connection left behind would be more."""


def grown_kib(node: Node) -> int:
    """How much more memory the node keeps after ten thousand connections of garbage, in KiB."""
    before = node.pss_kib()
    began_at = time.monotonic()
    run(many(node, 10_000))
    assert time.monotonic() - began_at < 100
    assert min(served_in_s(node) for _ in range(3)) < 1.0
    with contextlib.suppress(AssertionError):
        until(lambda: node.pss_kib() <= before + LEAST_LEAK_KIB, 10)
    return node.pss_kib() - before


def test_10000_garbage_connections_leave_memory_and_descriptors_where_they_were(node: Node) -> None:
    run(many(node, 8_000))  # what is loaded at first use is loaded; memories that are bounded are full
    served_in_s(node)
    fds, pids, said = descriptors(node), node.pids(), len(node.log())
    grown = [grown_kib(node)]
    while grown[-1] > LEAST_LEAK_KIB and len(grown) < 5:  # what leaks, leaks each time; what fills up does so once
        grown.append(grown_kib(node))
    assert grown[-1] <= LEAST_LEAK_KIB, grown
    with contextlib.suppress(AssertionError):
        until(lambda: descriptors(node) <= fds, 10)
    assert sum((descriptors(node) - fds).values()) <= 2, descriptors(node) - fds
    assert node.pids() == pids, "a process died of it"
    assert [line for line in node.log()[said:].splitlines() if '"level":"error"' in line] == []


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
        held = [socket.create_connection(("127.0.0.1", node.ports["smtp"]), timeout=30) for _ in range(9)]
        try:
            for peer in held:
                assert peer.recv(1000).startswith(b"220 ")
            began_at = time.monotonic()
            for _ in range(200):
                with socket.create_connection(("127.0.0.1", node.ports["smtp"]), timeout=30) as peer:
                    assert peer.recv(1000).startswith(b"421 4.3.2 ")
                    assert peer.recv(1000) == b""
            assert time.monotonic() - began_at < 10
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
