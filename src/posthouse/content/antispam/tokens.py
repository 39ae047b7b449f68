"""A message as a set of numbers, the way it is learnt and scored: each token is a hash that also tells header from body.

Only these numbers are kept of what people receive. Bounded whatever the message; never raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from posthouse.content.antispam.bodytokens import body_tokens
from posthouse.content.antispam.headertokens import header_tokens
from posthouse.content.antispam.texts import Texts, texts_of
from posthouse.model.summary import Summary

MAX_TOKENS = 4_000
"""Of either side of one message."""
BODY_BIT = 1 << 31
_HEADER_MASK = BODY_BIT - 1


@dataclass(frozen=True, slots=True)
class MessageTokens:
    """Tokens by their numbers, with the words that they stand for. Numbers of the body have ``BODY_BIT``."""

    header: dict[int, str]
    body: dict[int, str]

    @property
    def numbers(self) -> tuple[int, ...]:
        """All, sorted: what is learnt."""
        return tuple(sorted([*self.header, *self.body]))


def tokens_of(content: bytes, summary: Summary, texts: Texts | None = None) -> MessageTokens:
    """The tokens of a message. ``summary`` is of ``content``; ``texts`` too, if the caller has them."""
    header = _numbered(header_tokens(content, summary))
    body = _numbered(body_tokens(texts or texts_of(content, summary)))
    return MessageTokens(
        {number & _HEADER_MASK: word for number, word in header},
        {number | BODY_BIT: word for number, word in body},
    )


def _numbered(words: set[str]) -> Iterable[tuple[int, str]]:
    if not words:
        return ()
    chosen = sorted(words)[:MAX_TOKENS] if len(words) > MAX_TOKENS else list(words)
    octets = "\n".join([word.replace("\n", " ") for word in chosen]).encode("utf-8", "replace")
    return zip(map(crc32, octets.split(b"\n")), chosen, strict=True)
