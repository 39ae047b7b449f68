"""One HTTP service of one worker: an ASGI application by uvicorn's HTTP/1.1 protocol, on the house's own connections.

Listeners, TLS, PROXY protocol (DEP-6) and limits are those of all services; uvicorn opens no sockets and gets no signals. Here
are the time-outs: a request's head must come within 30 s, what belongs to its body without silences of more than 60 s.
"""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import Any, Protocol, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from posthouse.base.clock import Clock
from posthouse.servers.connection import Connection
from posthouse.servers.http.transport import ConnectionTransport

HEAD_S = 30.0
BODY_SILENCE_S = 60.0
KEEP_ALIVE_S = 15
MAX_HEAD_BYTES = 131_072  # two chunks: the first may hold the end of a body
MAX_CONCURRENT = 200
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _Cycle(Protocol):
    """One request and its response, as uvicorn keeps it."""

    response_complete: bool
    more_body: bool


class _HttpProtocol(Protocol):
    """What we ask of uvicorn's protocol beside ``asyncio.Protocol``."""

    cycle: _Cycle | None

    def shutdown(self) -> None: ...


class HttpServer:
    """Serves ``app``. At most 200 requests and connections at a time; past them 503."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONCURRENT,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._config.load()
        self._clock = clock
        self._state = ServerState()
        self._date_s = 0
        self._draining = False

    async def handle(self, connection: Connection) -> None:
        """One connection, to its end."""
        make = cast(Any, self._config.http_protocol_class)
        protocol: asyncio.Protocol = make(config=self._config, server_state=self._state, app_state={})
        transport = ConnectionTransport(connection, protocol)
        protocol.connection_made(transport)
        if self._draining:
            cast(_HttpProtocol, protocol).shutdown()
        try:
            await self._feed(connection, transport, cast(_HttpProtocol, protocol))
        except (TimeoutError, OSError):
            pass
        finally:
            transport.protocol.connection_lost(None)
            await transport.finish()

    def drain(self) -> None:
        """Ends idle connections at once, the others with the response that is under way."""
        self._draining = True
        for protocol in list(self._state.connections):
            cast(_HttpProtocol, protocol).shutdown()

    async def _feed(self, connection: Connection, transport: ConnectionTransport, protocol: _HttpProtocol) -> None:
        """Octets to the protocol until the peer has ended. Raises TimeoutError, OSError."""
        told, since_s, head_bytes = protocol.cycle, self._clock.steady(), 0
        while not connection.closing:
            await transport.wanted()
            cycle = protocol.cycle
            answering = cycle is not None and not cycle.response_complete
            if answering or cycle is not told:
                told, since_s, head_bytes = cycle, self._clock.steady(), 0
            limit_s = BODY_SILENCE_S if answering else max(HEAD_S - (self._clock.steady() - since_s), 0.01)
            try:
                data = await connection.read(limit_s)
            except TimeoutError:
                if cycle is not None and answering and (cycle.response_complete or not cycle.more_body):
                    continue  # it is the application that takes its time
                raise
            if not data:
                return
            head_bytes += len(data)
            if not answering and head_bytes > MAX_HEAD_BYTES:
                connection.write(_TOO_LARGE)
                return
            self._tell_date()
            transport.protocol.data_received(data)

    def _tell_date(self) -> None:
        """The Date field (RFC 9110 §6.6.1), made once a second."""
        now_s = int(self._clock.now())
        if now_s != self._date_s:
            self._date_s = now_s
            self._state.default_headers = [(b"date", formatdate(now_s, usegmt=True).encode())]
