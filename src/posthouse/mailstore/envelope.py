"""Reads back a message's ready-made ENVELOPE, for searches: the texts in it without opening the message.

The octets are our own (``Summary.envelope``): ``(date subject from sender reply-to to cc bcc in-reply-to message-id)`` in
IMAP's form (RFC 9051 §7.5.2). Encoded words are decoded as in headers (RFC 2047).
"""

from __future__ import annotations

import re
from datetime import date

from posthouse.formats.charsets import text_of
from posthouse.formats.headers import MAX_DECODED, decode_words

# One token: a parenthesis, a quoted string, a literal's start, or an atom (NIL). Each alternative is linear.
_TOKEN = re.compile(rb'[ ]*(?:([()])|"([^"\\]*(?:\\.[^"\\]*)*)"|\{(\d+)\}\r\n|([^ ()"{]+))', re.DOTALL)
_PAREN, _QUOTED, _LITERAL, _ATOM = 1, 2, 3, 4
_QUOTED_OR_NIL = rb'(?:"((?:[^"\\]|\\.)*)"|NIL)'
_AUTHOR = re.compile(rb" \(\(" + _QUOTED_OR_NIL + rb" NIL " + _QUOTED_OR_NIL + b" " + _QUOTED_OR_NIL + rb"\)", re.DOTALL)
# The same of a whole envelope without escapes, literals and encoded words, as most are: every quote begins or ends a string.
_STRING = r'(?:"[^"]*"|NIL)'
_LIST = rf"(?:NIL|\((?:\({_STRING} NIL {_STRING} {_STRING}\))+\))"
_PLAIN = re.compile(rf"\({_STRING} ({_STRING}) ({_LIST}) {_LIST} {_LIST} ({_LIST}) ({_LIST}) ({_LIST}) {_STRING} {_STRING}\)")
_PLAIN_ADDRESS = re.compile(rf"\(({_STRING}) NIL ({_STRING}) ({_STRING})\)")
_DAY = re.compile(r"\s*(?:[A-Za-z]{3,9}\s*,\s*)?(\d{1,2})\s+([A-Za-z]{3})[A-Za-z]*\s+(\d{2,4})\b")
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES, 1)}
_ADDRESS_FIELDS = {"from": 2, "to": 5, "cc": 6, "bcc": 7}

Node = bytes | None | list["Node"]


def parse(envelope: bytes) -> list[Node]:
    """The nested lists and strings of a parenthesised list; NIL is None. Raises ValueError if it is not one."""
    stack: list[list[Node]] = [[]]
    top = stack[0]
    at, end = 0, len(envelope)
    while at < end:
        match = _TOKEN.match(envelope, at)
        if match is None:
            raise ValueError("not a parenthesised list")
        kind, at = match.lastindex, match.end()
        if kind == _QUOTED:
            top.append(_unquoted(match[_QUOTED]))
        elif kind == _ATOM:
            atom = match[_ATOM]
            top.append(None if atom.upper() == b"NIL" else atom)
        elif kind == _LITERAL:
            size = int(match[_LITERAL])
            top.append(envelope[at : at + size])
            at += size
        elif match[_PAREN] == b"(":
            stack.append([])
            top = stack[-1]
        else:
            done = stack.pop()
            if not stack:
                raise ValueError("unbalanced parentheses")
            top = stack[-1]
            top.append(done)
    if len(stack) != 1 or len(stack[0]) != 1 or not isinstance(stack[0][0], list):
        raise ValueError("not one parenthesised list")
    return stack[0][0]


def may_have(envelope: bytes, text: str) -> bool:
    """False if ``text`` certainly stands in no string of the envelope; a quick look that spares reading it.

    Only for texts that cannot span two strings and need no quoting.
    """
    if not text.isascii() or b"=?" in envelope or not envelope.isascii():
        return True
    return text.lower().encode("ascii") in envelope.lower()


def field_text(envelope: bytes, name: str) -> str:
    """The decoded text of ``subject``, ``from``, ``to``, ``cc`` or ``bcc``: addresses as ``name <local@domain>, ...``."""
    if name == "subject":
        return _subject(envelope)
    fields = parse(envelope)
    addresses = fields[_ADDRESS_FIELDS[name]]
    return ", ".join(_address(node) for node in addresses if isinstance(node, list)) if isinstance(addresses, list) else ""


