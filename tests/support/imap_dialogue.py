"""IMAP dialogues against the real session code: real connections over transports in memory, the store in memory.

A script is lines: ``C: a1 NOOP`` is sent by the first client, ``S: a1 OK...`` is what it must get next; ``C2:`` and ``S2:`` are
the second client's. ``...`` in an answer stands for anything. A ``C:`` line that ends in ``{n}`` or ``{n+}`` goes on with the
next ``C:`` line, as all octets do; lines get CRLF.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast

from posthouse.backends.memory.bus import MemoryBus
from posthouse.backends.memory.counters import MemoryCounters
from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.memory.limits import MemoryLimits
from posthouse.backends.memory.locks import MemoryLocks
from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.backends.memory.sink import MemorySink
from posthouse.backends.memory.spool import MemorySpool
from posthouse.backends.memory.traces import MemoryTraceLog
from posthouse.backends.notices import Committed, publish
from posthouse.base.clock import ManualClock
from posthouse.base.ids import Ids
from posthouse.directory.allowances import AllowanceBook
from posthouse.directory.authenticate import Authenticator
from posthouse.model.address import Address
from posthouse.model.settings import Settings
from posthouse.pipeline.driver import Driver
from posthouse.servers.connection import Connection
from posthouse.servers.imap.server import ImapServer
from posthouse.servers.services import Services
from posthouse.servers.sweeper import Sweeper

LOGIN = "jane@example.com"
PASSWORD = "secret"
_TURNS = 400


class PlainHasher:
    """``Hasher`` without the slowness."""

    async def hash(self, password: str) -> str:
        return "plain:" + password

    async def verify(self, secret: str, password: str) -> bool:
        return secret == "plain:" + password


class MemoryTransport(asyncio.Transport):
    """The server's end of a socket."""

    def __init__(self, client: str) -> None:
        super().__init__({"peername": (client, 40000), "sockname": ("127.0.0.1", 143)})
        self.sent = bytearray()
        self.closed = False
        self.protocol: asyncio.Protocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        if not self.closed and self.protocol is not None:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Client:
    """One client. ``lines()`` takes what came since; ``task`` is the server's coroutine."""

    def __init__(self, server: ImapServer, sweeper: Sweeper, address: str) -> None:
        self.transport = MemoryTransport(address)
        self.connection = Connection("imap", sweeper, lambda _connection: None)
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)
        self.connection.client_address, self.connection.client_port = address, 40000
        self.connection.server_address, self.connection.server_port = "127.0.0.1", 143
        self.task = asyncio.create_task(self._serve(server))
        self.taken = 0
        self.number = 0

    async def _serve(self, server: ImapServer) -> None:
        try:
            await server.handle(self.connection)
        finally:
            self.connection.close()

    def send(self, octets: bytes) -> None:
        self.connection.data_received(octets)

    async def settle(self, until: Callable[[], bool] | None = None) -> None:
        """Lets the server work until ``until`` holds, or for a number of turns."""
        for _ in range(_TURNS if until is None else _TURNS * 50):
            if until is not None and until():
                return
            await asyncio.sleep(0)

    def octets(self) -> bytes:
        """What came since the last call."""
        out = bytes(self.transport.sent[self.taken :])
        self.taken = len(self.transport.sent)
        return out

    async def next_line(self) -> str:
        """The next line that the server sends."""
        await self.settle(lambda: b"\r\n" in self.transport.sent[self.taken :] or self.transport.closed)
        end = self.transport.sent.find(b"\r\n", self.taken)
        if end < 0:
            raise AssertionError("the server said nothing more: " + repr(self.octets()))
        line = bytes(self.transport.sent[self.taken : end])
        self.taken = end + 2
        return line.decode("utf-8", "replace")

    async def do(self, command: str | bytes) -> list[str]:
        """Sends a command with a fresh tag; the answer's lines, tagged one last (without its tag)."""
        self.number += 1
        tag = f"t{self.number}"
        octets = command.encode() if isinstance(command, str) else command
        self.send(f"{tag} ".encode() + octets + b"\r\n")
        done = f"{tag} ".encode()
        lines: list[str] = []
        while True:
            line = await self.next_line()
            if line.encode().startswith(done):
                lines.append(line[len(done) :])
                return lines
            lines.append(line)


