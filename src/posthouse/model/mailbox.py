"""Mailboxes and messages as IMAP knows them: names, flags, UIDs, mod-sequences (RFC 9051, RFC 7162, RFC 8474).

A mailbox name is text with ``/`` between levels (not modified UTF-7; the IMAP server converts). ``INBOX`` is upper case.
Flags of a message are one integer: bits 0 to 5 are the system flags, bit 6 and up the mailbox's own keywords, by
``MailboxInfo.keywords``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from posthouse.model.message_rows import MessageRow as MessageRow

SEPARATOR = "/"
INBOX = "INBOX"

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
SYSTEM_FLAGS: tuple[tuple[int, str], ...] = (
    (ANSWERED, "\\Answered"),
    (FLAGGED, "\\Flagged"),
    (DELETED, "\\Deleted"),
    (SEEN, "\\Seen"),
    (DRAFT, "\\Draft"),
)
FIRST_KEYWORD_BIT = 6
MAX_KEYWORDS = 50

SpecialUse = Literal["", "\\Sent", "\\Drafts", "\\Trash", "\\Junk", "\\Archive", "\\Flagged", "\\All"]
DEFAULT_MAILBOXES: tuple[tuple[str, SpecialUse], ...] = (
    (INBOX, ""),
    ("Drafts", "\\Drafts"),
    ("Sent", "\\Sent"),
    ("Trash", "\\Trash"),
    ("Junk Mail", "\\Junk"),
    ("Archive", "\\Archive"),
)


@dataclass(frozen=True, slots=True)
class MailboxInfo:
    """A mailbox at one moment. ``keywords[i]`` is the keyword of bit ``FIRST_KEYWORD_BIT + i``.

    ``exists``, ``unseen``, ``deleted`` count messages; ``size_bytes`` sums RFC822.SIZE; ``mod_seq`` is HIGHESTMODSEQ (1 or
    more). ``selectable`` is False for a name that exists only as parent. ``object_id`` is MAILBOXID.
    """

    mailbox_id: int
    account_id: int
    name: str
    uid_validity: int
    uid_next: int
    mod_seq: int
    exists: int
    unseen: int
    deleted: int
    size_bytes: int
    keywords: tuple[str, ...]
    special_use: SpecialUse
    subscribed: bool
    object_id: str
    selectable: bool = True


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What never changes about a message. The ready-made octets are those of ``Summary``; ``body_id`` names the content.

    ``received_at`` is INTERNALDATE, ``saved_at`` SAVEDATE, seconds since 1970. ``object_id`` is EMAILID.
    """

    uid: int
    body_id: int
    size_bytes: int
    received_at: float
    saved_at: float
    envelope: bytes
    body: bytes
    bodystructure: bytes
    object_id: str


@dataclass(frozen=True, slots=True)
class MessageSize:
    """The least that is to be known of a message: enough for POP's listings."""

    uid: int
    body_id: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message for APPEND. ``flags`` are names, system (``\\Seen``) or keyword; ``received_at`` None means now.

    ``seen_by``: the account that has seen it already, when that is not the mailbox's owner; 0 for none."""

    content: bytes
    flags: tuple[str, ...] = ()
    received_at: float | None = None
    seen_by: int = 0


@dataclass(frozen=True, slots=True)
class Copied:
    """What COPY and MOVE did, in matching order (COPYUID)."""

    uid_validity: int
    source_uids: tuple[int, ...]
    target_uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Appended:
    """What APPEND did: ``uids`` in the order of the messages, and the ``rows`` that are new in the mailbox.

    ``mod_seq`` and ``before_mod_seq`` as in ``FlagsChanged``; 0 also when the mailbox has new keywords by it.
    """

    uid_validity: int
    uids: Sequence[int]
    rows: Sequence[MessageRow] = ()
    mod_seq: int = 0
    before_mod_seq: int = 0


@dataclass(frozen=True, slots=True)
class FlagsChanged:
    """What STORE did: the rows after it, and the UIDs that failed UNCHANGEDSINCE (RFC 7162 §3.1.3).

    ``mod_seq`` is the mailbox's after it, ``before_mod_seq`` the one that it found: whoever knew the mailbox as of then
    knows it all now. 0 means not told.
    """

    rows: Sequence[MessageRow]
    modified: tuple[int, ...]
    mod_seq: int
    before_mod_seq: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a mailbox after a mod-sequence: new or changed rows in UID order, and UIDs that are gone; and its
    keywords as they are now (None: not told)."""

    mod_seq: int
    uid_next: int
    rows: Sequence[MessageRow]
    vanished: tuple[int, ...]
    keywords: tuple[str, ...] | None = None


def email_id(digest: bytes) -> str:
    """EMAILID of a content by its SHA-256: the same for the same octets (RFC 8474 §5.1)."""
    return "M" + digest[:12].hex()
