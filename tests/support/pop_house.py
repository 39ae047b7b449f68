"""POP3 dialogues against the real session code: real connections over transports in memory, the store in memory."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from dataclasses import replace

from posthouse.interfaces.mailstore import MailStore
from posthouse.model.mailbox import MailboxInfo, NewMessage
from posthouse.model.session import Service, TlsFacts
from posthouse.servers.connection import Connection
from posthouse.servers.pop import PopServer
from support.imap_dialogue import LOGIN, PASSWORD, MemoryTransport, World

TURNS = 20_000


def coded(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


class TlsInName(Connection):
    """Takes the handshake as done."""

    async def start_tls(self, context: ssl.SSLContext, *, implicit: bool = False) -> TlsFacts:
        self.tls = TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256")
        return self.tls


class Client:
    """One POP client and the server's end of its connection."""

    def __init__(self, house: House, address: str, service: Service) -> None:
        self.transport = MemoryTransport(address)
        self.connection = TlsInName(service, house.world.sweeper, lambda _connection: None)
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)
        self.connection.client_address = address
        self.task = asyncio.create_task(self._serve(house.server))
        self.taken = 0

    async def _serve(self, server: PopServer) -> None:
        try:
            await server.handle(self.connection)
        finally:
            self.connection.close()

    def send(self, text: str) -> None:
        self.connection.data_received(text.encode() + b"\r\n")

    async def line(self) -> str:
        """The next line."""
        sent = self.transport.sent
        for _ in range(TURNS):
            end = sent.find(b"\r\n", self.taken)
            if end >= 0:
                line = bytes(sent[self.taken : end])
                self.taken = end + 2
                return line.decode()
            if self.transport.closed:
                break
            await asyncio.sleep(0)
        raise AssertionError(f"the server said nothing more: {bytes(sent[self.taken :])!r}")

    async def say(self, text: str) -> str:
        """One command, one line of answer."""
        self.send(text)
        return await self.line()

    async def listing(self, text: str) -> list[str]:
        """A command with an answer of many lines; without the first and the dot."""
        first = await self.say(text)
        assert first.startswith("+OK"), first
        lines: list[str] = []
        while (line := await self.line()) != ".":
            lines.append(line)
        return lines

    async def ended(self) -> bool:
        """Whether the server ends it by itself."""
        for _ in range(TURNS):
            if self.transport.closed and self.task.done():
                return True
            await asyncio.sleep(0)
        return False

    def vanish(self) -> None:
        """The client's end is gone."""
        self.transport.close()


class House:
    """A POP3 server over a world in memory; ``store`` may be replaced before a client comes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.naps: list[float] = []
        self.clients: list[Client] = []
        self.on_nap: Callable[[], None] = lambda: None
        self.tls: ssl.SSLContext | None = None
        self.server = PopServer(replace(world.services, tls_context=lambda: self.tls), "pop3", self._nap)

    async def _nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.on_nap()

    def with_store(self, store: MailStore) -> None:
        self.server = PopServer(replace(self.world.services, store=store), "pop3", self._nap)

    async def connect(self, address: str = "127.0.0.1", service: Service = "pop3") -> Client:
        """A client that was greeted."""
        client = Client(self, address, service)
        self.clients.append(client)
        assert (await client.line()).startswith("+OK")
        return client

    async def login(self) -> Client:
        client = await self.connect()
        assert (await client.say(f"USER {LOGIN}")).startswith("+OK")
        assert (await client.say(f"PASS {PASSWORD}")).startswith("+OK")
        return client

    async def inbox(self) -> MailboxInfo:
        inbox = await self.world.store.mailbox(self.world.account_id, "INBOX")
        assert inbox is not None
        return inbox

    async def fill(self, *contents: bytes) -> None:
        inbox = await self.inbox()
        await self.world.store.append(inbox.mailbox_id, [NewMessage(content) for content in contents])

    async def uids(self) -> list[int]:
        """Those in INBOX now."""
        _, rows = await self.world.store.rows((await self.inbox()).mailbox_id)
        return [row.uid for row in rows]

    async def stop(self) -> None:
        for client in self.clients:
            client.vanish()
        await asyncio.gather(*(client.task for client in self.clients))