class World:
    """A node's services in memory, with one user, and its clients."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.clock = ManualClock()
        self.bus = MemoryBus()
        self.directory = MemoryDirectory()
        self.limits = MemoryLimits(self.directory)
        self.allowances = AllowanceBook(self.limits, lambda: self.settings).of
        self.store = MemoryMailStore(
            clock=self.clock,
            settings=lambda: self.settings.store,
            on_committed=self._committed,
            allowances=self.allowances,
        )
        self.sweeper = Sweeper(self.clock)
        self.account_id = 0
        self.clients: list[Client] = []
        counters = MemoryCounters(self.clock)
        authenticator = Authenticator(
            self.directory, PlainHasher(), counters, lambda: self.settings, self.clock, self._no_sleep, b"k" * 32
        )
        self.services = Services(
            node_name="mx.example.com",
            settings=lambda: self.settings,
            tls_context=lambda: None,
            clock=self.clock,
            ids=Ids(self.clock),
            directory=self.directory,
            authenticator=authenticator,
            store=self.store,
            sink=MemorySink(self.store, MemorySpool()),
            traces=MemoryTraceLog(),
            bus=self.bus,
            counters=counters,
            driver=cast(Driver, None),
            allowances=self.allowances,
            locks=MemoryLocks(),
        )
        self.server = ImapServer(self.services, "imap")

    async def _no_sleep(self, _seconds: float) -> None:
        return None

    def _committed(self, committed: Committed) -> None:
        publish(self.bus, committed)

    async def start(self, **user: Any) -> None:
        await self.directory.add_domain("example.com")
        fields: dict[str, Any] = {"full_name": "Jane", "role": "user", "secret": "plain:" + PASSWORD, "scram": "", **user}
        account = await self.directory.add_account(Address.parse(LOGIN), **fields)
        self.account_id = account.account_id

    def connect(self, address: str = "127.0.0.1") -> Client:
        client = Client(self.server, self.sweeper, address)
        self.clients.append(client)
        return client

    async def add_user(self, text: str) -> int:
        """Another user with the same password; gives the account's number."""
        address = Address.parse(text)
        if await self.directory.domain(address.domain) is None:
            await self.directory.add_domain(address.domain)
        secret = "plain:" + PASSWORD
        account = await self.directory.add_account(address, full_name="", role="user", secret=secret, scram="")
        return account.account_id

    async def login(self, address: str = "127.0.0.1", *, user: str = LOGIN) -> Client:
        """A client that has read the greeting and is logged in."""
        client = self.connect(address)
        await client.next_line()
        done = await client.do(f"LOGIN {user} {PASSWORD}")
        assert done[-1].startswith("OK "), done
        return client

    async def stop(self) -> None:
        for client in self.clients:
            client.transport.close()
        await asyncio.gather(*(client.task for client in self.clients), return_exceptions=True)

    async def play(self, script: str, *clients: Client) -> None:
        """Plays a script; fails at the first answer that does not fit."""
        for number, raw in enumerate(script.strip().splitlines(), 1):
            match = re.fullmatch(r"\s*([CS])(\d?): ?(.*)", raw)
            if match is None:
                continue
            client = clients[int(match[2] or "1") - 1]
            if match[1] == "C":
                client.send(match[3].encode() + b"\r\n")
                continue
            line = await client.next_line()
            pattern = ".*".join(re.escape(piece) for piece in match[3].split("..."))
            assert re.fullmatch(pattern, line, re.DOTALL), f"line {number}: expected {match[3]!r}, got {line!r}"


def message(subject: str = "hello", body: str = "Hi there.\r\n", **fields: str) -> bytes:
    """A small message."""
    head = {"From": "Ann <ann@example.org>", "To": LOGIN, "Date": "Tue, 24 Nov 2026 02:00:00 +0000", **fields}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in head.items()]
    return "\r\n".join([*lines, f"Subject: {subject}", "", body]).encode()
