"""A letter that the node itself writes to somebody: plain text, one shape for all occasions.

What a stranger wrote belongs into the lines, never into the subject, unless it was made harmless before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.formats import dates
from posthouse.model.address import Address


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes to whom, when. ``message_id`` has its brackets."""

    node_name: str
    to: Address
    at: float
    message_id: str


def node_letter(head: Letterhead, subject: str, lines: Sequence[str]) -> bytes:
    """The letter's octets, with CRLF. ``subject`` is ASCII, one line; each of ``lines`` one line of UTF-8."""
    fields = [
        f"Date: {dates.render(head.at)}",
        f"From: Mail System <MAILER-DAEMON@{head.node_name}>",
        f"To: <{head.to}>",
        f"Subject: {subject}",
        f"Message-ID: {head.message_id}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        f"This is the mail system at {head.node_name}.",
        "",
    ]
    return "\r\n".join([*fields, *lines, ""]).encode("utf-8", "replace")
