"""Who rehearses a policy (PLN-3): apart from the running node, which it only reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.rehearsal import RecordedSession, RehearsalPlan, RehearsalReport, Traffic


class Rehearsals(Protocol):
    """Nothing is delivered, counted or remembered. Raises MailError: bad traffic, a bad proposal, no answer in time."""

    async def rehearse(self, plan: RehearsalPlan) -> RehearsalReport: ...

    async def record(self, traffic: Traffic) -> Sequence[RecordedSession]:
        """The traffic as recorded sessions."""
        ...
