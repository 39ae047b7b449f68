"""A connection to a scanner that may hang up while it is still being sent to, having said why.

A stream of asyncio's drops what has come in and was not read when a write fails; clamd answers "too large" and closes in the
middle of what it is sent. Here each direction fails by itself: what the other side said can be read after a write that failed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from posthouse.model.virus_engine import VirusEngine

_READ_BYTES = 4_096


class Wire:
    """A connected socket. One task may send while another receives."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def send(self, octets: bytes | memoryview) -> None:
        """All of it. Raises ConnectionError."""
        await asyncio.get_running_loop().sock_sendall(self._sock, octets)

    async def receive(self) -> bytes:
        """What there is, at least an octet. Raises ConnectionError, EOFError."""
        octets = await asyncio.get_running_loop().sock_recv(self._sock, _READ_BYTES)
        if not octets:
            raise EOFError("closed the connection")
        return octets


@asynccontextmanager
async def wire(engine: VirusEngine) -> AsyncIterator[Wire]:
    """Connected to the engine, at the first of its addresses that answers. Raises OSError."""
    sock = await _connected(engine)
    try:
        yield Wire(sock)
    finally:
        sock.close()


async def _connected(engine: VirusEngine) -> socket.socket:
    if not engine.host:
        return await _to(socket.AF_UNIX, engine.path)
    loop, failure = asyncio.get_running_loop(), OSError("no address")
    for family, _, _, _, address in await loop.getaddrinfo(engine.host, engine.port, type=socket.SOCK_STREAM):
        try:
            return await _to(family, address)
        except OSError as error:
            failure = error
    raise failure


async def _to(family: int, address: object) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)  # type: ignore[arg-type]
    except BaseException:
        sock.close()
        raise
    return sock
