"""One message to learn from, as tokens (CON-8: Bayes of a site and its users)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lesson:
    """``tokens`` are signed 64-bit numbers, as ``content.antispam.tokens`` makes them; ``digest`` is the message's SHA-256.

    ``owner_id`` is ``spam.SITE_ID`` or an account's. ``at`` is when, in seconds since 1970.
    """

    owner_id: int
    spam: bool
    digest: bytes
    tokens: tuple[int, ...]
    at: float
