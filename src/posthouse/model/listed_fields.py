"""The header fields that mail programs ask for when they list messages, cut out of a message once, when it comes.

Those of Thunderbird, Apple Mail, Outlook, mutt, K-9, Roundcube and their like, and no field that is long by nature. In a
``ListedHeader`` each field stands as in the message, folds and line end included; which come in which order says ``shape``, a
letter each. A message in which one of them comes twice, or is very long, has none, and is read when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from posthouse.model.summary import Summary

LISTED = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "cc",
    "references",
    "in-reply-to",
    "content-type",
    "reply-to",
    "bcc",
    "sender",
    "x-priority",
    "priority",
    "importance",
    "newsgroups",
    "list-id",
    "list-post",
    "list-subscribe",
    "list-unsubscribe",
    "disposition-notification-to",
    "mail-followup-to",
    "mail-reply-to",
    "content-description",
    "x-label",
    "x-original-to",
    "lines",
    "x-uniform-type-identifier",
)
LETTERS = "abcdefghijklmnopqrstuvwxyz{|"
MAX_BYTES = 4096
_LETTER = dict(zip(LISTED, LETTERS, strict=True))


class ListedHeader(NamedTuple):
    """``fields`` in the message's order, ``shape`` with the letter of each (``LETTERS`` in the order of ``LISTED``)."""

    shape: str
    fields: Sequence[bytes]


def listed_header(content: bytes, summary: Summary) -> ListedHeader | None:
    """Of a message with its summary; None: see above."""
    letters: list[str] = []
    fields: list[bytes] = []
    for field in summary.root.headers:
        letter = _LETTER.get(field.name)
        if letter is not None:
            letters.append(letter)
            fields.append(content[field.start : field.end])
    if summary.problems or len(set(letters)) < len(letters) or sum(map(len, fields)) > MAX_BYTES:
        return None
    if fields and not fields[-1].endswith(b"\n"):
        return None
    return ListedHeader("".join(letters), fields)
