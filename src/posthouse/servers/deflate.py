"""Raw DEFLATE both ways, for IMAP COMPRESS (RFC 4978). Bounded: no call gives more than it is asked for, so a small input
that would grow without end (a "bomb") is unpacked only as fast as somebody reads it."""

from __future__ import annotations

import zlib

# 8 KiB window and a small hash for what we send: 64 KiB of memory instead of 256; the peer's window may be the full 32 KiB.
_OUT_WINDOW_BITS = -13
_OUT_MEMORY_LEVEL = 6
_IN_WINDOW_BITS = -15


class Deflate:
    """One pair of streams."""

    __slots__ = ("_deflater", "_inflater", "_waiting")

    def __init__(self) -> None:
        self._deflater = zlib.compressobj(6, zlib.DEFLATED, _OUT_WINDOW_BITS, _OUT_MEMORY_LEVEL)
        self._inflater = zlib.decompressobj(_IN_WINDOW_BITS)
        self._waiting = b""

    @property
    def waiting(self) -> bool:
        """Whether compressed octets that were taken in are still to be unpacked."""
        return bool(self._waiting)

    def compress(self, data: bytes) -> bytes:
        """Everything needed at the other end to see ``data`` whole."""
        return self._deflater.compress(data) + self._deflater.flush(zlib.Z_SYNC_FLUSH)

    def decompress(self, data: bytes, limit_bytes: int) -> bytes:
        """At most ``limit_bytes`` of clear octets. Raises OSError when the stream is not DEFLATE or has ended."""
        data = self._waiting + data if self._waiting else data
        if self._inflater.eof:
            raise ConnectionAbortedError("the DEFLATE stream has ended")
        try:
            clear = self._inflater.decompress(data, limit_bytes)
        except zlib.error as error:
            raise ConnectionAbortedError(f"not a DEFLATE stream: {error}") from None
        self._waiting = self._inflater.unconsumed_tail
        return clear
