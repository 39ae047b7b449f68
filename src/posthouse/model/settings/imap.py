"""Settings of the group ``imap``: IMAP (IMP)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import ADDRESS


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """IMAP (IMP)."""

    max_line_bytes: int = setting(
        65_536, "Longest command line without its literals.", unit="bytes", at_least=8192, effect="new sessions"
    )
    max_append_bytes: int = setting(
        134_217_728, "Largest message for APPEND (APPENDLIMIT).", unit="bytes", at_least=1024, effect="new sessions"
    )
    memory_bytes: int = setting(
        512 << 20,
        "Message bytes that clients of one worker are sending in by APPEND; past them NO. One account has half of it.",
        unit="bytes",
        at_least=1 << 20,
    )
    idle_timeout_s: float = setting(
        1860.0, "Silence of a logged-in client (RFC 9051 §5.4: at least 30 minutes).", unit="s", at_least=60
    )
    login_timeout_s: float = setting(60.0, "Time to log in.", unit="s", at_least=5)
    max_connections: int = setting(10_000, "Open connections in one worker.", at_least=10)
    compress: bool = setting(True, "Offer COMPRESS=DEFLATE.", effect="new sessions")
    message_limit: int = setting(
        0, "Most messages that one command may be about (RFC 9738); 0: no limit, and none is announced.", at_least=0
    )
    url_submitters: tuple[str, ...] = setting(
        (), "Accounts of submission servers: they may fetch URLs that users signed for `submit+` (RFC 4467).", form=ADDRESS
    )
