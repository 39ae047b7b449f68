"""Settings of the group ``route``: where accepted mail goes (RTE)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import NEXT_HOP, SMART_HOST


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """Where accepted mail goes (RTE)."""

    smart_host: str = setting(
        "",
        "host or host:port that all mail for elsewhere is given to (RTE-1); smtp://user:password@host:port if it asks for a"
        " login, which is made over TLS only.",
        form=SMART_HOST,
    )
    message_router: str = setting(
        "", "host or host:port that everything accepted is given to, which routes it (RTE-3).", form=NEXT_HOP
    )
    hand_over: str = setting(
        "queued",
        "When mail of routed domains is given to their host: from the queue; or in-session, while its sender still waits for"
        " the answer, which is then that host's (a gateway in front of others).",
        choices=("queued", "in-session"),
    )
    hand_over_timeout_s: float = setting(
        120.0, "How long a sender waits for the host behind this one; then the message is put off.", unit="s", at_least=1
    )
    plus_addressing: str = setting("+", "Delimiter of plus-addressing; empty: none (RTE-4).")
    max_expansion: int = setting(10_000, "Recipients that aliases may grow one message to.", at_least=1)
    max_alias_depth: int = setting(10, "Aliases of aliases followed before it counts as a loop.", at_least=1, at_most=100)
