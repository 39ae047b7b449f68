"""Asking name servers over UDP and TCP (RFC 1035 §4.2, RFC 5452): the wire below ``dns.py``, which keeps the answers.

Each question goes out from a fresh port that the kernel picks at random and that hears its server alone, under a random
number; what does not fit the question is passed over, and when too much of it comes the question goes over TCP, where nobody
can guess. A server that failed is asked last for a while.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from posthouse.base.errors import Temporary
from posthouse.protocols.dns.messages import (
    NO_ERROR,
    NO_SUCH_NAME,
    NS,
    UDP_BYTES,
    Answer,
    BadMessage,
    NotAnAnswer,
    Question,
    read_answer,
)

DNS_PORT = 53
ROUNDS = 4
MAX_STRANGE = 16
"""Datagrams that are no answer to the question, after which it goes over TCP."""
ASKED_LAST_S = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """An address and port to ask."""

    address: str
    port: int

    @classmethod
    def of(cls, text: str) -> Server:
        """``address``, ``address:port`` or ``[v6]:port``. Raises ValueError."""
        try:
            return cls(str(ip_address(text)), DNS_PORT)
        except ValueError:
            host, _, port = text.rpartition(":")
            return cls(str(ip_address(host.strip("[]"))), int(port))

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


class Silent(Temporary):
    """No server gave any answer at all."""

    def __init__(self, cause: str) -> None:
        super().__init__("DNS lookup failed", enhanced="4.4.3", cause=cause)


class DnsClient:
    """To be used on one loop. ``try_s``: how long one server is waited for at first; twice as long each time they are all
    asked again, so that a lost datagram costs little and a slow server gets its time."""

    def __init__(self, servers: Sequence[Server], try_s: float) -> None:
        self._servers = tuple(servers)
        self._try_s = try_s
        self._failed_at: dict[Server, float] = {}

    async def ask(self, question: Question, budget_s: float) -> Answer:
        """The first answer that says yes or no, of any server. Raises Silent; Temporary when servers answer but cannot say."""
        loop = asyncio.get_running_loop()
        until = loop.time() + budget_s
        trouble = ""
        answered = False
        servers = self._in_order(loop.time())
        for turn, server in enumerate(servers * ROUNDS):
            left_s = min(self._try_s * 2 ** (turn // len(servers)), until - loop.time())
            if left_s <= 0:
                break
            try:
                answer = await _ask_one(server, question, left_s)
            except (OSError, TimeoutError, BadMessage) as error:
                trouble = f"{server.address}: {str(error) or 'no answer in time'}"
                self._failed_at[server] = loop.time()
                continue
            answered = True
            if answer.code in (NO_ERROR, NO_SUCH_NAME):
                self._failed_at.pop(server, None)
                return answer
            trouble = f"{server.address}: response code {answer.code}"
        if answered:
            raise Temporary("DNS lookup failed", enhanced="4.4.3", cause=trouble)
        raise Silent(trouble or "no time left")

    def _in_order(self, now: float) -> list[Server]:
        """Those that failed of late come last."""
        if not self._failed_at:
            return list(self._servers)
        return sorted(self._servers, key=lambda server: now - self._failed_at.get(server, -ASKED_LAST_S) < ASKED_LAST_S)


async def ways_to(server: Server, timeout_s: float) -> tuple[bool, bool]:
    """Whether a server answers over UDP, and over TCP."""
    root = Question(b"\0", NS)

    async def answers(way: Awaitable[Answer | None]) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                return await way is not None
        except (OSError, TimeoutError, BadMessage):
            return False

    by_udp, by_tcp = await asyncio.gather(
        answers(_Datagram(server, root).answer(timeout_s)), answers(_over_tcp(server, root, timeout_s))
    )
    return by_udp, by_tcp


async def _ask_one(server: Server, question: Question, timeout_s: float) -> Answer:
    """Over UDP, and again over TCP if the answer is cut short or strangers interfere.
    Raises OSError, TimeoutError, BadMessage."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout_s
    answer = await _Datagram(server, question).answer(timeout_s)
    if answer is None or answer.truncated:
        answer = await _over_tcp(server, question, until - loop.time())
    return answer


class _Datagram:
    """One question over UDP. ``answer`` gives None when it is broken, or when too much comes that is none."""

    __slots__ = ("_loop", "_number", "_question", "_result", "_server", "_socket", "_strange")

    def __init__(self, server: Server, question: Question) -> None:
        self._server = server
        self._question = question
        self._number = int.from_bytes(os.urandom(2))
        self._strange = 0
        self._socket: socket.socket
        self._loop = asyncio.get_running_loop()
        self._result: asyncio.Future[Answer | None] = self._loop.create_future()

    async def answer(self, timeout_s: float) -> Answer | None:
        with socket.socket(self._server.family, socket.SOCK_DGRAM) as self._socket:
            self._socket.setblocking(False)
            self._socket.connect((self._server.address, self._server.port))
            self._socket.send(self._question.message(self._number))
            self._loop.add_reader(self._socket, self._heard)
            timer = self._loop.call_later(timeout_s, self._fail, TimeoutError())
            try:
                return await self._result
            finally:
                timer.cancel()
                self._loop.remove_reader(self._socket)

    def _heard(self) -> None:
        try:
            octets = self._socket.recv(4 * UDP_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(error)
            return
        if self._result.done():
            return
        try:
            self._result.set_result(read_answer(octets, self._number, self._question))
        except NotAnAnswer:
            self._strange += 1
            if self._strange > MAX_STRANGE:
                self._result.set_result(None)
        except BadMessage:
            self._result.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._result.done():
            self._result.set_exception(error)


async def _over_tcp(server: Server, question: Question, timeout_s: float) -> Answer:
    number = int.from_bytes(os.urandom(2))
    query = question.message(number)
    async with asyncio.timeout(max(0.0, timeout_s)):
        reader, writer = await asyncio.open_connection(server.address, server.port)
        try:
            writer.write(struct.pack("!H", len(query)) + query)
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            octets = await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            raise BadMessage("the answer ended early") from None
        finally:
            writer.close()
    return read_answer(octets, number, question)
