"""Locks of one process (interfaces/locks.py). Several of them over one set are several processes of a node."""

from __future__ import annotations


class MemoryLocks:
    """``taken`` is shared by all processes of the node."""

    def __init__(self, taken: set[int] | None = None) -> None:
        self._taken = taken if taken is not None else set()

    def acquire(self, number: int) -> bool:
        if number in self._taken:
            return False
        self._taken.add(number)
        return True

    def release(self, number: int) -> None:
        self._taken.remove(number)
