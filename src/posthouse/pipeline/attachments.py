"""Stage ``attachments``: looks into what a message carries, for the stages behind it (CON-14). Decides nothing.

Archives are opened in threads, few at a time, and of one client one at a time: who sends bombs waits for his own. Filters,
the outbreak check and antivirus read ``form.carried``; ``Attachments.of`` looks again where a filter has made another form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from posthouse.content import attachments
from posthouse.content.archives.limits import ArchiveLimits
from posthouse.content.attachments import Carried, Wanted
from posthouse.model.networks import client_key
from posthouse.model.settings import Settings
from posthouse.model.verdict import Verdict
from posthouse.pipeline.copies import Form, off_loop
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

AT_ONCE = 2


class Attachments:
    """One per process. ``steady`` is a clock for the limit on time."""

    def __init__(self, settings: Callable[[], Settings], steady: Callable[[], float]) -> None:
        self._settings = settings
        self._steady = steady
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._clients: dict[str, tuple[asyncio.Lock, int]] = {}

    async def of(self, form: Form, client_address: str) -> tuple[Carried, ...]:
        """What a form carries; it is looked into once. Waits for threads, and for others of the same client."""
        if form.carried is not None:
            return form.carried
        wanted = await off_loop(len(form.content), partial(attachments.candidates, form.content, form.summary.root))
        if not wanted:
            form.looked_into(())
            return ()
        if attachments.needs_thread(wanted):
            carried = await self._in_turn(client_key(client_address), form.content, wanted)
        else:
            carried = attachments.look(form.content, wanted, self._limits(), self._steady)
        form.looked_into(carried)
        return carried

    async def _in_turn(self, client: str, content: bytes, wanted: Wanted) -> tuple[Carried, ...]:
        lock, waiting = self._clients.get(client, (asyncio.Lock(), 0))
        self._clients[client] = (lock, waiting + 1)
        try:
            async with lock, self._turns:
                return await asyncio.to_thread(attachments.look, content, wanted, self._limits(), self._steady)
        finally:
            waiting = self._clients[client][1] - 1
            if waiting:
                self._clients[client] = (lock, waiting)
            else:
                del self._clients[client]

    def _limits(self) -> ArchiveLimits:
        return attachments.limits_of(self._settings().archives)


class LookInto(Stage):
    """Before any filter: they ask what is in archives."""

    name = "attachments"

    def __init__(self, attachments: Attachments) -> None:
        self._attachments = attachments

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        await self._attachments.of(transaction.form, transaction.session.client_address)
        return ()
