"""What opening one attachment may cost, and the meter that says when it is enough (CON-14)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Problem = Literal["too big", "too deep", "too many", "ratio", "overlapping", "too slow", "broken", "unknown compression"]
BOMBS: frozenset[Problem] = frozenset(("too big", "too deep", "ratio", "overlapping"))
"""Problems that make an attachment a bomb; the others only mean that not all of it was seen."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """``unpacked_bytes`` and ``members`` count all levels together; ``ratio`` is unpacked to packed, of one member and of the
    whole, looked at once ``ratio_from_bytes`` are unpacked: small things may be as empty as they like."""

    depth: int = 10
    members: int = 10_000
    unpacked_bytes: int = 512 << 20
    ratio: int = 250
    ratio_from_bytes: int = 16 << 20
    seconds: float = 10.0


class Trouble(Exception):
    """An archive, or a member of one, that cannot be looked into any further."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


class Enough(Trouble):
    """A limit of the whole attachment is met: nothing more of it is opened."""


class Meter:
    """Counts what one attachment of ``packed_bytes`` has cost. Its methods raise Enough."""

    def __init__(self, limits: ArchiveLimits, packed_bytes: int, steady: Callable[[], float]) -> None:
        self._limits = limits
        self._packed_bytes = packed_bytes
        self._steady = steady
        self._end_s = steady() + limits.seconds
        self._declared_bytes = 0
        self.unpacked_bytes = 0
        self.members = 0

    def deeper(self, depth: int) -> None:
        """An archive ``depth`` levels down is about to be opened; the attachment itself is 1."""
        if depth > self._limits.depth:
            raise Enough("too deep")

    def member(self) -> None:
        """One more member, or one more header that could be one."""
        self.members += 1
        if self.members > self._limits.members:
            raise Enough("too many")
        if self.members % 64 == 0:
            self.time()

    def time(self) -> None:
        """Asked between pieces of work."""
        if self._steady() > self._end_s:
            raise Enough("too slow")

    def declared(self, size_bytes: int, packed_bytes: int) -> None:
        """A member that nobody here unpacks says how large it is; who unpacks it would have to bear it."""
        self._declared_bytes += size_bytes
        self._check(self.unpacked_bytes + self._declared_bytes, self._packed_bytes)
        self._check(size_bytes, packed_bytes)

    def pieces(self, chunks: Iterable[bytes], packed_bytes: int) -> Iterator[bytes]:
        """The chunks of one member of ``packed_bytes``, counted."""
        size = 0
        for chunk in chunks:
            size += len(chunk)
            self.unpacked_bytes += len(chunk)
            self._check(self.unpacked_bytes + self._declared_bytes, self._packed_bytes)
            self._check(size, packed_bytes)
            self.time()
            yield chunk

    def _check(self, size_bytes: int, packed_bytes: int) -> None:
        limits = self._limits
        if size_bytes > limits.unpacked_bytes:
            raise Enough("too big")
        if size_bytes > limits.ratio_from_bytes and size_bytes > limits.ratio * max(packed_bytes, 1):
            raise Enough("ratio")
