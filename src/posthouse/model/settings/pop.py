"""Settings of the group ``pop``: POP3 (POP-1)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class PopSettings:
    """POP3 (POP-1)."""

    idle_timeout_s: float = setting(600.0, "Silence of a client (RFC 1939: at least 10 minutes).", unit="s", at_least=10)
    login_timeout_s: float = setting(180.0, "Time to log in.", unit="s", at_least=5)
    max_connections: int = setting(5_000, "Open connections in one worker.", at_least=10)
