"""What is held back, and what becomes of it (QTN-1). Messages come in by ``Sink.commit``, as all accepted mail does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.held import HeldCount, HeldMessage, HeldQuery
from posthouse.model.plan import Acceptance
from posthouse.model.verdict import QuarantineKind


class Quarantine(Protocol):
    """Writes are durable when the call returns. Raises Temporary when they did not happen."""

    async def listing(self, query: HeldQuery) -> Sequence[HeldMessage]:
        """The newest first, ``query.limit`` at most."""
        ...

    async def get(self, held_id: int) -> HeldMessage | None:
        """None if it is not there any more."""
        ...

    async def content(self, body_id: int) -> bytes:
        """The whole message. Raises NotFound when it is gone."""
        ...

    async def counts(self, domain: str = "") -> Sequence[HeldCount]:
        """By kind and name; ``domain``: only what is for its recipients."""
        ...

    async def due(self, now: float, limit: int) -> Sequence[HeldMessage]:
        """Those with ``0 < release_at <= now``, the longest overdue first."""
        ...

    async def next_due(self) -> float | None:
        """The earliest ``release_at`` there is; None if there is none."""
        ...

    async def release(self, held_id: int, acceptances: Sequence[Acceptance]) -> bool:
        """Takes it out and commits ``acceptances``, in one unit, exactly once: False, and nothing is accepted, if it is not
        there any more. Raises as ``Sink.commit`` does; then it is still held."""
        ...

    async def delete(self, held_ids: Sequence[int]) -> int:
        """Takes them out for good; gives how many there were."""
        ...

    async def postpone(self, held_id: int, release_at: float) -> None:
        """Another time for going on by itself; nothing if it is not there."""
        ...

    async def expire(self, kind: QuarantineKind, before: float, limit: int) -> Sequence[HeldMessage]:
        """Takes out what was held before then and does not go on by itself, ``limit`` at most; gives what it took."""
        ...
