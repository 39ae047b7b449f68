"""A DNS server that tells the truth about honest names and lies about others: in size, in form, about whom it answers.

Lies by turns: control characters in names, 4 KiB over UDP, names that loop, counts that are not true, another number, another
question, cut off in the middle, truncated and then over TCP: 64 KiB of records, a length that is not true, octets that trickle,
silence. Octets are put together by hand, so that the server is quick enough for a storm of questions.
"""

from __future__ import annotations

import ipaddress
import itertools
import multiprocessing
import multiprocessing.context
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import dns.exception
import dns.message
import dns.query

from support.knot import free_port

FORGED = b"\xc0\0\2\x42"
EVIL = b"evil\r\nX-Injected: yes\x1b[2J"
DEAD = (b"\x04dead\x04test\0", b"\x0251\x03198\x07in-addr\x04arpa\0")
LIES = (
    b"\x04liar\x04test\0",
    b"\x010\x03203\x07in-addr\x04arpa\0",
    b"\x01d\x01a\x01b\x010\x018\x01b\x01d\x010\x011\x010\x010\x012\x03ip6\x04arpa\0",
)
KINDS = {"A": 1, "PTR": 12, "MX": 15, "TXT": 16}
TTL_S = 60

Records = dict[tuple[bytes, int], list[bytes]]


class Query(NamedTuple):
    """``asked`` is the question as it came; ``end`` where records of an answer begin."""

    number: int
    name: bytes
    kind: int
    asked: bytes

    @property
    def end(self) -> int:
        return 12 + len(self.asked)


def on_wire(name: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in name.rstrip(".").split(".")) + b"\0"


def read(octets: bytes) -> Query:
    at = 12
    while octets[at]:
        at += octets[at] + 1
    (kind,) = struct.unpack_from("!H", octets, at + 1)
    return Query(int.from_bytes(octets[:2]), octets[12 : at + 1].lower(), kind, octets[12 : at + 5])


def reply(query: Query, records: list[bytes], *, code: int = 0, cut: bool = False, count: int = -1) -> bytes:
    flags = 0x8180 | code | (0x0200 if cut else 0)
    head = struct.pack("!HHHHHH", query.number, flags, 1, len(records) if count < 0 else count, 0, 0)
    return head + query.asked + b"".join(records)


def record(query: Query, data: bytes) -> bytes:
    return b"\xc0\x0c" + struct.pack("!HHIH", query.kind, 1, TTL_S, len(data)) + data


def name_record(query: Query, label: bytes) -> bytes:
    data = bytes((len(label),)) + label + b"\x04test\0"
    return record(query, b"\0\x0a" + data if query.kind == KINDS["MX"] else data)


def looping(query: Query) -> bytes:
    pointer = struct.pack("!H", 0xC000 | query.end)
    return pointer + struct.pack("!HHIH", query.kind, 1, TTL_S, 2) + pointer


def to_another_question(query: Query) -> bytes:
    other = Query(query.number, b"", query.kind, b"\x06victim\x04test\0" + query.asked[-4:])
    return reply(other, [record(other, FORGED)])


UDP_LIES: tuple[Callable[[Query], list[bytes]], ...] = (
    lambda query: [reply(query, [name_record(query, EVIL)])],
    lambda query: [reply(query, [name_record(query, b"x" * 10)] * 150)],
    lambda query: [reply(query, [looping(query)])],
    lambda query: [reply(query, [], count=65_535)],
    lambda query: [reply(query._replace(number=query.number ^ guess), [record(query, FORGED)]) for guess in range(1, 40)],
    lambda query: [to_another_question(query)],
    lambda query: [reply(query, [record(query, b"\xc0\0\2\1")])[:-3]],
    lambda query: [reply(query, [], cut=True)],
    lambda query: [b"\xff" * 512],
    lambda query: [b""],
    lambda query: [reply(query, [b"\xc0\x0c" + struct.pack("!HHIH", query.kind, 1, TTL_S, 65_535) + b"\0" * 40])],
)


class _Server:
    def __init__(self, port: int, records: Records) -> None:
        self._records = records
        self._known = {name for name, _ in records}
        self._turn = itertools.count()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._udp.bind(("127.0.0.1", port))
        self._tcp = socket.create_server(("127.0.0.1", port), backlog=500)

    def hear(self) -> None:
        while True:
            octets, peer = self._udp.recvfrom(4096)
            query = read(octets)
            if query.name.endswith(DEAD):
                continue
            if query.name.endswith(LIES):
                for lie in UDP_LIES[next(self._turn) % len(UDP_LIES)](query):
                    self._udp.sendto(lie, peer)
                continue
            values = self._records.get((query.name, query.kind), [])
            code = 0 if query.name in self._known else 3
            self._udp.sendto(reply(query, [record(query, value) for value in values], code=code), peer)

    def accept(self) -> None:
        while True:
            peer, _ = self._tcp.accept()
            threading.Thread(target=self._lie_over_tcp, args=(peer,), daemon=True).start()

    def _lie_over_tcp(self, peer: socket.socket) -> None:
        with peer:
            try:
                peer.settimeout(5)
                query = read(peer.recv(4096)[2:])
                kind = next(self._turn) % 4
                if kind == 0:
                    made = reply(query, [record(query, b"\x0a\0\0\1")] * 4000)
                    peer.sendall(struct.pack("!H", len(made)) + made)
                elif kind == 1:
                    peer.sendall(b"\xff\xff" + reply(query, [record(query, b"\xc0\0\2\1")]))
                elif kind == 2:
                    for octet in struct.pack("!H", 40) + b"\0" * 40:
                        peer.sendall(bytes((octet,)))
                        time.sleep(0.1)
                else:
                    time.sleep(3)
            except (OSError, IndexError, struct.error):
                return


def serve(port: int, records: Records) -> None:
    """The life of its process, until it is ended."""
    server = _Server(port, records)
    threading.Thread(target=server.accept, daemon=True).start()
    server.hear()


class LyingDns:
    """Use as a context manager. ``add`` true records first; ``toml`` goes into node.toml. Runs in a process of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self._records: Records = {}
        self._process: multiprocessing.context.SpawnProcess | None = None

    @property
    def toml(self) -> str:
        return f'[dns]\nnameservers = ["127.0.0.1:{self.port}"]\n'

    def add_mx(self, domain: str, host: str) -> None:
        self._records[(on_wire(domain), KINDS["MX"])] = [b"\0\x0a" + on_wire(host)]

    def add_text(self, name: str, text: str) -> None:
        self._records[on_wire(name), KINDS["TXT"]] = [bytes((len(text),)) + text.encode()]

    def add_host(self, name: str, address: str) -> None:
        self._records[(on_wire(name), KINDS["A"])] = [ipaddress.ip_address(address).packed]
        self._records[(on_wire(ipaddress.ip_address(address).reverse_pointer), KINDS["PTR"])] = [on_wire(name)]

    def __enter__(self) -> LyingDns:
        self._process = multiprocessing.get_context("spawn").Process(target=serve, args=(self.port, self._records))
        self._process.start()
        query = dns.message.make_query("localhost", "A")
        for _ in range(1200):
            try:
                dns.query.udp(query, "127.0.0.1", port=self.port, timeout=0.1)
                return self
            except (OSError, dns.exception.Timeout):
                time.sleep(0.02)
        raise AssertionError("the lying DNS server does not answer")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join(10)
