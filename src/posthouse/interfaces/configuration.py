"""Settings at rest, versioned, and the audit trail of operations (ADM-5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from posthouse.base.settings import Value
from posthouse.model.settings import Settings


@dataclass(frozen=True, slots=True)
class SettingChange:
    """``version`` is the snapshot's that the change made. ``before`` and ``after`` are rendered texts."""

    version: int
    at: float
    who: str
    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One operation that was run. ``arguments`` never holds secrets. ``outcome`` is "ok" or the error's public text."""

    at: float
    who: str
    via: str
    operation: str
    arguments: str
    outcome: str


class Configuration(Protocol):
    """Durable when a call returns."""

    async def load(self) -> Settings:
        """The current snapshot. Values that no longer fit the catalogue fall back to the default, with a log line."""
        ...

    async def put(self, changes: Sequence[tuple[str, Value]], *, who: str, at: float) -> Settings:
        """Applies all changes as one new version, checked whole. Raises NotFound, BadValue; then nothing changed."""
        ...

    async def history(self, *, key: str = "", limit: int = 100) -> Sequence[SettingChange]:
        """Newest first."""
        ...

    async def audit(self, entry: AuditEntry) -> None: ...

    async def audited(self, *, limit: int = 100) -> Sequence[AuditEntry]:
        """Newest first."""
        ...
