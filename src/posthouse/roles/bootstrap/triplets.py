"""Where greylisting's triplets are kept, as ``greylist.database`` says: in the node, or shared by gateways (GRY-3).

A change of the setting takes effect at the next question; what the old database still answers is waited for, and no connection
of a client is touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import replace
from functools import partial

from posthouse.admin.context import Context
from posthouse.backends.known_triplets import KnownTriplets, Peek
from posthouse.backends.sqlite.triplets import SqliteTriplets, TripletsWriting
from posthouse.backends.sqlite.unknown_recipients import SqliteUnknownRecipients, UnknownWriting
from posthouse.base import log
from posthouse.base.errors import MailError, Temporary
from posthouse.base.settings import without_passwords
from posthouse.interfaces.bus import Bus
from posthouse.interfaces.triplets import Triplets
from posthouse.model.settings import Settings
from posthouse.model.triplet import Kept, Outcome, Reputation, Tally, TallyKind, Terms, Triplet, TripletQuery, Use  # fmt: skip
from posthouse.roles.data_files import Files
from posthouse.roles.live import Live

_log = log.get("greylist")


class ChosenTriplets:
    """``interfaces.triplets.Triplets``: the embedded one, or the one that the setting names, made when it is first asked."""

    def __init__(self, settings: Callable[[], Settings], embedded: Callable[[], KnownTriplets]) -> None:
        self._settings = settings
        self._embedded = embedded
        self._url = settings().greylist.database
        self._current: KnownTriplets | None = None
        self._failure: Temporary | None = None
        self._changing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._put(self._made(self._url))

    def chosen(self) -> KnownTriplets:
        """The one in use now; while another is made, the one before. Raises Temporary if it could not be made."""
        url = self._settings().greylist.database
        if url != self._url and self._changing is None:
            self._changing = asyncio.get_running_loop().create_task(self._change(url))
        if self._current is None:
            raise self._failure or Temporary("Local trouble, try again later", cause="no database was made")
        return self._current

    async def _settled(self) -> KnownTriplets:
        """The one that the setting names, waited for: administrators ask about that one."""
        while self._settings().greylist.database != self._url:
            with suppress(Temporary):
                self.chosen()
            if self._changing is not None:
                await asyncio.wait((self._changing,))
        return self.chosen()

    async def _change(self, url: str) -> None:
        """Loading a driver takes long: it is done off the loop."""
        try:
            fresh = await asyncio.to_thread(self._made, url)
            _log.warning("database-changed", database=without_passwords(url) or "embedded")
            self._url = url
            self._put(fresh)
        finally:
            self._changing = None

    def _made(self, url: str) -> Triplets | Temporary | None:
        """The shared one of a URL, or why there is none; None for the embedded one."""
        try:
            return _shared(url) if url else None
        except Temporary as error:
            return error

    def _put(self, fresh: Triplets | Temporary | None) -> None:
        if self._current is not None:
            task = asyncio.get_running_loop().create_task(_close(self._current))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self._failure = fresh if isinstance(fresh, Temporary) else None
        if isinstance(fresh, Temporary):
            self._current = None
        else:
            self._current = self._embedded() if fresh is None else KnownTriplets(fresh)

    def clear(self) -> None:
        """Remembers nothing of what may have been deleted."""
        if self._current is not None:
            self._current.clear()

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        return await self.chosen().decide(asked, at, terms)

    async def use(self, uses: Sequence[Use], terms: Terms) -> None:
        await self.chosen().use(uses, terms)

    async def reputation(self, domain: str, network: str, at: float) -> Reputation:
        return await self.chosen().reputation(domain, network, at)

    async def praise(self, domain: str, network: str, at: float, lifetime_s: float, count: int = 1) -> None:
        await self.chosen().praise(domain, network, at, lifetime_s, count)

    async def find(self, query: TripletQuery) -> Sequence[Kept]:
        return await (await self._settled()).find(query)

    async def statistics(self, kind: TallyKind, since: float) -> Sequence[Tally]:
        return await (await self._settled()).statistics(kind, since)

    async def waiting(self) -> int:
        return await (await self._settled()).waiting()

    async def forget(self, query: TripletQuery) -> int:
        return await (await self._settled()).forget(query)

    async def expire(self, now: float, statistics_before: float) -> int:
        return await (await self._settled()).expire(now, statistics_before)

    async def close(self) -> None:
        if self._changing is not None:
            await asyncio.wait((self._changing,), timeout=5.0)
        if self._current is not None:
            await _close(self._current)
        if self._closing:
            await asyncio.wait(self._closing, timeout=1.0)


def chosen_triplets(files: Files, writer: TripletsWriting, live: Live, bus: Bus, stack: AsyncExitStack) -> ChosenTriplets:
    """A process's triplets, closed with ``stack``. ``writer`` writes the node's own file, or leads to who does."""
    triplets = ChosenTriplets(live.settings, partial(embedded_triplets, files, writer))
    stack.push_async_callback(triplets.close)
    for topic in ("greylist", "lost"):
        bus.subscribe(topic, lambda _: triplets.clear())
    return triplets


def with_unknown_recipients(context: Context, files: Files, writer: UnknownWriting, stack: AsyncExitStack) -> Context:
    """``context`` with what is learnt about recipients of hosts behind this node."""
    unknown = stack.enter_context(closing(SqliteUnknownRecipients(files.greylist, writer)))
    return replace(context, unknown_recipients=unknown)


def embedded_triplets(files: Files, writer: TripletsWriting) -> KnownTriplets:
    """Those in the node's own file."""
    triplets = SqliteTriplets(files.greylist, writer)
    return KnownTriplets(triplets, Peek(triplets.peek, triplets.peek_client))


async def _close(triplets: Triplets) -> None:
    try:
        await triplets.close()
    except MailError as error:
        _log.warning("database-not-closed", cause=error.cause or error.public)


def _shared(url: str) -> Triplets:
    """Loads a driver only for those who need it. Raises Temporary when it is not installed."""
    extra = "postgres" if url.startswith("postgres") else "redis"
    try:
        if extra == "postgres":
            from posthouse.backends.postgres.triplets import PostgresTriplets

            return PostgresTriplets(url)
        from posthouse.backends.valkey.triplets import ValkeyTriplets

        return ValkeyTriplets(url)
    except ImportError as error:
        raise Temporary("Local trouble, try again later", cause=f"install posthouse[{extra}]: {error}") from error
