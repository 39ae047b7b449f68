"""Flags between their names and their bits (RFC 9051 §2.3.2): ``\\Seen`` and the mailbox's own keywords in one integer.

Keywords are compared without regard to case and keep the spelling that came first. It knows nothing of storage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from posthouse.base.errors import BadValue
from posthouse.model.mailbox import FIRST_KEYWORD_BIT, MAX_KEYWORDS, SYSTEM_FLAGS

SYSTEM_MASK = (1 << FIRST_KEYWORD_BIT) - 1
_SYSTEM = {name.lower(): bit for bit, name in SYSTEM_FLAGS}
REGISTERED = ("$Forwarded", "$MDNSent", "$Junk", "$NotJunk", "$Phishing")
"""Keywords that mail programs agree on (RFC 9051 §2.3.2): they are on offer in every mailbox, whether used yet or not."""
_KEYWORD = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~\[]{1,100}")  # RFC 9051 §9: atom; bounded


def flag_bits(names: Iterable[str], keywords: Sequence[str], *, lenient: bool = False) -> tuple[int, tuple[str, ...]]:
    """Bits of ``names`` and the mailbox's keywords, grown at the end by those that were new.

    Raises BadValue for a name that is no flag, or when there is no room for another keyword; ``lenient`` leaves them out.
    """
    bits, known = 0, list(keywords)
    places = {keyword.lower(): place for place, keyword in enumerate(known)}
    for name in names:
        key = name.lower()
        system = _SYSTEM.get(key)
        if system is not None:
            bits |= system
            continue
        place = places.get(key)
        if place is None:
            problem = _problem(name, known)
            if problem and lenient:
                continue
            if problem:
                raise BadValue(problem)
            place = places[key] = len(known)
            known.append(name)
        bits |= 1 << (FIRST_KEYWORD_BIT + place)
    return bits, tuple(known)


def on_offer(keywords: Sequence[str]) -> tuple[str, ...]:
    """A mailbox's keywords, and the registered ones that it has room for."""
    known = {keyword.lower() for keyword in keywords}
    more = [keyword for keyword in REGISTERED if keyword.lower() not in known]
    return (*keywords, *more[: MAX_KEYWORDS - len(keywords)])


def known_bits(names: Iterable[str], keywords: Sequence[str]) -> int:
    """Bits of those ``names`` that the mailbox knows; for removing flags, which never makes a keyword."""
    places = {keyword.lower(): place for place, keyword in enumerate(keywords)}
    bits = 0
    for name in names:
        key = name.lower()
        if key in _SYSTEM:
            bits |= _SYSTEM[key]
        elif key in places:
            bits |= 1 << (FIRST_KEYWORD_BIT + places[key])
    return bits


def flag_names(bits: int, keywords: Sequence[str]) -> tuple[str, ...]:
    """The names of ``bits``: system flags, then keywords in the order of their bits."""
    names = [name for bit, name in SYSTEM_FLAGS if bits & bit]
    if bits > SYSTEM_MASK:
        names.extend(keyword for place, keyword in enumerate(keywords) if bits >> (FIRST_KEYWORD_BIT + place) & 1)
    return tuple(names)


def changed_flags(old: int, action: Literal["add", "remove", "replace"], bits: int) -> int:
    """What STORE makes of ``old`` (RFC 9051 §6.4.6)."""
    if action == "add":
        return old | bits
    if action == "remove":
        return old & ~bits
    return bits


def translated(bits: int, source: Sequence[str], target: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """``bits`` of a mailbox with keywords ``source`` as bits of one with ``target``; keywords without room are dropped."""
    if bits <= SYSTEM_MASK:
        return bits, tuple(target)
    moved, known = flag_bits(flag_names(bits & ~SYSTEM_MASK, source), target, lenient=True)
    return bits & SYSTEM_MASK | moved, known


def _problem(name: str, known: Sequence[str]) -> str:
    if not _KEYWORD.fullmatch(name):
        return "There is no such flag"
    if len(known) >= MAX_KEYWORDS:
        return f"A mailbox has at most {MAX_KEYWORDS} keywords"
    return ""
