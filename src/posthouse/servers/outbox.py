"""Octets that are to go out and were not handed on yet, in pieces as they were written."""

from __future__ import annotations


class Outbox:
    """``pieces`` is empty while it holds none."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[bytes | memoryview] = []

    def put(self, data: bytes) -> None:
        """Adds at the end."""
        self.pieces.append(data)

    def clear(self) -> None:
        """Forgets all of it."""
        self.pieces.clear()

    def take_all(self) -> bytes:
        """Everything; what was one piece stays the object that it was."""
        pieces, self.pieces = self.pieces, []
        first = pieces[0]
        return first if len(pieces) == 1 and isinstance(first, bytes) else b"".join(pieces)

    def take(self, limit_bytes: int) -> bytes:
        """The oldest octets, ``limit_bytes`` at most. What is left of a large piece is not copied."""
        room = limit_bytes
        for at, piece in enumerate(self.pieces):
            if len(piece) > room:
                view = memoryview(piece)
                out = b"".join((*self.pieces[:at], view[:room]))
                self.pieces[: at + 1] = [view[room:]]
                return out
            room -= len(piece)
        return self.take_all()
