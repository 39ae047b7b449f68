"""A ``Connection`` in the clothes of an asyncio transport, for protocols that are written for these (uvicorn's).

What the peer sends comes by ``HttpServer``'s reading; here is the other way, and the wish to read or not. The ends are the true
ones, after PROXY protocol (DEP-6).
"""

from __future__ import annotations

import asyncio
from typing import Any

from posthouse.servers.connection import Connection

DRAIN_BYTES = 65_536
"""After so many written octets the peer must have taken most of them before the application may go on."""


class ConnectionTransport(asyncio.Transport):
    """``protocol`` is who hears of what comes; it may hand over to another (WebSocket)."""

    def __init__(self, connection: Connection, protocol: asyncio.Protocol) -> None:
        super().__init__(
            {
                "peername": (connection.client_address, connection.client_port),
                "sockname": (connection.server_address, connection.server_port),
                "sslcontext": connection.tls,
            }
        )
        self.protocol = protocol
        self._connection = connection
        self._reading = asyncio.Event()
        self._reading.set()
        self._undrained = 0
        self._draining: asyncio.Task[None] | None = None

    async def wanted(self) -> None:
        """Returns when the protocol wants to read."""
        await self._reading.wait()

    async def finish(self) -> None:
        """The connection has ended: waits for nothing more."""
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)

    # What protocols call

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._connection.write(bytes(data))
        self._undrained += len(data)
        if self._undrained > DRAIN_BYTES and self._draining is None:
            self._undrained = 0
            self.protocol.pause_writing()
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        try:
            await self._connection.drain()
        except OSError:
            self._connection.abort()
        finally:
            self._draining = None
            self.protocol.resume_writing()

    def close(self) -> None:
        self._connection.close()
        self._reading.set()

    def abort(self) -> None:
        self._connection.abort()
        self._reading.set()

    def is_closing(self) -> bool:
        return self._connection.closing

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    def is_reading(self) -> bool:
        return self._reading.is_set()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol), "octets are what there is"
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol
