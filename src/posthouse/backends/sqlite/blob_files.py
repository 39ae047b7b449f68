"""Contents too large for the database, in files named by digest: ``blobs/ab/cdef...``, or ``....zst`` when compressed (STO-7).

The digest is always that of the content itself.

A file is written and synced, its folder too, before the unit that names it is handed in; it is removed only by the writing
thread, after the row that named it is gone durably. Files that nothing names stay for a while (``KEEP_S``), because a worker
may just be about to name one; writing a file that exists makes it young again. Knows nothing of the database.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Protocol

import zstandard

from posthouse.backends.sqlite.coding import CHUNK_BYTES, Damaged, compressed, content_bytes
from posthouse.base.errors import NoSpace, NotFound, Temporary

KEEP_S = 900.0
SUFFIX = ".zst"
_FRAME_HEADER_BYTES = 18
_FULL = (errno.ENOSPC, errno.EDQUOT)


class BlobFiles:
    """The folder of large contents. All methods block: call them in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: bytes) -> Path:
        """Where the content with this SHA-256 stands, or would stand as it is."""
        name = digest.hex()
        plain = self._folder / name[:2] / name[2:]
        packed = plain.with_suffix(SUFFIX)
        return packed if packed.exists() else plain

    def write(self, digest: bytes, content: bytes, *, compress: bool = False) -> None:
        """Makes the content durable. Raises NoSpace, Temporary; then there is no such file (or the whole old one)."""
        path = self.path(digest)
        try:
            if self.has(digest, len(content)):
                os.utime(path)
                _sync_file(path)  # whoever put it there, we or a restore, may not have come so far
            else:
                packed = compressed(content) if compress else None
                self._write_new(path.with_suffix(SUFFIX if packed else ""), packed or content)
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
        """Whether the whole content is there, by its length."""
        path = self.path(digest)
        try:
            if path.suffix != SUFFIX:
                return path.stat().st_size == size_bytes
            with path.open("rb", buffering=0) as file:
                return zstandard.frame_content_size(file.read(_FRAME_HEADER_BYTES)) == size_bytes
        except (OSError, zstandard.ZstdError):
            return False

    def read(self, digest: bytes, limit_bytes: int = -1) -> bytes:
        """The content, or its first ``limit_bytes``. Raises NotFound, Temporary (Damaged)."""
        return b"".join(self.pieces(digest, limit_bytes))

    def pieces(self, digest: bytes, limit_bytes: int = -1) -> Iterator[bytes]:
        """As ``read``, piece by piece."""
        path = self.path(digest)
        try:
            with path.open("rb", buffering=0) as file:
                if path.suffix != SUFFIX:
                    yield from _pieces(file, limit_bytes)
                else:
                    yield from _unpacked(file, limit_bytes)
        except FileNotFoundError:
            raise NotFound("The message is gone") from None
        except OSError as error:
            raise Temporary("The message cannot be read now", cause=str(error)) from error
        except zstandard.ZstdError as error:
            raise Damaged(f"{path.name}: {error}") from error

    def stored_bytes(self, digest: bytes) -> int:
        """How large the file is on disk; 0 if there is none."""
        try:
            return self.path(digest).stat().st_size
        except OSError:
            return 0

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
        # The other form, in case that the file was written as it is before it was written compressed.
        return path.suffix != SUFFIX or self.remove(digest, now)

    def digests(self) -> Iterator[bytes]:
        """All contents here, whole ones only."""
        for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
            for path in sorted(folder.iterdir()):
                try:
                    digest = bytes.fromhex(folder.name + path.name.removesuffix(SUFFIX))
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


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes | None: ...


def _pieces(file: _Readable, limit_bytes: int) -> Iterator[bytes]:
    left = limit_bytes
    while left and (piece := file.read(CHUNK_BYTES if left < 0 else min(left, CHUNK_BYTES))):
        yield piece
        left -= len(piece) if left > 0 else 0


def _unpacked(file: FileIO, limit_bytes: int) -> Iterator[bytes]:
    """Raises ZstdError; it does not by itself when the file is cut short."""
    left = content_bytes(file.read(_FRAME_HEADER_BYTES))
    file.seek(0)
    with zstandard.ZstdDecompressor().stream_reader(file) as stream:
        for piece in _pieces(stream, limit_bytes):
            left -= len(piece)
            yield piece
    if left and limit_bytes < 0:
        raise zstandard.ZstdError("the file is too short")


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
