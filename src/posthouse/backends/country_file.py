"""The administrator's table of address blocks and countries, read from a file (OUT-5).

The file is looked at once a minute and read in a thread when it has changed; until then, or when it cannot be read, no country
is known, and networks stand in their place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.model.country_blocks import CountryBlocks

LOOK_S = 60.0
MOST_BYTES = 128 << 20

_log = log.get("account-watch")


class CountryFile:
    """``path`` gives the file as set now, None if none is set. Calls belong on one event loop."""

    def __init__(self, path: Callable[[], Path | None], clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._blocks = CountryBlocks()
        self._known: tuple[Path, float] | None = None
        self._look_at_s = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def country_of(self, address: str) -> str:
        """As ``CountryBlocks.country_of``; never waits."""
        path = self._path()
        if path is None:
            return ""
        if self._reading is None and self._clock.steady() >= self._look_at_s:
            self._look_at_s = self._clock.steady() + LOOK_S
            self._reading = asyncio.get_running_loop().create_task(self._read(path))
        return self._blocks.country_of(address)

    async def settle(self) -> None:
        """Returns when the file has been read, if that is under way."""
        if self._reading is not None:
            await self._reading

    async def _read(self, path: Path) -> None:
        try:
            read = await asyncio.to_thread(_changed, path, self._known)
            if read is not None:
                self._known, self._blocks = read
        except (OSError, ValueError) as error:
            _log.error("countries-not-read", file=str(path), cause=str(error))
        finally:
            self._reading = None


def _changed(path: Path, known: tuple[Path, float] | None) -> tuple[tuple[Path, float], CountryBlocks] | None:
    """What the file says now and what it was read as; None if that is known. Raises OSError, ValueError."""
    facts = path.stat()
    if known == (path, facts.st_mtime):
        return None
    if facts.st_size > MOST_BYTES:
        raise ValueError(f"the file has more than {MOST_BYTES} octets")
    with path.open(encoding="utf-8", errors="replace") as file:
        return (path, facts.st_mtime), CountryBlocks(file)
