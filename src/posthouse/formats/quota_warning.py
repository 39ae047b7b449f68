"""The mail that tells users that their mailbox fills up (STO-5): composed here; when it is due is the mail store's business."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.formats import dates
from posthouse.model.address import Address

_UNITS = ("octets", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True)
class QuotaWarning:
    """What it says. ``message_id`` has its brackets; a limit of 0 is none."""

    node_name: str
    to: Address
    at: float
    message_id: str
    percent: int
    used_bytes: int
    quota_bytes: int
    used_messages: int
    quota_messages: int


def compose(warning: QuotaWarning) -> bytes:
    """The message, with CRLF line ends; 8-bit only if the address is."""
    lines = [
        f"Date: {dates.render(warning.at)}",
        f"From: Mail System <MAILER-DAEMON@{warning.node_name}>",
        f"To: <{warning.to}>",
        f"Subject: Your mailbox is {warning.percent} percent full",
        f"Message-ID: {warning.message_id}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        f"This is the mail system at {warning.node_name}.",
        "",
        f"The mailbox of {warning.to} is {warning.percent} percent full:",
        "",
        *(_used("Storage", size_text(warning.used_bytes), size_text(warning.quota_bytes)) if warning.quota_bytes else []),
        *(_used("Messages", str(warning.used_messages), str(warning.quota_messages)) if warning.quota_messages else []),
        "",
        "When it is full, no more mail can be received. Please delete what you do not need any more,",
        "also in Sent, Trash and Junk Mail. You will not be told again before there is room once more.",
        "",
    ]
    return "\r\n".join(lines).encode()


def size_text(size_bytes: int) -> str:
    """``1.5 GiB``."""
    size, unit = float(size_bytes), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{size_bytes} octets"


def _used(what: str, used: str, limit: str) -> list[str]:
    return [f"    {what}: {used} of {limit}"]
