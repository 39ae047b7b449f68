"""Rights on mailboxes and who holds them: an access control list, and what it comes to for one reader (RFC 4314 §2).

Rights are text, each letter once, in the order of ``ALL_RIGHTS``. An entry's identifier is text in normal form:
``jane@example.com``, ``anyone``, ``authenticated``, ``domain:example.com``, ``group:team@example.com``, and any of these behind
``-`` for rights that are taken away. It knows neither who belongs to a group nor where a list is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from posthouse.base.errors import BadValue
from posthouse.model.mailbox import DELETED, FIRST_KEYWORD_BIT, MAX_KEYWORDS, SEEN, MailboxInfo

ALL_RIGHTS = "lrswipkxtea"
"""Look up, read, keep one's own seen state, write flags, insert, post, create below, delete the mailbox, mark messages
deleted, expunge, administer."""

OBSOLETE = {"c": "kx", "d": "te"}
"""RFC 2086's rights by what they stand for (RFC 4314 §2.1.1, the first of its two ways)."""

MYRIGHTS_RIGHTS = "lrikxa"
"""Any of these lets a reader ask for their own rights (RFC 4314 §4)."""

MAX_ENTRIES = 500
ANYONE = "anyone"
AUTHENTICATED = "authenticated"
Acl = tuple[tuple[str, str], ...]
AclAction = Literal["add", "remove", "replace"]

_EVERY_FLAG = (1 << FIRST_KEYWORD_BIT + MAX_KEYWORDS) - 1
_CHANGING = frozenset("swite")


@dataclass(frozen=True, slots=True)
class SharedMailbox:
    """A mailbox with the rights that some identifiers together have on it."""

    info: MailboxInfo
    rights: str


@dataclass(frozen=True, slots=True)
class Reader:
    """An account that changes flags in a mailbox of another one, and the bits of those that it may change."""

    account_id: int
    mask: int


@dataclass(frozen=True, slots=True)
class CopyReaders:
    """Whose \\Seen counts when messages are copied: the account that reads the source without owning it, and the target, 0
    where it is the owner's. ``mask``: bits of the flags that the copies may have."""

    source: int
    target: int
    mask: int


def normal_rights(text: str) -> str:
    """``text`` in normal form, RFC 2086's letters replaced. Raises BadValue for a letter that is no right."""
    letters: set[str] = set()
    for letter in text:
        letters.update(OBSOLETE.get(letter, letter))
    if not letters.issubset(ALL_RIGHTS):
        raise BadValue("There is no such right")
    return _ordered(letters)


def shown_rights(rights: str) -> str:
    """With the letters that old clients know: an obsolete right shows when any of what it stands for is held (§2.1.1)."""
    return rights + "".join(old for old, members in OBSOLETE.items() if any(letter in rights for letter in members))


def changed_rights(old: str, action: AclAction, rights: str) -> str:
    """What SETACL makes of an entry's rights (§3.1)."""
    if action == "add":
        return _ordered({*old, *rights})
    if action == "remove":
        return _ordered(set(old) - set(rights))
    return rights


def effective_rights(acl: Iterable[tuple[str, str]], identifiers: Collection[str]) -> str:
    """The rights of one who goes by these identifiers: all that is granted, without what is taken away (§2)."""
    granted: set[str] = set()
    denied: set[str] = set()
    for identifier, rights in acl:
        if identifier in identifiers:
            granted.update(rights)
        elif identifier[:1] == "-" and identifier[1:] in identifiers:
            denied.update(rights)
    return _ordered(granted - denied)


def flags_allowed(rights: str) -> int:
    """The bits of the flags that these rights let one change: \\Seen by ``s``, \\Deleted by ``t``, all others by ``w``."""
    mask = SEEN if "s" in rights else 0
    if "t" in rights:
        mask |= DELETED
    if "w" in rights:
        mask |= _EVERY_FLAG & ~(SEEN | DELETED)
    return mask


def changes_anything(rights: str) -> bool:
    """Whether a mailbox can be opened for more than reading (§5.2)."""
    return not _CHANGING.isdisjoint(rights)


def _ordered(letters: Collection[str]) -> str:
    return "".join(letter for letter in ALL_RIGHTS if letter in letters)
