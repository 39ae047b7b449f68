"""The block list zone on its sockets: datagrams, and connections with messages framed by their length (RFC 7766)."""

from __future__ import annotations

import asyncio
import struct
from typing import cast

from posthouse.base import log
from posthouse.base.metrics import ZONE_ANSWERS
from posthouse.protocols.dns import serving
from posthouse.protocols.dns.serving import Query
from posthouse.servers.connection import Connection
from posthouse.servers.dnsbl.allowance import Allowance, Turn
from posthouse.servers.dnsbl.answering import Answering

IDLE_S = 5.0
LIFE_S = 120.0
MAX_QUERY_BYTES = 1024
MAX_AT_ONCE = 1000

_log = log.get("dnsbl")


class DnsblServer:
    """Over TCP: several queries on one connection, answered in order."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._open: set[Connection] = set()

    async def handle(self, connection: Connection) -> None:
        """One connection, to its end."""
        self._open.add(connection)
        try:
            async with asyncio.timeout(LIFE_S):
                await self._serve(connection)
        except TimeoutError:
            return
        finally:
            self._open.discard(connection)

    async def _serve(self, connection: Connection) -> None:
        held = b""
        while True:
            while len(held) < 2 or len(held) < 2 + int.from_bytes(held[:2]):
                if len(held) >= 2 and int.from_bytes(held[:2]) > MAX_QUERY_BYTES:
                    return
                chunk = await connection.read(IDLE_S)
                if not chunk:
                    return
                held += chunk
            size = int.from_bytes(held[:2])
            octets, held = held[2 : 2 + size], held[2 + size :]
            found = serving.read_query(octets)
            if found is None:
                return
            reply = await self._answering.answer(found, connection.client_address) if isinstance(found, Query) else found
            ZONE_ANSWERS.labels("tcp", "answered").inc()
            connection.write(struct.pack("!H", len(reply)) + reply)
            await connection.drain()

    def drain(self) -> None:
        """Ends all connections: whoever asks comes back."""
        for connection in list(self._open):
            connection.close()


class Datagrams(asyncio.DatagramProtocol):
    """Over UDP: one reply for each query, as the client's allowance permits."""

    def __init__(self, answering: Answering, allowance: Allowance) -> None:
        self._answering = answering
        self._allowance = allowance
        self._transport: asyncio.DatagramTransport
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        turn = self._allowance.turn(addr[0])
        if turn is Turn.SILENCE or len(self._tasks) >= MAX_AT_ONCE:
            ZONE_ANSWERS.labels("udp", "dropped").inc()
            return
        found = serving.read_query(data)
        if found is None:
            return
        if not isinstance(found, Query):
            self._send(found, addr)
        elif turn is Turn.CUT:
            ZONE_ANSWERS.labels("udp", "cut").inc()
            self._transport.sendto(serving.cut(found), addr)
        else:
            task = asyncio.get_running_loop().create_task(self._answer(found, addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def error_received(self, exc: Exception) -> None:
        _log.debug("not-sent", why=str(exc))

    async def _answer(self, query: Query, addr: tuple[str, int]) -> None:
        self._send(serving.fitting(await self._answering.answer(query, addr[0]), query), addr)

    def _send(self, reply: bytes, addr: tuple[str, int]) -> None:
        ZONE_ANSWERS.labels("udp", "answered").inc()
        self._transport.sendto(reply, addr)

    def close(self) -> None:
        """Hears no more."""
        self._transport.close()
