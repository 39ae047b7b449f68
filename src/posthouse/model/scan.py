"""What a virus scanner is given and what it answers (CON-5). Made by ``content.antivirus``, read by the antivirus stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

WHOLE = "*"
"""Stands for the message as a whole where a part's section could stand."""

Unscanned = Literal["encrypted", "too large"]


@dataclass(frozen=True, slots=True)
class ScannedPart:
    """One MIME part without its transfer encoding. ``section`` is IMAP's part number. ``plain``: its octets stand just so in
    the message: an engine that reads whole messages has seen it there. ``read`` decodes the ``encoded_bytes``; it may be called
    again, and belongs into a thread if they are many."""

    section: str
    name: str
    type: str
    plain: bool
    encoded_bytes: int
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class ScannedMail:
    """``content`` is the message as it came. ``parts`` are all its leaves, embedded messages' too."""

    content: bytes
    parts: tuple[ScannedPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Infection:
    """``name`` is the engine's word for it; ``section`` where it is, ``WHOLE`` if the engine cannot tell."""

    name: str
    section: str = WHOLE


@dataclass(frozen=True, slots=True)
class ScanReport:
    """``infections`` empty: nothing was found. ``unscanned`` says of which sections the engine could not see the inside, and
    why. ``cleaned`` has the octets that the engine gave back for an infected section, without transfer encoding."""

    infections: tuple[Infection, ...] = ()
    unscanned: tuple[tuple[str, Unscanned], ...] = ()
    cleaned: tuple[tuple[str, bytes], ...] = ()

    @property
    def names(self) -> str:
        """The infections' names, each once, for people."""
        return ", ".join(dict.fromkeys(each.name for each in self.infections))


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Texts as the engine says them, "" where it does not. ``patterns_at`` is the time of the newest pattern in seconds since
    1970, None if the engine does not tell."""

    engine: str
    patterns: str = ""
    patterns_at: float | None = None


def reported(name: str, section: str) -> Infection | tuple[str, Unscanned]:
    """An engine's finding; some engines report as a virus what they only could not look into."""
    if name.startswith("Heuristics.Encrypted"):
        return section, "encrypted"
    if name.startswith("Heuristics.Limits.Exceeded"):
        return section, "too large"
    return Infection(name, section)
