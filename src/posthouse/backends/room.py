"""Whether there is room for new mail where a node keeps its data (``store.min_free_bytes``).

New mail stops before the disk is full, so that what frees room (deleting, marking, fetching by POP, delivering what is queued)
still has some to work in: messages are neither taken nor copied then. What is held back is at most a fifth of the disk, so that
a small one can be used at all. Asked for each message; a look is some microseconds, and holds for a moment.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from posthouse.base.errors import NoSpace

LOOK_S = 0.02
MOST_HELD_BACK = 5


class Room:
    """Of the file system at ``folder``; ``min_free_bytes()`` 0: nothing is held back."""

    def __init__(self, folder: Path, min_free_bytes: Callable[[], int]) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._look_at = 0.0
        self._free_bytes = 0
        self._short = False

    def is_short(self) -> bool:
        """Whether no new mail is to be taken. A disk that cannot be looked at is not short: writing will tell (open)."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._short = self._look()
        return self._short

    def check(self) -> None:
        """Raises NoSpace."""
        if self.is_short():
            raise NoSpace(f"{self._free_bytes} octets free, less than store.min_free_bytes")

    def _look(self) -> bool:
        held_back = self._min_free_bytes()
        if not held_back:
            return False
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            return False
        self._free_bytes = disk.f_bavail * disk.f_frsize
        return self._free_bytes < min(held_back, disk.f_blocks * disk.f_frsize // MOST_HELD_BACK)
