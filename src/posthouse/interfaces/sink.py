"""Where accepted messages become durable. ``pipeline.dispose`` calls it; the reply 250 is sent after it returns."""

from __future__ import annotations

from typing import Protocol

from posthouse.model.plan import Acceptance


class Sink(Protocol):
    """Commits acceptances: local mailboxes, the queue and quarantines together, one unit."""

    async def commit(self, *acceptances: Acceptance) -> None:
        """Returns when everything in all of them is durable (one fsync shared with others). One message to many local accounts
        is stored once (STO-7). A recipient account that vanished meanwhile makes the unit fail whole.
        Raises Temporary (NoSpace when the disk is full); then nothing of any of them is kept."""
        ...
