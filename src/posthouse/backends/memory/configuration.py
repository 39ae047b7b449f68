"""Settings, their history and the audit trail in memory, for tests and tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from posthouse.base.settings import Value
from posthouse.interfaces.configuration import AuditEntry, SettingChange
from posthouse.model.settings import Settings, spec_of


class MemoryConfiguration:
    """``interfaces.configuration.Configuration``."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._changes: list[SettingChange] = []
        self._audit: list[AuditEntry] = []

    async def load(self) -> Settings:
        return self._settings

    async def put(self, changes: Sequence[tuple[str, Value]], *, who: str, at: float) -> Settings:
        """As ``Configuration.put``; no changes at all give the snapshot as it is."""
        before = after = self._settings
        for key, value in changes:
            after = after.with_value(key.lower(), value)
        after = replace(after, version=before.version + bool(changes))
        for key in dict.fromkeys(key.lower() for key, _ in changes):
            spec = spec_of(key)
            texts = spec.render(before.get(key)), spec.render(after.get(key))
            self._changes.append(SettingChange(after.version, at, who, key, *texts))
        self._settings = after
        return after

    async def history(self, *, key: str = "", limit: int = 100) -> Sequence[SettingChange]:
        return [change for change in reversed(self._changes) if key.lower() in ("", change.key)][: max(limit, 0)]

    async def audit(self, entry: AuditEntry) -> None:
        self._audit.append(entry)

    async def audited(self, *, limit: int = 100) -> Sequence[AuditEntry]:
        return self._audit[::-1][: max(limit, 0)]
