"""What the server says, as octets (RFC 9051 §7): strings, response lines and codes. FETCH's are in ``fetch_answers``.

Everything comes in as values and goes out ready to be written, CRLF included where a name ends in ``line`` or says so.
Text that strangers had a part in is made harmless here: no line end can be smuggled into a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from posthouse.model import utf7
from posthouse.model.mailbox import SEPARATOR
from posthouse.protocols.imap.sequence import to_text

Condition = Literal["OK", "NO", "BAD", "BYE", "PREAUTH"]

_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]\[]+')
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*")
_SPECIAL = re.compile(rb'(["\\])')
_UNCLEAN = re.compile(r"[\x00-\x1f\x7f]+")
MAX_QUOTED_BYTES = 1000


# --- strings


def string(raw: bytes) -> bytes:
    """``raw`` quoted if it can be, else as a literal."""
    if len(raw) <= MAX_QUOTED_BYTES and _QUOTABLE.fullmatch(raw):
        return b'"' + _SPECIAL.sub(rb"\\\1", raw) + b'"'
    return literal(raw)


def astring(raw: bytes) -> bytes:
    """``raw`` bare if it is an atom (and not NIL), else as ``string``."""
    return raw if _ATOM.fullmatch(raw) and raw.upper() != b"NIL" else string(raw)


def literal(raw: bytes, *, binary: bool = False) -> bytes:
    """``{n}`` CRLF and the octets; ``binary``: ``~{n}`` if NULs are among them (RFC 3516)."""
    return b"%b{%d}\r\n%b" % (b"~" if binary and b"\0" in raw else b"", len(raw), raw)


def mailbox(name: str, *, utf8: bool) -> bytes:
    """A mailbox name: modified UTF-7, or UTF-8 in quotes for a client that enabled it (RFC 9051 §5.1)."""
    if not utf8:
        return astring(utf7.encode(name))
    raw = name.encode("utf-8")
    return astring(raw) if raw.isascii() else b'"' + _SPECIAL.sub(rb"\\\1", raw) + b'"'


def clean(text: str) -> bytes:
    """``text`` fit for the end of a response line: one line of ASCII, not empty, not to be taken for a code."""
    line = _UNCLEAN.sub(" ", text).encode("ascii", "replace").strip()
    return line.lstrip(b"[ ") or b"-"


# --- lines


def tagged(tag: bytes, condition: Condition, text: str, code: bytes = b"") -> bytes:
    """``tag OK [code] text`` with CRLF."""
    return b"%b %b %b%b\r\n" % (tag, condition.encode("ascii"), b"[%b] " % code if code else b"", clean(text))


def untagged(condition: Condition, text: str, code: bytes = b"") -> bytes:
    """``* OK [code] text`` with CRLF."""
    return tagged(b"*", condition, text, code)


def continuation(data: bytes = b"OK") -> bytes:
    """``+ data`` with CRLF; ``data`` is a word for people, or base64 in AUTHENTICATE (may be empty)."""
    return b"+ %b\r\n" % data


def exists_line(count: int) -> bytes:
    return b"* %d EXISTS\r\n" % count


def recent_line(count: int = 0) -> bytes:
    return b"* %d RECENT\r\n" % count


def expunge_lines(numbers: Iterable[int]) -> bytes:
    """``* n EXPUNGE`` for each, in the order given; each number is one of the mailbox after those before it."""
    return b"".join([b"* %d EXPUNGE\r\n" % number for number in numbers])


def vanished_line(uids: Sequence[int], *, earlier: bool = False) -> bytes:
    """RFC 7162 §3.2.10; nothing for no UIDs."""
    return b"* VANISHED %b%b\r\n" % (b"(EARLIER) " if earlier else b"", to_text(uids)) if uids else b""


def flags_line(keywords: Sequence[str]) -> bytes:
    """``* FLAGS (...)``: the system flags and a mailbox's keywords."""
    return b"* FLAGS (%b)\r\n" % _flag_names(keywords)


def permanent_flags(keywords: Sequence[str], *, new_keywords: bool = True) -> bytes:
    """The code PERMANENTFLAGS; ``\\*`` if ``new_keywords`` can be made."""
    return b"PERMANENTFLAGS (%b%b)" % (_flag_names(keywords), b" \\*" if new_keywords else b"")


def _flag_names(keywords: Sequence[str]) -> bytes:
    return " ".join(("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", *keywords)).encode("ascii")


