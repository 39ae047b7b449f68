"""What ``ImapCore.next_command`` gives besides commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class NeedContinuation:
    """A synchronising literal was announced and is acceptable: the session sends ``+ `` (RFC 9051 §7.6) and reads on."""


@dataclass(frozen=True, slots=True)
class BadCommand:
    """A command that cannot be understood or is too large. The session answers ``tag status [code] text``.

    ``tag`` is ``*`` when there was none to be read. ``fatal``: what follows cannot be told from data any more, or costs too
    much to skip; the session says BYE and closes.
    """

    tag: bytes
    text: str
    status: Literal["BAD", "NO"] = "BAD"
    code: str = ""
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """The line after ``expect_line``: without its line end (DONE of IDLE, a response of AUTHENTICATE)."""

    data: bytes
