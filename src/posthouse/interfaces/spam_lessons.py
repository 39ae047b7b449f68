"""What a site and its users teach about spam and ham, and the weights of tokens that are made of it (CON-8).

A lesson is one message as the numbers of its tokens; no text is kept. ``content.antispam.fitting`` makes weights of an owner's
lessons, in the steward's time; scorers in all processes read them. An owner is ``SITE_ID`` or an account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.spam_learning import Learnt, Lesson


class SpamWeights(Protocol):
    """Reading, in every process. Cheap: asked for each message. Raises Temporary when it cannot be read."""

    async def version(self, owner_id: int) -> int:
        """Of the owner's weights; it grows with each fit. 0 if there are none."""
        ...

    async def octets(self, owner_id: int) -> bytes:
        """The owner's weights as ``content.antispam.weights`` writes them, b"" if there are none."""
        ...


class SpamLessons(Protocol):
    """Teaching, from every process. Durable when a call returns. Raises Temporary."""

    async def learn(self, lessons: Sequence[Lesson]) -> int:
        """Keeps what is not yet known, in order; a message that an owner had taught otherwise changes sides. Past
        ``MAX_LESSONS`` of one side the owner's oldest go. Gives how many lessons changed something."""
        ...

    async def unlearn(self, owner_id: int, digests: Sequence[bytes]) -> int:
        """Takes back what the owner taught of these messages. Gives how many there were."""
        ...

    async def expire(self, before: float) -> int:
        """Drops lessons from before then; gives how many."""
        ...

    async def forget_owner(self, owner_id: int) -> None:
        """Drops all that an owner has taught, and the weights."""
        ...


class LessonBook(SpamLessons, SpamWeights, Protocol):
    """Everything, where weights are made: in the steward."""

    async def learnt(self, owner_id: int) -> Learnt:
        """How much the owner has taught, and how much of that is in the weights."""
        ...

    async def unfitted(self) -> Sequence[Learnt]:
        """Owners who have taught something that is not in their weights yet; the site first."""
        ...

    async def lessons(self, owner_id: int) -> Sequence[Lesson]:
        """All that are kept of an owner, the oldest first."""
        ...

    async def newest(self, owner_id: int, count: int) -> Sequence[Lesson]:
        """The newest of an owner, so many of each side."""
        ...

    async def keep_weights(self, owner_id: int, octets: bytes, changes: int, at: float) -> None:
        """Puts weights in place, made at ``at`` when the owner's ``Learnt.changes`` stood at ``changes``. b"": none."""
        ...
