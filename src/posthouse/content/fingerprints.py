"""Fingerprints of attachments that could do harm, to see the same one spread (CON-7).

An exact one of the whole and of each risky file in it, so that repacking changes nothing; of encrypted members what their
archive says of them; of macros some that survive small changes: of all four words in a row in their source the smallest under
several orders are taken (the "super-features" of min-hashing), three groups of them, any of which may be met again.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator

from posthouse.content import risks
from posthouse.content.archives.opening import Opened

MAX_FINGERPRINTS = 8
_HEX_DIGITS = 32
_WORD = re.compile(rb"[a-z0-9_]{2,}")
_MAX_WORDS = 5_000
_LEAST_WORDS = 24
_IN_A_ROW = 4
_GROUPS = 3
_IN_A_GROUP = 3
_PRIME = (1 << 61) - 1
# Any odd numbers do; these are fixed, for fingerprints are compared between nodes and written down.
_ORDERS = tuple(
    (0x9E3779B97F4A7C15 * (2 * number + 1) % _PRIME, 0xC2B2AE3D27D4EB4F * (number + 1) % _PRIME) for number in range(9)
)


def of(digest: bytes, opened: Opened | None) -> tuple[str, ...]:
    """Of an attachment with this SHA-256, which was opened or has no inside; the exact one of the whole first."""
    found = dict.fromkeys([digest.hex()[:_HEX_DIGITS]])
    if opened is not None:
        for each in (*_macros(opened.macro_source), *_members(opened)):
            if len(found) >= MAX_FINGERPRINTS:
                break
            found[each] = None
    return tuple(found)


def _members(opened: Opened) -> Iterator[str]:
    for member in opened.members:
        if not risks.of(member.name, member.detected):
            continue
        if member.digest:
            yield member.digest.hex()[:_HEX_DIGITS]
        elif member.encrypted and member.crc:
            known = f"{member.name.rpartition('/')[2]}\0{member.size_bytes}\0{member.crc}"
            yield hashlib.sha256(known.encode("utf-8", "replace")).hexdigest()[:_HEX_DIGITS]


def _macros(source: bytes) -> Iterator[str]:
    if not source:
        return
    yield hashlib.sha256(source).hexdigest()[:_HEX_DIGITS]
    words = _WORD.findall(source)[:_MAX_WORDS]
    if len(words) < _LEAST_WORDS:
        return
    rows = {zlib.crc32(b" ".join(words[at : at + _IN_A_ROW])) for at in range(len(words) - _IN_A_ROW + 1)}
    least = [min((factor * row + offset) % _PRIME for row in rows) for factor, offset in _ORDERS]
    for group in range(_GROUPS):
        members = least[group * _IN_A_GROUP : (group + 1) * _IN_A_GROUP]
        text = f"macros {group} {members}"
        yield hashlib.sha256(text.encode()).hexdigest()[:_HEX_DIGITS]
