"""Allowed and blocked senders, and allowed recipients: what entries look like, and what they match (CON-12).

An entry is an address, a domain (its subdomains too; ``@example.com`` is that domain alone), or has wildcards: ``*`` for any
run of characters, ``?`` for one. It is kept in one form, lower case with domains in A-labels, so that a look-up by key finds
all that has no wildcard. Matching a wildcard takes time in the product of both lengths, which are bounded.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from posthouse.base.errors import BadValue
from posthouse.model.address import Address, normal_domain

EntryKind = Literal["sender", "recipient", "blocked"]
"""Allowed sender, allowed recipient, blocked sender: in the order in which they are asked."""

OwnerScope = Literal["system", "domain", "user"]

MAX_PATTERN_CHARS = 254
MAX_WILDCARDS = 500
"""Entries with wildcards in one list: each is held against every message."""
MAX_ENTRIES = 20_000
_MAX_STARS = 8
_MAX_PARENTS = 10
_LABEL_EXTRAS = frozenset("-_.*?")


class ListOwner(Struct, frozen=True):
    """Whose list: the system's (``name`` ""), a domain's (its name), or a user's (``Address.key``; no account need exist)."""

    scope: OwnerScope
    name: str = ""


SYSTEM_LIST = ListOwner("system")


class SenderEntry(Struct, frozen=True):
    """One entry as it is kept. ``at`` is when it was made, in seconds since 1970."""

    owner: ListOwner
    kind: EntryKind
    pattern: str
    at: float = 0.0


def owners_for(recipient: Address) -> tuple[ListOwner, ...]:
    """The lists that hold for mail to this address, the nearest first."""
    return ListOwner("user", recipient.key), ListOwner("domain", recipient.domain), SYSTEM_LIST


def has_wildcard(pattern: str) -> bool:
    """Whether an entry must be held against addresses one by one."""
    return "*" in pattern or "?" in pattern


def normal_pattern(text: str) -> str:
    """The form in which an entry is kept. Raises BadValue with what is wrong."""
    wanted = unicodedata.normalize("NFC", text.strip().strip("<>").strip()).lower()
    if not wanted or len(wanted) > MAX_PATTERN_CHARS or not wanted.isprintable() or any(char.isspace() for char in wanted):
        raise BadValue(f"{text[:60]!r} is not an address, a domain or a pattern")
    local, at, domain = wanted.rpartition("@")
    try:
        if not has_wildcard(wanted):
            return _plain(local, at, domain)
        return _wild(local, at, domain)
    except ValueError as error:
        raise BadValue(f"{text[:60]!r} is not an address, a domain or a pattern: {error}") from None


def _plain(local: str, at: str, domain: str) -> str:
    if local:
        return Address.parse(f"{local}@{domain}").key
    return at + normal_domain(domain.removeprefix("."))


def _wild(local: str, at: str, domain: str) -> str:
    if local == "*" and not has_wildcard(domain):
        return "@" + normal_domain(domain)
    if not (local + domain).strip("*?.@"):
        raise ValueError("it would match everybody")
    if (local + domain).count("*") > _MAX_STARS:
        raise ValueError(f"it has more than {_MAX_STARS} *")
    labels = [label if has_wildcard(label) or label.isascii() else normal_domain(label) for label in domain.split(".")]
    name = ".".join(labels)
    if not all(char.isalnum() or char in _LABEL_EXTRAS for char in name):
        raise ValueError("the domain is not one")
    return f"{local}{at}{name}"


def keys_of(address: Address) -> tuple[str, ...]:
    """All entries without wildcards that match: the address, its domain alone, its domain and those above it."""
    labels = address.domain.split(".")
    above = [".".join(labels[start:]) for start in range(max(1, len(labels) - _MAX_PARENTS), len(labels))]
    return address.key, f"@{address.domain}", address.domain, *above


def matches(pattern: str, address: Address) -> bool:
    """Whether an entry matches an address."""
    if not has_wildcard(pattern):
        return pattern in keys_of(address)
    text = address.key if "@" in pattern else address.domain
    if "?" not in pattern:  # most patterns are settled by what stands before the first and behind the last *
        head, _, rest = pattern.partition("*")
        if not text.startswith(head) or not text.endswith(rest.rpartition("*")[2]):
            return False
    return _fits(pattern, text)


def parsed(texts: Sequence[str]) -> tuple[Address, ...]:
    """Those of ``texts`` that are addresses."""
    found = []
    for text in texts:
        try:
            found.append(Address.parse(unicodedata.normalize("NFC", text)))
        except ValueError:
            continue
    return tuple(found)


def _fits(pattern: str, text: str) -> bool:
    """Wildcards by going back to the last ``*`` only: at most len(pattern) x len(text) steps."""
    at, place, star, resume = 0, 0, -1, 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resume, at = at, place, at + 1
        elif at < len(pattern) and pattern[at] in ("?", text[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("*")