def capability_line(words: Sequence[str]) -> bytes:
    return b"* CAPABILITY %b\r\n" % " ".join(words).encode("ascii")


def enabled_line(words: Sequence[str]) -> bytes:
    return b"* ENABLED%b\r\n" % "".join(f" {word}" for word in words).encode("ascii")


def id_line(fields: Sequence[tuple[str, str]]) -> bytes:
    """RFC 2971; NIL for no fields."""
    pairs = b" ".join([string(name.encode("utf-8")) + b" " + string(value.encode("utf-8")) for name, value in fields])
    return b"* ID (%b)\r\n" % pairs if pairs else b"* ID NIL\r\n"


def namespace_line(*, others: str, shared: str) -> bytes:
    """The personal namespace without prefix, that of other users, the shared one (RFC 2342)."""
    separator = SEPARATOR.encode("ascii")
    prefixes = [string(utf7.encode(tree and tree + SEPARATOR)) for tree in ("", others, shared)]
    return b"* NAMESPACE %b\r\n" % b" ".join([b'((%b "%b"))' % (prefix, separator) for prefix in prefixes])


def list_line(
    attributes: Sequence[str],
    name: str,
    *,
    utf8: bool,
    command: Literal["LIST", "LSUB"] = "LIST",
    child_info: Sequence[str] = (),
    old_name: str = "",
) -> bytes:
    """``attributes`` with their backslash; ``child_info``: CHILDINFO's words (RFC 5258 §4); an empty ``name`` asks for the
    separator; ``old_name``: OLDNAME (RFC 9051 §6.3.9.7)."""
    extended = b""
    if child_info:
        extended = b' ("CHILDINFO" (%b))' % b" ".join([string(word.encode("ascii")) for word in child_info])
    elif old_name:
        extended = b' ("OLDNAME" (%b))' % mailbox(old_name, utf8=utf8)
    return b'* %b (%b) "%b" %b%b\r\n' % (
        command.encode("ascii"),
        " ".join(attributes).encode("ascii"),
        SEPARATOR.encode("ascii"),
        mailbox(name, utf8=utf8),
        extended,
    )


def status_line(name: str, items: Sequence[tuple[str, int | str | None]], *, utf8: bool) -> bytes:
    """``items`` in order; text is an object id, in parentheses (RFC 8474 §4.3); None is NIL (APPENDLIMIT without limit)."""
    words = [f"{key} {'NIL' if value is None else f'({value})' if isinstance(value, str) else value}" for key, value in items]
    return b"* STATUS %b (%b)\r\n" % (mailbox(name, utf8=utf8), " ".join(words).encode("ascii"))


def search_line(numbers: Sequence[int], mod_seq: int | None = None) -> bytes:
    """The old SEARCH response; with ``mod_seq`` as RFC 7162 §3.1.5 wants it."""
    ending = f" (MODSEQ {mod_seq})" if mod_seq is not None and numbers else ""
    return f"* SEARCH {' '.join(map(str, numbers))}".rstrip().encode("ascii") + f"{ending}\r\n".encode("ascii")


def esearch_line(tag: bytes, results: Sequence[tuple[str, bytes | int]], *, uid: bool) -> bytes:
    """``results`` in order: ("MIN", 3), ("ALL", to_text(...)), ("PARTIAL", b"(1:50 2,4)"), ("MODSEQ", 9) (RFC 4731 §3.1)."""
    words = [b" %b %b" % (key.encode("ascii"), b"%d" % value if isinstance(value, int) else value) for key, value in results]
    return b"* ESEARCH (TAG %b)%b%b\r\n" % (string(tag), b" UID" if uid else b"", b"".join(words))


# --- response codes


def append_uid(uid_validity: int, uids: Sequence[int]) -> bytes:
    """RFC 4315 §3."""
    return b"APPENDUID %d %b" % (uid_validity, to_text(uids))


def copy_uid(uid_validity: int, sources: Sequence[int], targets: Sequence[int]) -> bytes:
    """RFC 4315 §3: both in the same order."""
    return b"COPYUID %d %b %b" % (uid_validity, to_text(sources), to_text(targets))


def modified(numbers: Sequence[int]) -> bytes:
    """RFC 7162 §3.1.3: message numbers, or UIDs after a UID command."""
    return b"MODIFIED %b" % to_text(numbers)
