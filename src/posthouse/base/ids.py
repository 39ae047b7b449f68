"""Identifiers that sort by time: 10 characters of milliseconds, 16 of randomness, Crockford's base 32.

Used as trace ids (one for each message, on every tier), queue ids and OBJECTIDs. 80 random bits: not guessable, unique
without coordination.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from posthouse.base.clock import Clock

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
_PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)


class Ids:
    """Makes identifiers from a clock and a source of random bytes."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._random = random

    def new(self) -> str:
        """A fresh identifier of 26 characters; later ones sort after earlier ones (by millisecond)."""
        number = (int(self._clock.now() * 1000) << 80) | int.from_bytes(self._random(10), "big")
        return encode(number)


def decode(text: str) -> int:
    """The number of an identifier. Raises ValueError for what is none."""
    if len(text) != LENGTH:
        raise ValueError("not an identifier")
    number = 0
    for character in text:
        number = number << 5 | ALPHABET.index(character)
    if number >> 128:
        raise ValueError("not an identifier")
    return number


def encode(number: int) -> str:
    """``number`` (below 2**130) as 26 characters of base 32."""
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])
