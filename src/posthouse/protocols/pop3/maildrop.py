"""The inbox as one POP3 session sees it from login to QUIT: fixed numbers, sizes, UIDLs, and deletion marks (RFC 1939 §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One message. ``uid`` is its unique-id: 1 to 70 characters from ``!`` to ``~``, the same in all sessions (§7)."""

    size_bytes: int
    uid: str


class NoSuchMessage(Exception):
    """The number is malformed, out of range, or that of a message marked as deleted."""


class Maildrop:
    """Messages in their order; numbers on the wire count from 1, indexes from 0."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self._entries = entries
        self._deleted: set[int] = set()

    @property
    def deleted(self) -> tuple[int, ...]:
        """Indexes marked as deleted, ascending."""
        return tuple(sorted(self._deleted))

    def index(self, number: str) -> int:
        """The index that a message number on the wire means. Raises NoSuchMessage."""
        if not (number.isascii() and number.isdigit()) or len(number) > 10:
            raise NoSuchMessage(number[:20])
        index = int(number) - 1
        if not 0 <= index < len(self._entries) or index in self._deleted:
            raise NoSuchMessage(number)
        return index

    def size_of(self, index: int) -> int:
        return self._entries[index].size_bytes

    def uid_of(self, index: int) -> str:
        return self._entries[index].uid

    def stat(self) -> tuple[int, int]:
        """How many messages are not marked, and their octets."""
        sizes = [entry.size_bytes for _, entry in self.remaining()]
        return len(sizes), sum(sizes)

    def remaining(self) -> list[tuple[int, Entry]]:
        """(index, entry) of the messages that are not marked."""
        return [(index, entry) for index, entry in enumerate(self._entries) if index not in self._deleted]

    def delete(self, index: int) -> None:
        """Marks a message."""
        self._deleted.add(index)

    def reset(self) -> None:
        """Takes all marks away."""
        self._deleted.clear()
