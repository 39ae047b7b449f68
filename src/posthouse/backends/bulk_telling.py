"""Sightings of bulk mail on their way to a shared database: gathered for a moment, written together, never waited for (CON-9).

Failing: what cannot be written is dropped, and said in the log; the next are tried again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.model.bulk import Report, Seen, Sighting, slot_of

GATHER_S = 0.2
MOST_WAITING = 20_000
_log = log.get("bulk")


@dataclass(frozen=True, slots=True)
class Counted:
    """Sightings, added up for each signature and hour."""

    key: int
    slot: int
    seen: Seen


Write = Callable[[Sequence[Counted], Sequence[Report]], Awaitable[None]]


class BulkTelling:
    """``tell`` returns at once; ``settle`` when all that was told before has been written or dropped."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: list[Sighting | Report] = []
        self._task: asyncio.Task[None] | None = None
        self._dropped = 0

    def tell(self, what: Sighting | Report) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append(what)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def settle(self) -> None:
        while self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_S)
                waiting, self._waiting = self._waiting, []
                dropped, self._dropped = self._dropped, 0
                if dropped:
                    _log.warning("dropped", count=dropped)
                await self._written(waiting)
        finally:
            self._task = None

    async def _written(self, waiting: Sequence[Sighting | Report]) -> None:
        reports = {(key, each.account_id): each for each in waiting if isinstance(each, Report) for key in each.keys}
        single = [Report((key,), each.account_id, each.spam, each.at) for (key, _), each in reports.items()]
        try:
            await self._write(counted([each for each in waiting if isinstance(each, Sighting)]), single)
        except MailError as error:
            _log.error("not-written", count=len(waiting), cause=error.cause or error.public)


def counted(sightings: Sequence[Sighting]) -> list[Counted]:
    """Each signature and hour once."""
    messages: Counter[tuple[int, int]] = Counter()
    recipients: Counter[tuple[int, int]] = Counter()
    clients: dict[tuple[int, int], int] = {}
    for sighting in sightings:
        for key in sighting.keys:
            place = key, slot_of(sighting.at)
            messages[place] += 1
            recipients[place] += sighting.recipients
            clients[place] = clients.get(place, 0) | 1 << sighting.client_bit
    return [
        Counted(key, slot, Seen(count, recipients[key, slot], clients[key, slot])) for (key, slot), count in messages.items()
    ]
