"""How a command ends other than with OK, inside the IMAP server (RFC 9051 §7.1, RFC 5530)."""

from __future__ import annotations

from typing import Literal


class Refused(Exception):
    """The command is answered with NO or BAD. ``code`` is a response code without its brackets, "" for none."""

    def __init__(self, text: str, *, code: str = "", status: Literal["NO", "BAD"] = "NO") -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.status = status


class Disconnected(Exception):
    """The client is gone, or reads too slowly; the session ends without a word."""


class Goodbye(Exception):
    """The session ends with ``* BYE text``."""