def texts(envelope: bytes) -> list[str]:
    """All that ``field_text`` can give, for the full-text index. Raises ValueError."""
    quick = _plain_texts(envelope)
    if quick is not None:
        return quick
    fields = parse(envelope)
    found = [decoded(fields[1])] if isinstance(fields[1], bytes) else []
    for place in _ADDRESS_FIELDS.values():
        addresses = fields[place]
        if isinstance(addresses, list):
            found.append(", ".join(_address(node) for node in addresses if isinstance(node, list)))
    return found


def _plain_texts(envelope: bytes) -> list[str] | None:
    """The same by one expression; None unless the envelope is a plain one."""
    if len(envelope) > 8 * MAX_DECODED or not envelope.isascii() or b"\\" in envelope or b"=?" in envelope:
        return None
    text = envelope.decode("ascii")
    match = _PLAIN.fullmatch(text) if text.isprintable() else None
    if match is None:
        return None
    subject, *lists = match.groups()
    found = [] if subject == "NIL" else [subject[1:-1][:MAX_DECODED]]
    for addresses in lists:
        if addresses != "NIL":
            found.append(", ".join([_plain_address(*parts) for parts in _PLAIN_ADDRESS.findall(addresses)]))
    return found


def _plain_address(name: str, local: str, domain: str) -> str:
    name, local, domain = ["" if part == "NIL" else part[1:-1][:MAX_DECODED] for part in (name, local, domain)]
    address = f"{local}@{domain}" if domain else local
    return f"{name} <{address}>" if name else address


def _subject(envelope: bytes) -> str:
    """The second string, without reading further."""
    sent = _TOKEN.match(envelope, 1)
    subject = _TOKEN.match(envelope, sent.end() if sent is not None and sent[3] is None else len(envelope))
    if subject is not None and subject[2] is not None:
        return decoded(_unquoted(subject[2]))
    if subject is not None and subject[4] is not None:
        return ""
    node = parse(envelope)[1]
    return decoded(node) if isinstance(node, bytes) else ""


def _unquoted(quoted: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if b"\\" in quoted else quoted


def _address(node: list[Node]) -> str:
    name, _, local, domain = [decoded(part) if isinstance(part, bytes) else "" for part in node[:4]]
    address = f"{local}@{domain}" if domain else local
    return f"{name} <{address}>" if name else address


def sent_day(envelope: bytes) -> date | None:
    """The day that the Date field names, in its own time zone; None if there is none that can be read."""
    match = _TOKEN.match(envelope, 1)
    text = match[2] if match is not None else None
    found = _DAY.match(text.decode("ascii", "replace")) if text else None
    if found is None:
        return None
    month, year = _MONTHS.get(found[2].lower(), 0), int(found[3])
    if len(found[3]) < 4:
        year += 2000 if year < 50 else 1900
    try:
        return date(year, month, int(found[1]))
    except ValueError:
        return None


def sent_text(envelope: bytes) -> str:
    """The Date field's value, "" if there is none."""
    match = _TOKEN.match(envelope, 1)
    return text_of(_unquoted(match[2])) if match is not None and match[2] is not None else ""


def first_address(envelope: bytes, name: str) -> tuple[str, str, str]:
    """(decoded name, local part, domain) of the first address of ``from``, ``to``, ``cc`` or ``bcc``; "" for what is not
    there; of a group its name as local part."""
    if name == "from" and (quick := _first_author(envelope)) is not None:
        return quick
    addresses = parse(envelope)[_ADDRESS_FIELDS[name]]
    first = addresses[0] if isinstance(addresses, list) and addresses else None
    if not isinstance(first, list) or len(first) < 4:
        return "", "", ""
    shown, _, local, domain = [decoded(part) if isinstance(part, bytes) else "" for part in first[:4]]
    return shown, local, domain


def _first_author(envelope: bytes) -> tuple[str, str, str] | None:
    """The first address of From without reading further; None where literals stand in the way."""
    sent = _TOKEN.match(envelope, 1)
    subject = _TOKEN.match(envelope, sent.end()) if sent is not None and sent[3] is None else None
    match = _AUTHOR.match(envelope, subject.end()) if subject is not None and subject[3] is None else None
    if match is None:
        return None
    shown, local, domain = [decoded(_unquoted(part)) if part else "" for part in match.groups()]
    return shown, local, domain


def decoded(raw: bytes) -> str:
    """A string of the envelope as text, encoded words decoded."""
    return decode_words(text_of(raw))
