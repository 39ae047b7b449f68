"""One application for all that is served over HTTP: API and pages, where they are on; the MTA-STS policy; health and metrics
for the rest.
"""

from __future__ import annotations

import asyncio
import importlib

from starlette.types import ASGIApp, Receive, Scope, Send

from posthouse.directory.key_ring import KeyRing
from posthouse.servers.health import with_safe_headers
from posthouse.servers.http import sts_page
from posthouse.servers.http.access import Access
from posthouse.servers.http.api import Api
from posthouse.servers.http.problems import Problem
from posthouse.servers.http.stewards_ear import StewardsEar
from posthouse.servers.http.sts_page import StsPage
from posthouse.servers.services import Services


class Front:
    """The ASGI application. ``rest`` serves what is neither API nor page."""

    def __init__(self, services: Services, ring: KeyRing, rest: ASGIApp) -> None:
        self._settings = services.settings
        self._services = services
        self._ear = StewardsEar(services.control_path)
        self._access = Access(services, ring)
        self._api = Api(self._access, self._ear)
        self._pages: ASGIApp | None = None
        self._sts = StsPage(services)
        self._rest = rest
        self._safely = with_safe_headers(self._choose)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._safely(scope, receive, send)

    def close(self) -> None:
        """Ends the connections to the steward."""
        self._ear.close()

    async def _choose(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/api/"):
            await (self._api if self._settings().web.api else _off)(scope, receive, send)
        elif scope["path"] == "/admin" or scope["path"].startswith("/admin/"):
            await (await self._made_pages() if self._settings().web.pages else _off)(scope, receive, send)
        elif scope["path"] == sts_page.PATH:
            await self._sts(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    async def _made_pages(self) -> ASGIApp:
        """Imported and made at the first visit, in a thread."""
        if self._pages is None:
            self._pages = await asyncio.to_thread(_pages, self._services, self._access, self._ear)
        return self._pages


def _pages(services: Services, access: Access, ear: StewardsEar) -> ASGIApp:
    made: ASGIApp = importlib.import_module("posthouse.servers.http.pages").Pages(services, access, ear)
    return made


async def _off(scope: Scope, receive: Receive, send: Send) -> None:
    await Problem("not-found", "this is not served here").response()(scope, receive, send)
