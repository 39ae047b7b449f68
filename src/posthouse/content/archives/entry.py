"""One thing in an archive as its format module gives it, before anybody has looked at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_NAME_CHARS = 255


@dataclass(frozen=True, slots=True)
class Entry:
    """``size_bytes`` and ``packed_bytes`` are what the archive says, -1 where it does not. ``unpack`` gives the octets in
    pieces and raises Trouble; None where this program cannot (or may not) unpack it. ``crc`` is the archive's, 0 if none.
    """

    name: str
    size_bytes: int
    packed_bytes: int
    encrypted: bool = False
    crc: int = 0
    unpack: Callable[[], Iterator[bytes]] | None = None


def shown(name: str) -> str:
    """A name as it may stand in traces and be matched by filters: bounded (the end tells the type), no control characters."""
    text = "".join(char if char.isprintable() else "\ufffd" for char in name[-MAX_NAME_CHARS:])
    return text.replace("\\", "/")
