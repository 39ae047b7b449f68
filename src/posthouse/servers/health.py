"""Health, readiness and metrics over HTTP (MON-4).

Health is told to anyone; metrics tell what passes here, and cost every process something: only to networks that are let.
A Starlette application; ``servers.http`` serves it.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posthouse.model.networks import network_list
from posthouse.servers.metrics_share import MetricsShare

_SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def application(share: MetricsShare, ready: Callable[[], bool], readers: Callable[[], tuple[str, ...]]) -> ASGIApp:
    """``/health/live``, ``/health/ready``, ``/metrics``; ``readers()`` are the networks that the last one is for."""

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def readiness(_: Request) -> Response:
        if ready():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "draining"}, status_code=503)

    async def metrics(request: Request) -> Response:
        if request.client is None or request.client.host not in network_list(readers()):
            return JSONResponse({"error": "metrics are not for this address"}, status_code=403)
        return Response(await share.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    routes = [Route("/health/live", live), Route("/health/ready", readiness), Route("/metrics", metrics)]
    return with_safe_headers(Starlette(routes=routes))


def with_safe_headers(app: ASGIApp) -> ASGIApp:
    """``app`` with headers that keep browsers from doing anything clever, where it sets none itself."""
    return _SafeHeaders(app)


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
