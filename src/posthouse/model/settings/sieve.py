"""Settings of the group ``sieve``: filters and ManageSieve (CON-3)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class SieveSettings:
    """Filters and ManageSieve (CON-3)."""

    max_redirects: int = setting(5, "Messages that one run of a script may send elsewhere.", at_least=0, at_most=100)
    max_run_s: float = setting(0.5, "Time that one run of a script may take.", unit="s", at_least=0.01, at_most=10)
    user_scripts: bool = setting(True, "Run the scripts of users; those of the system and of domains always run.")
    idle_timeout_s: float = setting(
        1800.0, "Silence of a ManageSieve client (RFC 5804 §1.4: at least 30 minutes).", unit="s", at_least=60
    )
    login_timeout_s: float = setting(60.0, "Time to log in to ManageSieve.", unit="s", at_least=5)
    max_connections: int = setting(1_000, "Open ManageSieve connections in one worker.", at_least=10)
