"""Health, readiness and metrics over HTTP (MON-4). The web faces will join this application later.

Starlette on uvicorn, inside the worker's loop; uvicorn gets no signal handlers and opens no sockets of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posthouse.servers.metrics_share import MetricsShare

BACKLOG = 1024
STOP_S = 5
TICK_S = 1.0
MAX_CONCURRENT = 200
_SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def application(share: MetricsShare, ready: Callable[[], bool]) -> ASGIApp:
    """``/health/live``, ``/health/ready``, ``/metrics``."""

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def readiness(_: Request) -> Response:
        if ready():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "draining"}, status_code=503)

    async def metrics(_: Request) -> Response:
        return Response(await share.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    routes = [Route("/health/live", live), Route("/health/ready", readiness), Route("/metrics", metrics)]
    return _SafeHeaders(Starlette(routes=routes))


class _SafeHeaders:
    """Puts headers on every answer that keep browsers from doing anything clever with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class _EmbeddedServer(uvicorn.Server):
    """Leaves the process's signals alone, and tells when it accepts."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()
        self.ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    async def main_loop(self) -> None:
        """As uvicorn's (which keeps the Date header), but it wakes once a second instead of ten times, and at the end."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), TICK_S)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Web:
    """The HTTP listeners of a worker. ``ready`` is asked for each ``/health/ready``."""

    def __init__(self, share: MetricsShare, ready: Callable[[], bool], context: ssl.SSLContext) -> None:
        self._app = application(share, ready)
        self._context = context
        self._running: list[tuple[_EmbeddedServer, asyncio.Task[None]]] = []

    async def start(self, http: socket.socket | None, https: socket.socket | None) -> None:
        """Accepts on the sockets that are given."""
        if http is not None:
            await self._start(http, None)
        if https is not None:
            await self._start(https, self._context)

    async def _start(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        config = uvicorn.Config(
            self._app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONCURRENT,
            backlog=BACKLOG,
            timeout_graceful_shutdown=STOP_S,
        )
        config.load()
        config.ssl = context
        server = _EmbeddedServer(config)
        task = asyncio.create_task(server.serve(sockets=[sock]))
        self._running.append((server, task))
        await server.accepting.wait()

    async def stop(self) -> None:
        """Finishes requests under way, at most 5 s."""
        for server, _ in self._running:
            server.should_exit = True
            server.ending.set()
        for _, task in self._running:
            await task
