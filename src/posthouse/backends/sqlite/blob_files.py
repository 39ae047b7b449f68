"""Contents too large for the database, in files named by digest: ``blobs/ab/cdef...`` (STO-7).

A file is written and synced, its folder too, before the unit that names it is handed in; it is removed only by the writing
thread, after the row that named it is gone durably. Files that nothing names stay for a while (``KEEP_S``), because a worker
may just be about to name one; writing a file that exists makes it young again. Knows nothing of the database.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from posthouse.base.errors import NoSpace, NotFound, Temporary

KEEP_S = 900.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


class BlobFiles:
    """The folder of large contents. All methods block: call them in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: bytes) -> Path:
        """Where the content with this SHA-256 stands or would stand."""
        name = digest.hex()
        return self._folder / name[:2] / name[2:]

    def write(self, digest: bytes, content: bytes) -> None:
        """Makes the content durable. Raises NoSpace, Temporary; then there is no such file (or the whole old one)."""
        path = self.path(digest)
        try:
            if self.has(digest, len(content)):
                os.utime(path)
            else:
                self._write_new(path, content)
            # Also for a file that was there: who put it there may not have come so far, or died before.
            for folder in (path.parent, self._folder, self._folder.parent):
                _sync_folder(folder)
        except OSError as error:
            if error.errno in _FULL:
                raise NoSpace(str(error)) from error
            raise Temporary("The message could not be stored", cause=str(error)) from error

    def _write_new(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
        try:
            _write_synced(temporary, content)
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def has(self, digest: bytes, size_bytes: int) -> bool:
        """Whether the whole content is there."""
        try:
            return self.path(digest).stat().st_size == size_bytes
        except OSError:
            return False

    def read(self, digest: bytes, limit_bytes: int = -1) -> bytes:
        """The content, or its first ``limit_bytes``. Raises NotFound, Temporary."""
        try:
            with self.path(digest).open("rb", buffering=0) as file:
                return file.read(limit_bytes)
        except FileNotFoundError:
            raise NotFound("The message is gone") from None
        except OSError as error:
            raise Temporary("The message cannot be read now", cause=str(error)) from error

    def remove(self, digest: bytes, now: float) -> bool:
        """Removes a file that nothing names; False if it is still too young."""
        path = self.path(digest)
        try:
            if path.stat().st_mtime > now - KEEP_S:
                return False
            path.unlink()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def digests(self) -> Iterator[bytes]:
        """All contents here, whole ones only."""
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                try:
                    digest = bytes.fromhex(folder.name + path.name)
                except ValueError:
                    continue
                if len(digest) == 32:
                    yield digest

    def remove_half_written(self, now: float) -> int:
        """Removes what crashes left behind under temporary names; gives how many."""
        stale = [path for path in self._folder.glob("??/.*") if path.stat().st_mtime < now - KEEP_S]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
