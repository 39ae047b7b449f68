"""What a submission server mends in a user's message (RFC 6409 §8): adds what is missing, takes Bcc away, nothing else.

Used in the path for submission only, after the index was made. New fields are handed back as octets to put in front, where
the Received field goes too, so that the message is copied once. A missing From is for the caller to refuse.
"""

from __future__ import annotations

from posthouse.formats import addresslist, headers
from posthouse.model.summary import Part

_BCC = frozenset(("bcc", "resent-bcc"))


def missing_fields(content: bytes, root: Part, *, date: str, message_id: str, sender: str = "") -> bytes:
    """The fields that ``content`` lacks, each with its CRLF, to be put in front of it; b"" if it has all.

    Date (§8.3) is ``date``, an RFC 5322 date-time; Message-ID (§8.4) is ``message_id`` with its brackets. ``sender``, the
    authenticated address, becomes Sender (§8.2) where From names several people, as RFC 5322 §3.6.2 demands.
    """
    present = {field.name for field in root.headers}
    lines = []
    if "date" not in present:
        lines.append(f"Date: {date}\r\n")
    if "message-id" not in present:
        lines.append(f"Message-ID: {message_id}\r\n")
    if sender and "sender" not in present and _authors(content, root) > 1:
        lines.append(f"Sender: <{sender}>\r\n")
    return "".join(lines).encode("utf-8", "replace")


def _authors(content: bytes, root: Part) -> int:
    value = headers.value_of(content, root, "from")
    return sum(1 for _, _, domain in addresslist.entries(value) if domain) if "," in value else 1


def without_bcc(content: bytes, root: Part) -> bytes:
    """``content`` without its Bcc and Resent-Bcc fields; the same object if it has none. Offsets of ``root`` end there."""
    hidden = [field for field in root.headers if field.name in _BCC]
    if not hidden:
        return content
    pieces, position = [], 0
    for field in hidden:
        pieces.append(content[position : field.start])
        position = field.end
    return b"".join([*pieces, content[position:]])
