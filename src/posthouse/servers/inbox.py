"""Octets that came in and were not read yet. Costs next to nothing while empty; one piece stays the object that it came as."""

from __future__ import annotations


class Inbox:
    """``size_bytes`` is what it holds."""

    __slots__ = ("_first", "_rest", "size_bytes")

    def __init__(self) -> None:
        self._first = b""
        self._rest: bytearray | None = None
        self.size_bytes = 0

    def put(self, data: bytes) -> None:
        """Adds at the end."""
        if not self._first:
            self._first = data
        elif self._rest is None:
            self._rest = bytearray(data)
        else:
            self._rest += data
        self.size_bytes += len(data)

    def put_back(self, data: bytes) -> None:
        """Adds in front."""
        held = self.take_all()
        self.put(data)
        if held:
            self.put(held)

    def take(self, limit_bytes: int) -> bytes:
        """The oldest octets, ``limit_bytes`` at most."""
        chunk = self._first
        if self._rest is None and len(chunk) <= limit_bytes:
            self._first, self.size_bytes = b"", 0
            return chunk
        if len(chunk) > limit_bytes:
            chunk, self._first = chunk[:limit_bytes], chunk[limit_bytes:]
        elif self._rest:
            self._first = bytes(self._rest[:limit_bytes])
            del self._rest[:limit_bytes]
        else:
            self._first, self._rest = b"", None
        self.size_bytes -= len(chunk)
        return chunk

    def take_all(self) -> bytes:
        """Everything."""
        data = self._first + self._rest if self._rest else self._first
        self._first, self._rest, self.size_bytes = b"", None, 0
        return data
