"""Something that is done on the loop once for many calls from threads: at once, and then not again for a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

MOMENT_S = 0.1


class Seldom:
    """``work`` runs on ``loop`` soon after a call: at once if the last time was ``moment_s`` ago, else when it will be."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Callable[[], None], moment_s: float = MOMENT_S) -> None:
        self._loop = loop
        self._work = work
        self._moment_s = moment_s
        self._due = False
        self._last_s = -moment_s

    def call(self) -> None:
        """From any one thread. Raises RuntimeError once the loop is closed."""
        if self._due:
            return
        self._due = True
        wait_s = self._last_s + self._moment_s - time.monotonic()
        if wait_s <= 0:
            self._loop.call_soon_threadsafe(self._run)
        else:
            self._loop.call_soon_threadsafe(self._loop.call_later, wait_s, self._run)

    def _run(self) -> None:
        self._last_s = time.monotonic()
        self._due = False
        self._work()
