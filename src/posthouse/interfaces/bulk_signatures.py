"""The table of bulk signatures that all nodes of a site feed and query (CON-9)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from posthouse.model.bulk import Report, Seen, Sighting


class BulkSignatures(Protocol):
    """In every process. What is noted is seen by every process of every node soon: within a second or so."""

    async def seen(self, keys: Collection[int], since: float) -> Mapping[int, Seen]:
        """What is known of these signatures since then, to the hour; those that are not known are left out. Reports count
        whenever they were made. Raises Temporary."""
        ...

    def note(self, sighting: Sighting) -> None:
        """Counts a message. Never blocks, never fails; at most once."""
        ...

    def report(self, report: Report) -> None:
        """Takes note of what a user says. Never blocks, never fails; at most once."""
        ...

    async def expire(self, before: float, reports_before: float) -> int:
        """Drops counts and reports from before then; gives how many. Works where the table is written; raises Permanent
        elsewhere."""
        ...
