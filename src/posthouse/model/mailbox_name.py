"""Names of mailboxes: one normal form, so that two spellings are never two mailboxes (RFC 9051 §5.1).

Text in NFC, levels joined by ``/``, ``INBOX`` upper case at the first level. Both mail stores use it, so that the fake and
the real one refuse the same names. It knows nothing of which mailboxes exist.
"""

from __future__ import annotations

import unicodedata

from posthouse.base.errors import BadValue
from posthouse.model.mailbox import INBOX, SEPARATOR

MAX_NAME_BYTES = 1000
_WILDCARDS = frozenset("*%")


def normal_name(name: str, max_depth: int = 100) -> str:
    """The normal form of ``name``; one trailing ``/`` (RFC 9051 §6.3.4) is dropped.

    Raises BadValue: empty levels, control characters, wildcards, too long or too deep.
    """
    text = unicodedata.normalize("NFC", name).removesuffix(SEPARATOR)
    levels = text.split(SEPARATOR)
    if not all(levels):
        raise BadValue("A mailbox name has empty levels")
    if len(levels) > max_depth:
        raise BadValue(f"A mailbox name has more than {max_depth} levels")
    if any(unicodedata.category(char) in ("Cc", "Cs") or char in _WILDCARDS for char in text):
        raise BadValue("A mailbox name has characters that are not allowed")
    if len(text.encode()) > MAX_NAME_BYTES:
        raise BadValue(f"A mailbox name is longer than {MAX_NAME_BYTES} octets")
    if levels[0].upper() == INBOX:
        levels[0] = INBOX
    return SEPARATOR.join(levels)


def parents(name: str) -> list[str]:
    """The names above ``name``, top first: ``a/b/c`` gives ``["a", "a/b"]``."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels))]


def sort_key(name: str) -> tuple[bool, str]:
    """INBOX first, then by name."""
    return name != INBOX, name
