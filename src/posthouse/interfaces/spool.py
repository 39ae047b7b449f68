"""The outbound queue's durable side (OUT-6). Messages enter it by ``Sink.commit`` or by ``add``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from posthouse.model.plan import Acceptance
from posthouse.model.queued import Delay, Outcome, QueuedMessage, State

Postponed = Callable[[str, float, int], Awaitable[int]]
"""``Spool.postponed``, for those who need nothing else of it."""


async def none_postponed(_account: str, _now: float, _most: int) -> int:
    """Where nothing is kept for later."""
    return 0


class Spool(Protocol):
    """Writes are durable when the call returns. Raises Temporary when they did not happen."""

    async def latest(self, now: float, limit: int) -> Sequence[QueuedMessage]:
        """The ``limit`` recipients that became due last, as ``due`` gives them: new mail is among them, however much waits."""
        ...

    async def due(
        self, now: float, limit: int, after: tuple[float, int] = (0.0, 0), *, urgent: bool = False
    ) -> Sequence[QueuedMessage]:
        """Messages that have waiting recipients with ``next_attempt_at <= now``, each with only those recipients, oldest
        attempt first; ``limit`` counts recipients, and fewer mean that there are no more. Pages on by ``after``, the
        greatest (next_attempt_at, recipient_id) seen. ``urgent``: only those whose priority is above the usual. A message
        that may not leave before a time (``Sender.hold_until``) comes into the queue due at that time, and its lifetime
        counts from there."""
        ...

    async def next_due(self, later_than: float = -1.0) -> float | None:
        """When the next waiting recipient is due, of those that are due after ``later_than``; None if there is none."""
        ...

    async def get(self, queue_id: str) -> QueuedMessage | None:
        """One message with all its recipients, done ones included; None if it has left the queue."""
        ...

    async def waiting(self, queue_id: str) -> frozenset[int]:
        """The ids of one message's recipients that are waiting; asked before each attempt."""
        ...

    async def listing(
        self, *, state: State | None = None, limit: int = 1000, after: str = "", account: str = ""
    ) -> Sequence[QueuedMessage]:
        """Messages in order of ``queue_id`` after ``after``, with their recipients that are not done; with ``account``
        only those that the account of this address has sent."""
        ...

    async def postponed(self, account: str, now: float, most: int) -> int:
        """How many messages of an account wait for a time that their sender gave and have not been tried yet; it is not
        counted further than ``most``."""
        ...

    async def count(self) -> dict[str, int]:
        """Recipients by state."""
        ...

    async def record(self, queue_id: str, outcomes: Sequence[Outcome], *follow: Acceptance) -> None:
        """Writes what an attempt did. When no recipient is waiting or held any more the message leaves the queue. What
        follows from it (a DSN, a copy for a mailbox here) is accepted in the same unit, so that none is lost or sent
        twice."""
        ...

    async def put_off(self, delays: Sequence[Delay]) -> int:
        """Writes as one unit, of however many messages, what attempts would have come to that need not be made; each counts as
        an attempt. Recipients that do not wait any more, or not since then, stay as they are. Gives how many were put off."""
        ...

    async def set_state(self, queue_id: str, state: State, *, next_attempt_at: float = 0.0) -> int:
        """Hold or let go all recipients that are waiting or held; gives how many. 0 means there is no such message."""
        ...

    async def set_account_state(self, account: str, state: State, *, after: str = "", limit: int = 100) -> tuple[int, str]:
        """Holds or lets go ``limit`` messages that an account has in the queue, those after ``after`` in order of
        ``queue_id``; gives how many recipients it changed, and the last of the messages, "" when there are no more. When
        they are due stays as it was."""
        ...

    async def retry(self, now: float, *, after: str = "", limit: int = 500) -> tuple[int, int, str]:
        """Makes due ``now`` the waiting recipients of ``limit`` messages, those after ``after`` in order of ``queue_id``, but
        not what its sender wants to leave later. Gives how many messages and recipients, and the last message that was looked
        at, "" when there are no more."""
        ...

    async def delete(self, queue_id: str) -> bool:
        """Takes a message out without notice to anyone. False if there is none."""
        ...

    async def content(self, body_id: int) -> bytes:
        """The whole message."""
        ...
