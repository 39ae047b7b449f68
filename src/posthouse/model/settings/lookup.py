"""Settings of the group ``lookup``: how long checks in the session wait for DNS."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting


@dataclass(frozen=True, slots=True)
class LookupSettings:
    """How long checks in the session wait for DNS (NET-2, NET-5, INB-4)."""

    check_timeout_s: float = setting(5.0, "How long a check in the session waits for DNS.", unit="s", at_least=0.1, at_most=60)
    message_timeout_s: float = setting(
        15.0, "How long all checks of one message together wait for DNS.", unit="s", at_least=0.1, at_most=300
    )
    greeting_timeout_s: float = setting(
        2.0, "How long the answer to EHLO waits for the client's verified name (NET-2).", unit="s", at_least=0, at_most=30
    )
