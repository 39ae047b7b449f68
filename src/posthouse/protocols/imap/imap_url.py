"""IMAP URLs to messages and parts of them, absolute or relative to the server (RFC 5092, RFC 4467 §2, RFC 4469 §3).

What comes from clients is read strictly; nothing is fetched here. ``rump`` is what a URLAUTH token signs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_to_bytes

from posthouse.protocols.imap.fetch_items import BodySection
from posthouse.protocols.imap.parse_fetch import fetch_item
from posthouse.protocols.imap.scanner import Malformed, Scanner

MAX_URL_CHARS = 4096

_SERVER = re.compile(
    r"imap://(?:([^@/:;]*)(?:;AUTH=[^@/:;]*)?@)?(\[[0-9A-Fa-f:.]+\]|[^@/:;\[\]]*)(?::(\d{1,5}))?(?=/|\Z)", re.I
)
_PATH = re.compile(
    r"/?([^;]*?)(?:;UIDVALIDITY=(\d{1,10}))?(?:/?;UID=(\d{1,10}))(?:/?;SECTION=([^;]*?))?(?:/?;PARTIAL=(\d{1,10})(?:\.(\d{1,10}))?)?"
    r"(?:;EXPIRE=([^;]+))?(?:;URLAUTH=([^:;]+)(?::([^:;]+):([0-9A-Fa-f]+))?)?",
    re.I,
)


@dataclass(frozen=True, slots=True)
class ImapUrl:
    """``absolute``: has a server part. ``user``, ``host``, ``mailbox`` are decoded; ``mailbox`` "" is the selected one.
    ``expires_at`` in seconds since 1970. ``access`` such as ``user+jane`` (lower case up to the plus)."""

    absolute: bool
    user: str
    host: str
    mailbox: str
    uid_validity: int | None
    uid: int
    section: BodySection
    partial: tuple[int, int | None] | None
    expires_at: float | None
    access: str
    mechanism: str
    token: str
    rump: str


def parse(text: str) -> ImapUrl:
    """Raises ValueError."""
    if len(text) > MAX_URL_CHARS or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("not a URL")
    server = _SERVER.match(text)
    if server is None and re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        raise ValueError("not an IMAP URL")
    path = _PATH.fullmatch(text, server.end() if server else 0)
    if path is None:
        raise ValueError("not a URL of a message")
    mailbox, validity, uid, section, first, count, expire, access, mechanism, token = path.groups()
    if not 0 < int(uid) < 1 << 32:
        raise ValueError("not a UID")
    return ImapUrl(
        absolute=server is not None,
        user=_decoded(server[1] or "") if server else "",
        host=server[2].lower() if server else "",
        mailbox=_decoded(mailbox),
        uid_validity=int(validity) if validity else None,
        uid=int(uid),
        section=_section(_decoded(section or "")),
        partial=(int(first), int(count) if count else None) if first else None,
        expires_at=datetime.fromisoformat(expire).timestamp() if expire else None,
        access=_access(access or ""),
        mechanism=(mechanism or "").upper(),
        token=(token or "").lower(),
        rump=text[: path.end(8)] if access else text,
    )


def cut(octets: bytes, partial: tuple[int, int | None] | None) -> bytes:
    """The part of a section that the URL's ``;PARTIAL`` names."""
    if partial is None:
        return octets
    first, count = partial
    return octets[first:] if count is None else octets[first : first + count]


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8")


def _section(text: str) -> BodySection:
    try:
        scanner = Scanner(b"BODY.PEEK[" + text.encode("latin-1") + b"]", ())
        item = fetch_item(scanner)
        scanner.end()
    except Malformed as error:
        raise ValueError(error.text) from None
    assert isinstance(item, BodySection), "BODY.PEEK[...] is one"
    return item


def _access(text: str) -> str:
    kind, plus, user = text.partition("+")
    return kind.lower() + plus + _decoded(user)
