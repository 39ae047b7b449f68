"""The message that stands in the place of one whose content was damaged on disk: marked, with what is known of the old one.

``X-Posthouse-Damaged`` carries the SHA-256 of what was there, so that a backup's copy can be told for sure. RFC 5322.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

HEADER = "X-Posthouse-Damaged"
MAX_TEXT = 500
DOMAIN = "store.invalid"  # it is from nobody, and nobody is to answer (RFC 2606)


@dataclass(frozen=True, slots=True)
class Lost:
    """``known``: texts of its header, subject first; ``kept_as``: "" when nothing was left of it."""

    digest: bytes
    size_bytes: int
    known: Sequence[str]
    found_at: float
    kept_as: str


def compose(lost: Lost) -> bytes:
    """The whole message, lines ended by CRLF; the same for the same arguments."""
    subject, *others = [_line(text) for text in lost.known] or [""]
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Mail store", "mailer-daemon", DOMAIN)
    message["Subject"] = f"[Damaged message] {subject}".strip()
    message["Date"] = format_datetime(datetime.fromtimestamp(lost.found_at, UTC))
    message["Message-ID"] = f"<damaged.{lost.digest.hex()[:40]}@{DOMAIN}>"
    message["Auto-Submitted"] = "auto-generated"
    message[HEADER] = f"sha256={lost.digest.hex()}; size={lost.size_bytes}"
    lines = [
        "The content of this message was damaged on the server's disk and cannot be read any more.",
        "This message stands in its place; flags and date of arrival are those of the old one.",
        "",
    ]
    if any((subject, *others)):
        known = [f"    {text}" for text in (subject, *others) if text]
        lines += ["What is still known of it:", "", *known, ""]
    lines += [
        f"It had {lost.size_bytes} octets. Ask the administrator to look for it in a backup",
        f"(SHA-256 {lost.digest.hex()}).",
    ]
    if lost.kept_as:
        lines.append(f"What is left of it was kept on the server as {lost.kept_as}.")
    message.set_content("\n".join(lines) + "\n")
    return message.as_bytes()


def _line(text: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())[:MAX_TEXT]
