"""What a site and its users have learnt of spam and ham: for each token (a 64-bit number) how many messages of either had it.

Tokens are made by ``content.antispam.tokens`` and mean nothing here. An owner is ``SITE_ID`` or an account.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from posthouse.model.spam_learning import Lesson


class Counts(NamedTuple):
    """How many spam and ham messages had a token, and the weight it has been given (above 0: speaks for spam)."""

    spam: int
    ham: int
    weight: float = 0.0


class TokenCounts(Protocol):
    """Reading, in every process: some thousand tokens of a message at once. Raises Temporary when it cannot be read."""

    async def counts(self, owner_id: int, tokens: Collection[int]) -> Mapping[int, Counts]:
        """Those of ``tokens`` that the owner has learnt."""
        ...

    async def totals(self, owner_id: int) -> Counts:
        """How many spam and ham messages the owner has learnt; the weight is what every message gets."""
        ...


class TokenCountsWriter(Protocol):
    """Writing, from every process. Durable when a call returns. Raises Temporary."""

    async def learn(self, lessons: Sequence[Lesson]) -> int:
        """Learns what is not yet known, in order; what an owner had learnt the other way changes sides. Gives how many lessons
        changed something."""
        ...

    async def unlearn(self, lessons: Sequence[Lesson]) -> int:
        """Takes back what was learnt of these messages, whichever side it was on. Gives how many there were."""
        ...

    async def expire(self, before: float) -> int:
        """Drops tokens that say little and were last learnt before then, and digests of messages from before then. Gives how
        many tokens."""
        ...

    async def forget_owner(self, owner_id: int) -> None:
        """Drops all that an owner has learnt."""
        ...
