"""Every IMAP command as a frozen value (RFC 3501, RFC 9051 and the extensions named at each).

The parser makes them, the session carries them out. ``tag`` is the client's, octets. Mailbox names and patterns are decoded
text with INBOX in upper case; flags are names, system flags in their canonical spelling (``\\Seen``). What a FETCH asks for
stands in ``fetch_items``, a SEARCH's tree in ``search_keys``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from posthouse.protocols.imap.fetch_items import FetchItem
from posthouse.protocols.imap.search_keys import SearchKey
from posthouse.protocols.imap.sequence import SequenceSet

FlagAction = Literal["add", "remove", "replace"]
StatusItem = Literal[
    "MESSAGES",
    "RECENT",
    "UIDNEXT",
    "UIDVALIDITY",
    "UNSEEN",
    "DELETED",
    "SIZE",
    "HIGHESTMODSEQ",
    "MAILBOXID",
    "APPENDLIMIT",
    "DELETED-STORAGE",
]


@dataclass(frozen=True, slots=True)
class Command:
    """What all have."""

    tag: bytes


# --- in any state


@dataclass(frozen=True, slots=True)
class Capability(Command):
    pass


@dataclass(frozen=True, slots=True)
class Noop(Command):
    pass


@dataclass(frozen=True, slots=True)
class Logout(Command):
    pass


@dataclass(frozen=True, slots=True)
class Id(Command):
    """RFC 2971. ``parameters`` None: NIL. A value None: NIL."""

    parameters: tuple[tuple[str, str | None], ...] | None


# --- not authenticated


@dataclass(frozen=True, slots=True)
class StartTls(Command):
    pass


@dataclass(frozen=True, slots=True)
class Login(Command):
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Authenticate(Command):
    """``mechanism`` in upper case; ``initial`` is the decoded initial response (RFC 4959), None if there is none."""

    mechanism: str
    initial: bytes | None


# --- authenticated


@dataclass(frozen=True, slots=True)
class Unauthenticate(Command):
    """RFC 8437."""


@dataclass(frozen=True, slots=True)
class Enable(Command):
    """RFC 5161; upper case."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Qresync:
    """SELECT's QRESYNC parameter (RFC 7162 §3.2.5). ``matches`` are the known (sequence numbers, UIDs)."""

    uid_validity: int
    mod_seq: int
    known_uids: SequenceSet | None = None
    matches: tuple[SequenceSet, SequenceSet] | None = None


@dataclass(frozen=True, slots=True)
class Select(Command):
    """SELECT, or EXAMINE (``examine``: read only)."""

    mailbox: str
    examine: bool = False
    condstore: bool = False
    qresync: Qresync | None = None


@dataclass(frozen=True, slots=True)
class Create(Command):
    """``special_use`` from ``(USE (...))`` (RFC 6154), canonical spelling (``\\Sent``). A final separator is removed."""

    mailbox: str
    special_use: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete(Command):
    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename(Command):
    mailbox: str
    new_name: str


@dataclass(frozen=True, slots=True)
class Subscribe(Command):
    mailbox: str


@dataclass(frozen=True, slots=True)
class Unsubscribe(Command):
    mailbox: str


@dataclass(frozen=True, slots=True)
class ListSelection:
    """LIST's selection options (RFC 5258 §3.1, RFC 6154)."""

    subscribed: bool = False
    remote: bool = False
    recursive_match: bool = False
    special_use: bool = False


@dataclass(frozen=True, slots=True)
class ListReturn:
    """LIST's return options (RFC 5258 §3.2, RFC 5819, RFC 6154, RFC 8440). ``status`` empty: none asked for."""

    subscribed: bool = False
    children: bool = False
    special_use: bool = False
    status: tuple[StatusItem, ...] = ()
    my_rights: bool = False
    metadata: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class List(Command):
    """``extended``: any option or a list of patterns was given, so RFC 5258's rules hold (also for an empty pattern)."""

    reference: str
    patterns: tuple[str, ...]
    selection: ListSelection = ListSelection()
    returns: ListReturn = ListReturn()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Lsub(Command):
    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Namespace(Command):
    """RFC 2342."""


