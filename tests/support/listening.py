"""A listener on a real loopback socket around a handler that the test writes; for tests of connections and listeners."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from posthouse.model.session import Service
from posthouse.model.settings import Settings
from posthouse.roles import certificates
from posthouse.servers.connection import Connection
from posthouse.servers.listener import Gate, Listener
from posthouse.servers.sweeper import Sweeper
from posthouse.servers.tls_contexts import TlsContexts

Handler = Callable[[Connection], Awaitable[None]]


@dataclass
class HandlerServer:
    """A protocol server made of one coroutine function."""

    handler: Handler
    drained: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, connection: Connection) -> None:
        await self.handler(connection)

    def drain(self) -> None:
        self.drained.set()


@dataclass
class Serving:
    """What a test works with."""

    port: int
    listener: Listener
    sweeper: Sweeper
    contexts: TlsContexts
    server: HandlerServer

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


class Serve:
    """Starts listeners; all are stopped when the test ends."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.contexts = TlsContexts()
        self.started: list[Serving] = []
        self.full = False

    def client_context(self) -> ssl.SSLContext:
        """Trusts the node's self-made certificate."""
        return ssl.create_default_context(cafile=str(self.data / certificates.SELF_MADE))

    async def __call__(
        self,
        handler: Handler,
        service: Service = "smtp",
        settings: Settings | None = None,
        sweeper: Sweeper | None = None,
    ) -> Serving:
        chosen = settings or Settings()
        if self.contexts.current() is None:
            certificates.make_self_signed(self.data, "mx.example.test")
            self.contexts.load(certificates.in_use(chosen.tls, self.data))
        server = HandlerServer(handler)
        gate = Gate(lambda: chosen, self.contexts.current, lambda address: self.full)
        watching = sweeper if sweeper is not None else Sweeper(interval_s=0.02)
        listener = Listener(service, server, gate, watching)
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        await listener.start(sock)
        serving = Serving(sock.getsockname()[1], listener, watching, self.contexts, server)
        self.started.append(serving)
        return serving

    async def stop(self) -> None:
        """Ends everything, and fails if anything stays."""
        for serving in self.started:
            serving.listener.stop_accepting()
            serving.listener.cancel()
        async with asyncio.timeout(60):
            while any(serving.listener.open or serving.sweeper.watched for serving in self.started):
                await asyncio.sleep(0.01)
