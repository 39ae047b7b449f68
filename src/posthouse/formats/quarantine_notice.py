"""The mails that tell people of held mail: its recipient that it is held, its sender that a clean copy is wanted (QTN-1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from posthouse.formats import dates, headers
from posthouse.model.address import Address

MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class QuarantineNotice:
    """What it says. ``about`` is whom it is for: the held message's recipient or its sender. ``message_id`` has its brackets;
    texts of strangers are shown bounded and on one line."""

    about: Literal["recipient", "sender"]
    node_name: str
    to: Address
    at: float
    message_id: str
    sender: str
    recipient: str
    subject: str
    received_at: float
    why: str


def compose(notice: QuarantineNotice) -> bytes:
    """The message, with CRLF line ends."""
    told = _to_recipient if notice.about == "recipient" else _to_sender
    subject, words = told(notice)
    lines = [
        f"Date: {dates.render(notice.at)}",
        f"From: Mail System <MAILER-DAEMON@{notice.node_name}>",
        f"To: <{notice.to}>",
        f"Subject: {headers.encode_header(subject)}",
        f"Message-ID: {notice.message_id}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        f"This is the mail system at {notice.node_name}.",
        "",
        *words,
        "",
        f"    From:    {_shown(notice.sender) or '<>'}",
        f"    To:      {_shown(notice.recipient)}",
        f"    Subject: {_shown(notice.subject)}",
        f"    Date:    {dates.render(notice.received_at)}",
        f"    Reason:  {_shown(notice.why)}",
        "",
    ]
    return "\r\n".join(lines).encode("utf-8", "replace")


def _to_recipient(notice: QuarantineNotice) -> tuple[str, list[str]]:
    words = [
        "This message for you is held back and was not delivered. If you expect it, please ask its",
        "sender for another copy, or your administrator:",
    ]
    return f"A message from {_shown(notice.sender)[:60] or 'an unknown sender'} is held back", words


def _to_sender(_notice: QuarantineNotice) -> tuple[str, list[str]]:
    words = [
        "Your message was not delivered, because something harmful was found in it. Please check your",
        "computer, and send a clean copy:",
    ]
    return "Please send a clean copy of your message", words


def _shown(text: str) -> str:
    flat = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return flat if len(flat) <= MAX_SHOWN else flat[:MAX_SHOWN] + "..."
