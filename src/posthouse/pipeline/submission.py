"""What a submitted message is given before it goes on its way: missing Date, Message-ID, From; Bcc taken out (RFC 6409 §8)."""

from __future__ import annotations

from posthouse.formats import dates, submission_fixes
from posthouse.formats.mime import Limits, index
from posthouse.pipeline.transaction import Transaction

HEADER_ONLY = Limits(max_parts=1, max_depth=1)


def mend(transaction: Transaction, content: bytes, *, at: float, hostname: str) -> tuple[bytes, bytes]:
    """Octets to put in front, and the content without Bcc fields."""
    root = index(content, HEADER_ONLY)
    front = submission_fixes.missing_fields(
        content,
        root,
        date=dates.render(at),
        message_id=f"<{transaction.trace_id}@{hostname}>",
        sender=transaction.session.account,
    )
    if transaction.sender.address and not any(field.name == "from" for field in root.headers):
        front += f"From: <{transaction.sender}>\r\n".encode("utf-8", "replace")
    return front, submission_fixes.without_bcc(content, root)
