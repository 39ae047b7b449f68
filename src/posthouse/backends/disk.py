"""Whether the file system under the data folder does what a mail store stands on: fsync, locks, databases with readers.

Tried with small files of its own, beside a node that may be at work there. Knows nothing of mail, and does not judge what it
finds (checking/disk.py). What no trial from this machine shows, such as locks that other machines do not see, stands in the
mount's options.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import apsw

from posthouse.backends.sqlite.database import mail_error
from posthouse.base.errors import NoSpace
from posthouse.interfaces.probe import Disk

_WRITES = 9
_LET_GO_WITHIN_S = 10.0
"""A network file system may take a moment to let go the lock of a file that was closed."""
_WHOLE_FILE = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_OFD_SETLK = 37
"""POSIX locks (those of SQLite) that belong to an open file, so that one process can hold them against itself (fcntl(2))."""


def try_disk(data: Path) -> Disk:
    """Takes as long as a dozen writes to the disk. Raises OSError when not even a file can be written."""
    usage = shutil.disk_usage(data)
    file_system, options = _mount_of(data)
    with tempfile.NamedTemporaryFile(dir=data, prefix=".check-") as file:
        path = Path(file.name)
        sync_s = _sync_time(file.fileno())
        return Disk(file_system, sync_s, _locks_hold(path), usage.free, usage.total, options, _databases_work(data))


def _sync_time(descriptor: int) -> float | None:
    times = []
    for _ in range(_WRITES):
        began = time.perf_counter()
        os.write(descriptor, b"x" * 4096)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            return None
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _locks_hold(path: Path) -> bool:
    """Each kind by itself: some file systems keep both in one place, where they would stand in each other's way."""
    return _second_is_refused(path, _flock) and _second_is_refused(path, _posix_lock)


def _flock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _posix_lock(descriptor: int) -> None:
    fcntl.fcntl(descriptor, _OFD_SETLK, _WHOLE_FILE)


def _second_is_refused(path: Path, take: Callable[[int], None]) -> bool:
    with path.open("r+b") as first, path.open("r+b") as second:
        try:
            _take_at_last(take, first.fileno())
        except OSError as error:
            return error.errno == errno.EINVAL  # the kernel has no such locks to try; where the files have none it says so
        try:
            take(second.fileno())
        except OSError as error:
            return error.errno in (errno.EAGAIN, errno.EACCES)
        return False


def _take_at_last(take: Callable[[int], None], descriptor: int) -> None:
    """A lock that nobody holds any more; what the trial before had locked may be let go a little later. Raises OSError."""
    end = time.monotonic() + _LET_GO_WITHIN_S
    while True:
        try:
            return take(descriptor)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES) or time.monotonic() >= end:
                raise
        time.sleep(0.02)


def _databases_work(data: Path) -> bool:
    """A database with a log, as the store's are: its writer and its readers share memory that is mapped from a file."""
    with tempfile.TemporaryDirectory(dir=data, prefix=".check-") as folder:
        try:
            writer = apsw.Connection(f"{folder}/try.db")
            reader = apsw.Connection(f"{folder}/try.db")
            with contextlib.closing(writer), contextlib.closing(reader):
                if writer.execute("PRAGMA journal_mode = WAL").get != "wal":
                    return False
                writer.execute("CREATE TABLE tried (value); INSERT INTO tried VALUES (7)")
                return bool(reader.execute("SELECT value FROM tried").get == 7)
        except apsw.Error as error:
            return isinstance(mail_error(error), NoSpace)  # a full disk is another matter


def _mount_of(path: Path) -> tuple[str, tuple[str, ...]]:
    """Type and options of the file system whose mount point is the longest above ``path``; of those on one point, the last."""
    best = ""
    found: tuple[str, tuple[str, ...]] = ("unknown", ())
    where = str(path.resolve())
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        _, point, kind, options, *_ = line.split(" ")
        point = point.encode("utf-8", "replace").decode("unicode_escape", "replace") if "\\" in point else point
        if (where + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, found = point, (kind, tuple(options.split(",")))
    return found
