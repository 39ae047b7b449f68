"""What was learnt, as weights of tokens: made by ``fitting``, asked for each message, kept as octets.

A message has two sides, header and body; each is a vector of its tokens, weighted by how rare they are, of length one. Its
margin on a side is that vector times the weights; the sum of both says spam (above the threshold) or ham. Tokens that were
never learnt make the vector longer, so that what is unknown is uncertain, but only as many as there are known ones: padding a
message with nonsense brings it no further. Lookups are the hot path: 40 ns for each token.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest
from math import isfinite, sqrt
from zlib import crc32

from posthouse.content.antispam.tokens import MessageTokens

MAX_TOKENS = 100_000
"""In one set of weights: some 12 MB in each process."""
_MAGIC = b"PHW1"
_HEAD = struct.Struct("<4sIIIddddd")
_PER_TOKEN = 12


class BrokenWeights(ValueError):
    """Octets that are none of ours, or of another version."""


@dataclass(frozen=True, slots=True)
class SideTerms:
    """Of one side (header, body): what unknown tokens add to the squared length, and what every message gets."""

    unknown: float = 0.0
    bias: float = 0.0


@dataclass(frozen=True, slots=True)
class Margin:
    """``value`` above the threshold is spam. ``header_length`` and ``body_length`` are the vectors' lengths."""

    value: float
    header_length: float
    body_length: float


class Weights:
    """Immutable. ``threshold`` is where spam begins; ``spam`` and ``ham`` tell how many messages of either were learnt."""

    __slots__ = ("_index", "_rarity", "_weight", "body", "ham", "header", "spam", "threshold")

    def __init__(
        self,
        keys: array[int],
        weight: array[float],
        rarity: array[float],
        sides: tuple[SideTerms, SideTerms],
        *,
        threshold: float,
        learnt: tuple[int, int],
    ) -> None:
        """``weight`` holds each token's weight times its rarity, ``rarity`` the square of its rarity."""
        self._index = dict(zip(keys, range(len(keys)), strict=True))
        self._weight, self._rarity = weight, rarity
        self.header, self.body = sides
        self.threshold = threshold
        self.spam, self.ham = learnt

    def __len__(self) -> int:
        return len(self._index)

    def margin(self, tokens: MessageTokens) -> Margin:
        """The margin of a message."""
        header, header_length = self._side(tokens.header, self.header)
        body, body_length = self._side(tokens.body, self.body)
        return Margin(header + body, header_length, body_length)

    def margin_of(self, numbers: Iterable[int]) -> Margin:
        """The same of the numbers that were kept of a message."""
        everything = list(numbers)
        return self.margin(MessageTokens(
            {number: "" for number in everything if not number >> 31}, {number: "" for number in everything if number >> 31}
        ))  # fmt: skip

    def added(self, tokens: MessageTokens, site: Margin) -> float:
        """What these weights, a user's, add to the ``site``'s margin: with the site's lengths, since they correct it."""
        find, weight = self._index.get, self._weight
        header = sum([weight[at] for at in map(find, tokens.header) if at is not None])
        body = sum([weight[at] for at in map(find, tokens.body) if at is not None])
        return (
            header / (site.header_length or 1.0) + body / (site.body_length or 1.0) + self.header.bias + self.body.bias
            if self._index
            else 0.0
        )

    def rarity(self, number: int) -> float:
        """The square of a token's rarity; of unknown ones, what they add to the squared length."""
        at = self._index.get(number)
        return (self.body if number >> 31 else self.header).unknown if at is None else self._rarity[at]

    def telling(self, tokens: MessageTokens, count: int, *, spam: bool) -> list[str]:
        """The words that speak loudest for spam, or for ham; the loudest first."""
        sign = 1.0 if spam else -1.0
        found = [
            (sign * self._weight[at], word)
            for side in (tokens.header, tokens.body)
            for number, word in side.items()
            if (at := self._index.get(number)) is not None
        ]
        return [word for weight, word in nlargest(count, found) if weight > 0]

    def _side(self, tokens: dict[int, str], terms: SideTerms) -> tuple[float, float]:
        find, weight, rarity = self._index.get, self._weight, self._rarity
        known = [at for at in map(find, tokens) if at is not None]
        squared = sum([rarity[at] for at in known])
        squared += terms.unknown * min(len(tokens) - len(known), len(known))
        if squared <= 0.0:
            return terms.bias, 0.0
        length = sqrt(squared)
        return sum([weight[at] for at in known]) / length + terms.bias, length

    # --- as octets

    def octets(self) -> bytes:
        """To be kept and sent; ``parse`` reads them."""
        head = _HEAD.pack(
            _MAGIC, len(self._index), self.spam, self.ham, self.threshold,
            self.header.unknown, self.header.bias, self.body.unknown, self.body.bias,
        )  # fmt: skip
        body = b"".join((_little(array("I", self._index)), _little(self._weight), _little(self._rarity)))
        return b"".join((head, body, crc32(head + body).to_bytes(4, "little")))


def parse(octets: bytes) -> Weights:
    """The weights of ``Weights.octets``. Raises BrokenWeights."""
    if len(octets) < _HEAD.size + 4 or crc32(octets[:-4]) != int.from_bytes(octets[-4:], "little"):
        raise BrokenWeights("damaged")
    magic, count, spam, ham, threshold, *terms = _HEAD.unpack_from(octets)
    if magic != _MAGIC or count > MAX_TOKENS or len(octets) != _HEAD.size + _PER_TOKEN * count + 4:
        raise BrokenWeights("not what this version writes")
    start, size = _HEAD.size, 4 * count
    keys, weight, rarity = array("I"), array("f"), array("f")
    for place, column in enumerate((keys, weight, rarity)):
        column.frombytes(octets[start + place * size : start + (place + 1) * size])  # type: ignore[attr-defined]
        if sys.byteorder == "big":
            column.byteswap()  # type: ignore[attr-defined]
    if not all(map(isfinite, (threshold, *terms))) or not all(map(isfinite, weight)) or not all(map(isfinite, rarity)):
        raise BrokenWeights("not numbers")
    sides = SideTerms(terms[0], terms[1]), SideTerms(terms[2], terms[3])
    return Weights(keys, weight, rarity, sides, threshold=threshold, learnt=(spam, ham))


def _little(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
