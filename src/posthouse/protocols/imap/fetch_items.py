"""What FETCH can ask for, as values (RFC 9051 §6.4.5, RFC 3516, RFC 7162, RFC 8474, RFC 8514, RFC 8970).

The parser makes these, the session answers them. Knows nothing of messages or of how they are kept. The macros ALL, FAST
and FULL never appear: the parser has written them out. RFC822, RFC822.HEADER and RFC822.TEXT are ``BodySection`` values
whose ``label`` is that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Attribute(StrEnum):
    """Data items without arguments. BODY means the structure without extension data."""

    UID = "UID"
    FLAGS = "FLAGS"
    INTERNALDATE = "INTERNALDATE"
    RFC822_SIZE = "RFC822.SIZE"
    ENVELOPE = "ENVELOPE"
    BODY = "BODY"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    MODSEQ = "MODSEQ"
    EMAILID = "EMAILID"
    THREADID = "THREADID"
    SAVEDATE = "SAVEDATE"


SectionText = Literal["", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"]


@dataclass(frozen=True, slots=True)
class BodySection:
    """``BODY[...]``, ``BODY.PEEK[...]``, ``BINARY[...]``, ``BINARY.SIZE[...]``.

    ``label`` is the item's name in the answer, ready to send: ``BODY[1.HEADER.FIELDS (FROM TO)]<0>``.
    ``part`` is "" or ``1.2``; ``text`` the part of it that is meant ("" all); ``fields`` as the client wrote them.
    ``partial`` is (first octet, how many). ``binary``: the content decoded; ``size_only``: its decoded size alone.
    ``peek`` False: the message becomes \\Seen (never so for ``size_only``).
    """

    label: bytes
    peek: bool = False
    part: str = ""
    text: SectionText = ""
    fields: tuple[str, ...] = ()
    partial: tuple[int, int] | None = None
    binary: bool = False
    size_only: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """PREVIEW (RFC 8970). ``lazy``: only if it is at hand."""

    lazy: bool = False


FetchItem = Attribute | BodySection | Preview
