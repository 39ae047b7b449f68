"""Signatures of content, and how often a site has seen them (CON-9). A signature is a 63-bit number; it tells nothing back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

SignatureKind = Literal["text", "markup", "file"]
CLIENT_BITS = 62
"""Clients are told apart by one of so many bits: enough to know one from a few and a few from many."""
SLOT_S = 3_600.0
"""Counts are kept by the hour."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """Of one message. ``text``: the smallest hashes of its pieces, so that two texts have as much in common as their
    signatures; empty for a text too short to be told from others. ``markup`` is its HTML's structure, 0 if there is none."""

    text: tuple[int, ...] = ()
    markup: int = 0
    files: tuple[int, ...] = ()

    @property
    def keys(self) -> tuple[int, ...]:
        """All."""
        return (*self.text, *((self.markup,) if self.markup else ()), *self.files)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One message with these signatures came, at ``at``, for so many recipients, from the client of this bit."""

    keys: tuple[int, ...]
    recipients: int
    client_bit: int
    at: float


@dataclass(frozen=True, slots=True)
class Report:
    """A user said that a message with these signatures is spam, or that it is not; the last word of each user counts."""

    keys: tuple[int, ...]
    account_id: int
    spam: bool
    at: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one signature within the window. ``clients`` is the bits of all clients or'ed together."""

    messages: int = 0
    recipients: int = 0
    clients: int = 0
    called_spam: int = 0
    called_ham: int = 0

    @property
    def client_count(self) -> float:
        """About how many clients, by linear counting."""
        unset = CLIENT_BITS - self.clients.bit_count()
        return CLIENT_BITS * math.log(CLIENT_BITS / max(unset, 0.5))


def slot_of(at: float) -> int:
    """The hour that a moment is counted in."""
    return int(at // SLOT_S)
