"""Settings of the group ``auth``: logins on every service."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import DOMAIN


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Logins on every service."""

    plaintext: bool = setting(
        False, "Allow passwords without TLS from other than loopback addresses (TLS-1).", effect="new sessions"
    )
    channel_binding: bool = setting(
        False,
        "Offer logins bound to their TLS connection, SCRAM-SHA-256-PLUS (INB-3). Some clients choose it without being able to.",
        effect="new sessions",
    )
    remember_s: float = setting(
        300.0, "How long a right password is remembered, keyed and in memory only.", unit="s", at_least=0, at_most=3600
    )
    failure_delay_s: float = setting(
        1.0, "Delay of the first failed login; doubles with each further failure.", unit="s", at_least=0, at_most=30
    )
    failure_delay_max_s: float = setting(15.0, "Longest delay of a failed login.", unit="s", at_least=0, at_most=120)
    failure_memory_s: float = setting(900.0, "How long failures of an address and account are counted.", unit="s", at_least=1)
    max_failures: int = setting(5, "Failed logins in one connection; then it is closed.", at_least=1)
    default_domain: str = setting("", "Domain for logins without one; empty: the login must be a whole address.", form=DOMAIN)
