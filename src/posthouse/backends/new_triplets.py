"""Triplets that nobody has seen yet, answered at once and told to the database together (GRY-1).

``known_triplets.py`` comes here when a look into the embedded database has found nothing: the answer can only be "come back",
so the sender need not wait for a commit, and hundreds share one. What is told is lost if this process dies within those
moments; its sender then waits once more. Failing: whoever finds the database slow, or failing at the last telling, is sent to
ask it (``take`` gives None), so that it is noticed and mail is let in. Must not know what is behind ``tell``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.model.triplet import Outcome, Terms, Triplet

TOGETHER_S = 0.02
"""How long what comes after a telling waits for company."""
SLOW_S = 0.25
MOST = 2_000
MOST_AT_ONCE = 500
SHORTEST_WAIT_S = 1.0
"""Where senders may come back sooner, another process could be asked before it knows: each is decided by the database."""

_log = log.get("greylist")
Tell = Callable[[Sequence[Triplet], float, Terms], Awaitable[object]]


class NewTriplets:
    """``tell`` keeps them, and raises MailError where it cannot."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._waiting: dict[Triplet, float] = {}
        self._on_the_way: dict[Triplet, float] = {}
        self._terms: Terms | None = None
        self._began_at: float | None = None
        self._trusted = False
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def take(self, triplet: Triplet, at: float, terms: Terms) -> Outcome | None:
        """``new`` for one that is told from here, ``early`` for one that was and came again; None: ask the database."""
        first_at = self._waiting.get(triplet, self._on_the_way.get(triplet))
        if first_at is not None:
            return "early" if at - first_at < terms.earliest_s else None
        if not self._trusted or terms.earliest_s < SHORTEST_WAIT_S or len(self._waiting) >= MOST or self._slow():
            return None
        if self._terms is not terms and self._waiting:
            return None  # the settings have just changed
        self._terms = terms
        self._waiting[triplet] = at
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return "new"

    def trust(self) -> None:
        """The database has answered."""
        self._trusted = True

    async def settle(self) -> None:
        """Returns when all that was taken is told, or has failed to be."""
        while self._waiting or self._on_the_way:
            await self._tell_some()

    async def close(self) -> None:
        """Tells what waits."""
        await self.settle()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _slow(self) -> bool:
        return self._began_at is not None and asyncio.get_running_loop().time() - self._began_at > SLOW_S

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._tell_some()
                await asyncio.sleep(TOGETHER_S)
        finally:
            self._task = None

    async def _tell_some(self) -> None:
        async with self._lock:
            if not self._waiting or self._terms is None:
                return
            some = list(self._waiting)[:MOST_AT_ONCE]
            self._on_the_way = {triplet: self._waiting.pop(triplet) for triplet in some}
            self._began_at = asyncio.get_running_loop().time()
            try:
                await self._tell(some, max(self._on_the_way.values()), self._terms)
            except MailError as error:
                self._trusted = False
                _log.warning("new-triplets-not-told", count=len(some), cause=error.cause or error.public)
            finally:
                self._on_the_way = {}
                self._began_at = None
