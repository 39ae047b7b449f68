"""Octets that are to go out and were not handed on yet, in pieces as they were written."""

from __future__ import annotations


class Outbox:
    """True while it holds any."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[bytes | memoryview] = []

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def put(self, data: bytes) -> None:
        """Adds at the end."""
        self._pieces.append(data)

    def clear(self) -> None:
        """Forgets all of it."""
        self._pieces.clear()

    def take_all(self) -> bytes:
        """Everything; what was one piece stays the object that it was."""
        pieces, self._pieces = self._pieces, []
        first = pieces[0]
        return first if len(pieces) == 1 and isinstance(first, bytes) else b"".join(pieces)

    def take(self, limit_bytes: int) -> bytes:
        """The oldest octets, ``limit_bytes`` at most. What is left of a large piece is not copied."""
        room = limit_bytes
        for at, piece in enumerate(self._pieces):
            if len(piece) > room:
                view = memoryview(piece)
                out = b"".join((*self._pieces[:at], view[:room]))
                self._pieces[: at + 1] = [view[room:]]
                return out
            room -= len(piece)
        return self.take_all()
