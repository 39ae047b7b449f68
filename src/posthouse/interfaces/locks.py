"""Locks that hold for the whole node and end with their holder, however it ends (POP-1)."""

from __future__ import annotations

from typing import Protocol


class Locks(Protocol):
    """Numbers name what is locked; they are non-negative and below 2**62."""

    def acquire(self, number: int) -> bool:
        """Takes the lock; False at once if anyone on the node has it, this process included."""
        ...

    def release(self, number: int) -> None:
        """Lets it go. Only for who holds it."""
        ...