@dataclass(frozen=True, slots=True)
class Status(Command):
    mailbox: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class UrlPart:
    """A piece of a message that stands in another one: CATENATE's ``URL`` (RFC 4469)."""

    url: str


@dataclass(frozen=True, slots=True)
class AppendMessage:
    """``received_at`` in seconds since 1970, None if not given. ``binary``: came as literal8, NULs possible (RFC 3516);
    ``utf8``: came as ``UTF8 (~{n})`` (RFC 6855). ``parts``: to be put together by CATENATE, ``content`` is empty then."""

    content: bytes
    flags: tuple[str, ...] = ()
    received_at: float | None = None
    binary: bool = False
    utf8: bool = False
    parts: tuple[bytes | UrlPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Append(Command):
    """One message or more (RFC 3502)."""

    mailbox: str
    messages: tuple[AppendMessage, ...]


@dataclass(frozen=True, slots=True)
class Replace(Command):
    """RFC 8508: ``message`` comes in place of message ``number`` (``STAR``: the last one)."""

    number: int
    uid: bool
    mailbox: str
    message: AppendMessage


@dataclass(frozen=True, slots=True)
class Idle(Command):
    """RFC 2177. The session writes ``+ idling`` and calls ``expect_line``; the line that comes should be DONE."""


@dataclass(frozen=True, slots=True)
class Compress(Command):
    """RFC 4978; upper case."""

    mechanism: str


# --- selected


@dataclass(frozen=True, slots=True)
class Check(Command):
    pass


@dataclass(frozen=True, slots=True)
class Close(Command):
    pass


@dataclass(frozen=True, slots=True)
class Unselect(Command):
    """RFC 3691."""


@dataclass(frozen=True, slots=True)
class Expunge(Command):
    """EXPUNGE; ``uids`` given: UID EXPUNGE (RFC 4315)."""

    uids: SequenceSet | None = None


@dataclass(frozen=True, slots=True)
class FetchModifiers:
    """``changed_since``, ``vanished`` (RFC 7162), ``partial`` (RFC 9394: (first, last), both negative: from the end)."""

    changed_since: int | None = None
    vanished: bool = False
    partial: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Fetch(Command):
    """``items`` without duplicates; UID is among them for UID FETCH and MODSEQ with CHANGEDSINCE, whether asked or not;
    ``uid_asked`` tells of UID."""

    sequence: SequenceSet
    uid: bool
    items: tuple[FetchItem, ...]
    modifiers: FetchModifiers = FetchModifiers()
    uid_asked: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Store(Command):
    sequence: SequenceSet
    uid: bool
    action: FlagAction
    flags: tuple[str, ...]
    silent: bool = False
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class SearchReturn:
    """RETURN options (RFC 4731, RFC 5182, RFC 5267, RFC 6203, RFC 9394). ``RETURN ()`` means ``all``; ``update``: what changes
    later is told as it happens."""

    min: bool = False
    max: bool = False
    all: bool = False
    count: bool = False
    save: bool = False
    partial: tuple[int, int] | None = None
    relevancy: bool = False
    update: bool = False


@dataclass(frozen=True, slots=True)
class CancelUpdate(Command):
    """RFC 5267 §4.3.5: the tags of searches that asked for updates."""

    tags: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Search(Command):
    """``returns`` None: the old SEARCH response (rev1) was asked for. ``has_mod_seq``: a MODSEQ key is in the tree."""

    uid: bool
    charset: str
    key: SearchKey
    returns: SearchReturn | None = None
    has_mod_seq: bool = False


@dataclass(frozen=True, slots=True)
class Copy(Command):
    sequence: SequenceSet
    uid: bool
    mailbox: str


@dataclass(frozen=True, slots=True)
class Move(Command):
    """RFC 6851."""

    sequence: SequenceSet
    uid: bool
    mailbox: str
