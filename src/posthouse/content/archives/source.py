"""Where an archive's octets are: in memory for an attachment, in a nameless file for what was unpacked of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol, cast

CHUNK_BYTES = 65_536
IN_MEMORY_BYTES = 1 << 20


class Source(Protocol):
    """Random access to octets that do not change."""

    size: int

    def read(self, at: int, count: int) -> bytes:
        """Up to ``count`` octets from ``at``; fewer at the end, none beyond it or before the beginning."""
        ...

    def close(self) -> None:
        """Nothing is read any more."""
        ...


class Octets:
    """Those of an attachment."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.size = len(octets)

    def read(self, at: int, count: int) -> bytes:
        return self._octets[at : at + count] if at >= 0 and count > 0 else b""

    def close(self) -> None:
        """There is nothing to close."""


class Spooled:
    """Those of a member, as they come: a file takes over when they are many."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._file = cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115 - closed by ``close``
        try:
            for chunk in chunks:
                self._file.write(chunk)
            self.size = self._file.tell()
        except BaseException:
            self._file.close()
            raise

    def read(self, at: int, count: int) -> bytes:
        if at < 0 or count <= 0:
            return b""
        self._file.seek(at, os.SEEK_SET)
        return self._file.read(count)

    def close(self) -> None:
        self._file.close()


def chunks(source: Source, start: int, size: int) -> Iterator[bytes]:
    """``size`` octets from ``start``, in pieces; fewer if the source ends."""
    position, end = start, min(start + size, source.size)
    while position < end:
        piece = source.read(position, min(CHUNK_BYTES, end - position))
        if not piece:
            return
        position += len(piece)
        yield piece
