"""A file in the data folder that holds some room back, so that a node comes up on a disk that is full to its last octet.

A database that was not open needs room before anything can be read from it (SQLite's -shm file, 32 KiB each). The start gives
the reserve back when there is too little; once all databases are open what is left is taken again, and all of it at the end,
when those files are gone. Knows nothing of databases.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from posthouse.base import log

NAME = "reserve"
MOST_BYTES = 2 << 20
PART_OF_DISK = 32
"""Of a small disk it is this part."""
_CHUNK_BYTES = 1 << 16

_log = log.get("reserve")


def give_back(data: Path) -> None:
    """Makes room in ``data`` if there is hardly any. A disk that cannot be looked at is left as it is: opening will tell."""
    with contextlib.suppress(OSError):
        disk = os.statvfs(data)
        if disk.f_bavail * disk.f_frsize < _size_bytes(disk):
            (data / NAME).unlink()
            _log.warning("disk-full", given_back=NAME)


def keep(data: Path) -> None:
    """Holds room back, as much as there is up to the whole; what is held already stays. Without any the node works as well."""
    with contextlib.suppress(OSError):
        size = _size_bytes(os.statvfs(data))
        descriptor = os.open(data / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            while (missing := size - os.fstat(descriptor).st_size) > 0:
                os.write(descriptor, os.urandom(min(missing, _CHUNK_BYTES)))  # no file system presses that together
        finally:
            os.close(descriptor)


def _size_bytes(disk: os.statvfs_result) -> int:
    return min(MOST_BYTES, disk.f_blocks * disk.f_frsize // PART_OF_DISK)
