"""What a POP3 core is set up with, and the capabilities that follow from it (RFC 2449 §5, §6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PopConfig:
    """``stls``, ``mechanisms`` and ``plaintext`` (USER and PASS) are what is offered at first; ``offer`` changes them.

    ``max_line`` bounds a command with its CRLF: RFC 2449 §4 asks for 255, logins in UTF-8 may need more. ``expire_days``:
    how long messages are kept on the server, None for ever (RFC 2449 §6.7).
    """

    hostname: str
    stls: bool = False
    mechanisms: tuple[str, ...] = ()
    plaintext: bool = True
    max_line: int = 1024
    max_auth_line: int = 12_288
    max_errors: int = 20
    expire_days: int | None = None


def capabilities(config: PopConfig, *, stls: bool, plaintext: bool, mechanisms: Sequence[str]) -> list[str]:
    """The lines of the answer to CAPA. ``stls`` and ``plaintext``: whether these are possible at this moment."""
    days = config.expire_days
    lines = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "UTF8 USER", "LANG", "IMPLEMENTATION Posthouse"]
    lines.append(f"EXPIRE {'NEVER' if days is None else days}")
    if stls:
        lines.append("STLS")
    if plaintext:
        lines.append("USER")
    if mechanisms:
        lines.append("SASL " + " ".join(mechanisms))
    return lines
