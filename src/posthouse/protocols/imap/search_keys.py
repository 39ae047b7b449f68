"""The tree of a SEARCH (RFC 9051 §6.4.4, RFC 5032, RFC 7162 §3.1.5, RFC 8474, RFC 8514).

Made by the parser with bounded depth and size; the session evaluates it. Text is decoded. SAVEDATESUPPORTED, which is true
of all messages here, comes as ``All``; NEW, OLD and RECENT use the flag ``\\Recent``, which no message ever has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from posthouse.protocols.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class SequenceKey:
    """Message sequence numbers (or ``$``)."""

    sequence: SequenceSet


@dataclass(frozen=True, slots=True)
class UidKey:
    """UIDs (or ``$``)."""

    sequence: SequenceSet


@dataclass(frozen=True, slots=True)
class FlagKey:
    """``flag`` is a system flag in its canonical spelling or a keyword as written; ``present`` False: must be absent."""

    flag: str
    present: bool = True


@dataclass(frozen=True, slots=True)
class HeaderKey:
    """A header field (``name`` lower case) that has ``text`` in it, compared without regard to case; "" matches if the
    field is there. BCC, CC, FROM, SUBJECT and TO come as this too. ``fuzzy``: something near it will do (RFC 6203)."""

    name: str
    text: str
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class TextKey:
    """``text`` in the body, or (``where`` "text") in header and body. ``fuzzy``: something near it will do (RFC 6203)."""

    where: Literal["body", "text"]
    text: str
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class DateKey:
    """A day compared with INTERNALDATE, the Date header, or SAVEDATE, disregarding time and zone."""

    field: Literal["internal", "sent", "saved"]
    op: Literal["before", "on", "since"]
    day: date


@dataclass(frozen=True, slots=True)
class SizeKey:
    """RFC822.SIZE strictly larger or smaller than ``size_bytes``."""

    op: Literal["larger", "smaller"]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class AgeKey:
    """OLDER and YOUNGER: INTERNALDATE at least / at most this long ago (RFC 5032)."""

    op: Literal["older", "younger"]
    seconds: int


@dataclass(frozen=True, slots=True)
class ModSeqKey:
    """Mod-sequence equal or greater. A SEARCH with one answers with MODSEQ and is CONDSTORE enabling."""

    mod_seq: int


@dataclass(frozen=True, slots=True)
class ObjectIdKey:
    """EMAILID or THREADID."""

    field: Literal["email", "thread"]
    object_id: str


@dataclass(frozen=True, slots=True)
class And:
    keys: tuple[SearchKey, ...]


@dataclass(frozen=True, slots=True)
class Or:
    left: SearchKey
    right: SearchKey


@dataclass(frozen=True, slots=True)
class Not:
    key: SearchKey


def numbers_used(key: SearchKey) -> bool:
    """Whether message numbers stand somewhere in the tree (``$`` is none): UIDONLY forbids them (RFC 9586 §3)."""
    waiting = [key]
    while waiting:
        one = waiting.pop()
        if isinstance(one, SequenceKey) and not one.sequence.saved:
            return True
        if isinstance(one, And):
            waiting += one.keys
        elif isinstance(one, Or):
            waiting += (one.left, one.right)
        elif isinstance(one, Not):
            waiting.append(one.key)
    return False


SearchKey = (
    All
    | SequenceKey
    | UidKey
    | FlagKey
    | HeaderKey
    | TextKey
    | DateKey
    | SizeKey
    | AgeKey
    | ModSeqKey
    | ObjectIdKey
    | And
    | Or
    | Not
)
