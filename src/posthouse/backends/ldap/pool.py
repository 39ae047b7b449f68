"""The servers of one directory, in the order in which they are tried: kept connections, failover, back-off (RTE-2).

The first server that is not left alone is asked. One that fails is left alone for a while, twice as long each time; meanwhile
the next one is asked. Only reading is done here, so a question whose answer was lost is asked again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from posthouse.backends.ldap.link import Link, Trouble
from posthouse.base.clock import Clock
from posthouse.base.errors import Temporary
from posthouse.model.outside import LdapServer
from posthouse.model.settings import LdapSettings
from posthouse.protocols.ldap import messages

PUBLIC = "The directory cannot be asked now, try again later"
IDLE_S = 240.0
"""How long a connection may lie idle: what lies longer may have been forgotten on the way, and nobody says so."""
AT_ONCE = 16
"""Questions on one connection before another is made."""


def make_context(server: LdapServer) -> ssl.SSLContext:
    """Raises OSError for a file of authorities that cannot be read. Blocks: for a thread."""
    context = ssl.create_default_context(cafile=server.ca_file or None)
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Place:
    """One server, at one URL."""

    def __init__(self, server: LdapServer, url: str, settings: Callable[[], LdapSettings], clock: Clock) -> None:
        self.url = url
        self._server = server
        self._settings = settings
        self._clock = clock
        self._links: list[Link] = []
        self._opening = asyncio.Lock()
        self._context: ssl.SSLContext | None = None
        self._failures = 0
        self._why = ""
        self._alone_until_s = 0.0

    def is_left_alone(self) -> str:
        """Why it is not asked now; "" if it is."""
        left_s = self._alone_until_s - self._clock.steady()
        return f"{self._why}; left alone for {left_s:.0f} s" if left_s > 0 else ""

    async def search(self, wanted: messages.Search) -> list[messages.Entry]:
        """Raises Trouble. A kept connection may have been closed by the server meanwhile: then once more, over a new one."""
        try:
            link = await self._link()
            was_kept = link.answers > 0
            try:
                found = await self._asked(link, wanted)
            except Trouble as error:
                if not error.lost or not was_kept or not link.is_lost:
                    raise
                found = await self._asked(await self._link(), wanted)
        except Trouble as error:
            if error.lost:
                self._leave_alone(str(error))
            raise
        self._failures = 0
        return found

    async def _asked(self, link: Link, wanted: messages.Search) -> list[messages.Entry]:
        limit_s = self._settings().search_timeout_s
        link.used_at_s = self._clock.steady()
        try:
            async with asyncio.timeout(limit_s):
                return await link.search(wanted)
        except TimeoutError:
            self._drop(link)
            raise Trouble(f"no answer within {limit_s:g} s") from None

    async def _link(self) -> Link:
        """The least busy connection, or a new one. Raises Trouble."""
        if (link := self._spare()) is not None:
            return link
        async with self._opening:
            if (link := self._spare()) is not None:
                return link
            if why := self.is_left_alone():
                raise Trouble(why, lost=False)
            limit_s = self._settings().connect_timeout_s
            try:
                async with asyncio.timeout(limit_s):
                    link = await Link.open(self._server, self.url, await self._tls())
            except TimeoutError:
                raise Trouble(f"no connection within {limit_s:g} s") from None
            self._links.append(link)
            return link

    def _spare(self) -> Link | None:
        self._links = [link for link in self._links if not link.is_lost]
        now_s = self._clock.steady()
        for link in [each for each in self._links if not each.busy and now_s - each.used_at_s > IDLE_S]:
            self._drop(link)
        best = min(self._links, key=lambda link: link.busy, default=None)
        if best is None or (best.busy >= AT_ONCE and len(self._links) < self._settings().connections):
            return None
        return best

    async def _tls(self) -> ssl.SSLContext | None:
        if not self.url.startswith("ldaps:") and not self._server.starts_tls(self.url):
            return None
        if self._context is None:
            try:
                self._context = await asyncio.to_thread(make_context, self._server)
            except OSError as error:
                raise Trouble(f"the authorities in {self._server.ca_file}: {error}") from error
        return self._context

    def _leave_alone(self, why: str) -> None:
        settings = self._settings()
        pause_s = min(settings.retry_s * 2 ** min(self._failures, 20), settings.retry_max_s)
        self._failures += 1
        self._why = why
        self._alone_until_s = self._clock.steady() + pause_s

    def _drop(self, link: Link) -> None:
        link.close()
        if link in self._links:
            self._links.remove(link)

    def close(self) -> None:
        while self._links:
            self._links.pop().close()


class Pool:
    """One directory."""

    def __init__(self, server: LdapServer, settings: Callable[[], LdapSettings], clock: Clock) -> None:
        self.server = server
        self._places = [_Place(server, url, settings, clock) for url in server.urls]

    async def search(self, wanted: messages.Search) -> list[messages.Entry]:
        """What the first server that answers has found. Raises Temporary with every server's trouble as its cause."""
        troubles = []
        for place in self._places:
            if why := place.is_left_alone():
                troubles.append(f"{place.url}: {why}")
                continue
            try:
                return await place.search(wanted)
            except Trouble as error:
                troubles.append(f"{place.url}: {error}")
        raise Temporary(PUBLIC, cause=f"LDAP server {self.server.name}: {'; '.join(troubles)}")

    def close(self) -> None:
        """Closes what is kept open."""
        for place in self._places:
            place.close()
