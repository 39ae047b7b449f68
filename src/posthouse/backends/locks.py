"""Locks between the processes of a node: one octet of a file for each number, locked by open file description (fcntl(2),
F_OFD_SETLK). The kernel frees them when the process ends, and there is no lag. Within a process a set says what is held,
since the same description never conflicts with itself."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

_FLOCK = "hhqqi4x"


class FileLocks:
    """One per process, opened after the fork. ``path`` is made if it is not there; it stays empty."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._held: set[int] = set()

    def acquire(self, number: int) -> bool:
        if number in self._held or not self._set(fcntl.F_WRLCK, number):
            return False
        self._held.add(number)
        return True

    def release(self, number: int) -> None:
        self._held.remove(number)
        self._set(fcntl.F_UNLCK, number)

    def close(self) -> None:
        """Lets go of everything."""
        self._held.clear()
        os.close(self._descriptor)

    def _set(self, kind: int, number: int) -> bool:
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, kind, os.SEEK_SET, number, 1, 0))
        except (BlockingIOError, PermissionError):
            return False
        return True
