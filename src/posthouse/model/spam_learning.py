"""What is learnt of spam: one message to learn from, and how far an owner's lessons have got (CON-8)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.model.spam import SITE_ID

MAX_SITE_LESSONS = 10_000
MAX_USER_LESSONS = 500
MAX_LESSON_TOKENS = 8_000


def max_lessons(owner_id: int) -> int:
    """How many lessons of one side (spam, ham) are kept of an owner."""
    return MAX_SITE_LESSONS if owner_id == SITE_ID else MAX_USER_LESSONS


@dataclass(frozen=True, slots=True)
class Lesson:
    """``tokens`` are 32-bit numbers, as ``content.antispam.tokens`` makes them; ``digest`` is the message's SHA-256.

    ``owner_id`` is ``spam.SITE_ID`` or an account's. ``at`` is when, in seconds since 1970.
    """

    owner_id: int
    spam: bool
    digest: bytes
    tokens: tuple[int, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Learnt:
    """``spam`` and ``ham`` messages are known of an owner. ``changes`` grows with every lesson; ``fitted`` is what it was when
    the weights were made, at ``fitted_at``; ``version`` is theirs, 0 if there are none."""

    owner_id: int
    spam: int = 0
    ham: int = 0
    changes: int = 0
    fitted: int = 0
    fitted_at: float = 0.0
    version: int = 0
