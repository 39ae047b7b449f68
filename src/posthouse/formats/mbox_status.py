"""Flags of messages in mbox files: the header fields that mail programs keep them in, both ways.

``Status`` and ``X-Status`` (mailx, mutt, Dovecot), ``X-Keywords`` (Dovecot, UW IMAP), ``X-Mozilla-Status`` and
``X-Mozilla-Keys`` (Thunderbird). They belong to the file, not to the message, so they are taken out when a message leaves its
mbox; so are ``X-UID``, ``X-IMAP`` and ``X-IMAPbase``. Works on a header with LF line ends; knows nothing of where messages
begin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"
_STATUS = {"R": SEEN, "D": DELETED}
_X_STATUS = {"A": ANSWERED, "F": FLAGGED, "T": DRAFT, "D": DELETED}
_MOZILLA = ((0x0001, SEEN), (0x0002, ANSWERED), (0x0004, FLAGGED), (0x1000, "$Forwarded"))
_MOZILLA_EXPUNGED = 0x0008
_OURS = frozenset(
    (b"status", b"x-status", b"x-keywords", b"x-mozilla-status", b"x-mozilla-status2", b"x-mozilla-keys", b"x-uid",
     b"x-imap", b"x-imapbase")
)  # fmt: skip
MAX_KEYWORDS = 100


@dataclass(frozen=True, slots=True)
class Marks:
    """What a header's status fields say. ``hidden``: no message for people, or one that is deleted already (Thunderbird)."""

    flags: tuple[str, ...]
    hidden: bool = False


def take_marks(header: Sequence[bytes]) -> tuple[list[bytes], Marks]:
    """The fields of a header (lines with their LF, continuation lines apart) without the status fields, and what these say."""
    kept: list[bytes] = []
    found: dict[bytes, str] = {}
    field = b""
    for line in header:
        if line[:1] not in (b" ", b"\t"):
            name = line.partition(b":")[0].rstrip().lower()
            field = name if name in _OURS else b""
        if not field:
            kept.append(line)
            continue
        text = line if line[:1] in (b" ", b"\t") else line.partition(b":")[2]
        found[field] = found.get(field, "") + " " + text.decode("utf-8", "replace").strip()
    return kept, _marks(found) if found else Marks(())


def _marks(found: dict[bytes, str]) -> Marks:
    flags = [_STATUS[char] for char in found.get(b"status", "") if char in _STATUS]
    flags += [_X_STATUS[char] for char in found.get(b"x-status", "") if char in _X_STATUS]
    flags += found.get(b"x-keywords", "").split() + found.get(b"x-mozilla-keys", "").split()
    mozilla = _hexadecimal(found.get(b"x-mozilla-status", ""))
    flags += [name for bit, name in _MOZILLA if mozilla & bit]
    return Marks(tuple(dict.fromkeys(flags))[:MAX_KEYWORDS], b"x-imap" in found or bool(mozilla & _MOZILLA_EXPUNGED))


def _hexadecimal(text: str) -> int:
    try:
        return int(text.strip()[:8], 16)
    except ValueError:
        return 0


def status_fields(flags: Iterable[str]) -> bytes:
    """The fields that say ``flags`` (names as IMAP's), lines with LF. ``Status: O`` says that the message is not new."""
    names = set(flags)
    keywords = sorted(name for name in names if not name.startswith("\\"))
    status = ("R" if SEEN in names else "") + "O"
    more = "".join(letter for letter, name in _X_STATUS.items() if name in names)
    out = f"Status: {status}\n"
    out += f"X-Status: {more}\n" if more else ""
    out += f"X-Keywords: {' '.join(keywords)}\n" if keywords else ""
    return out.encode()
