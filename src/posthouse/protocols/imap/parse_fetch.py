"""FETCH's arguments (RFC 9051 §6.4.5; RFC 3516 BINARY, RFC 7162 CHANGEDSINCE and VANISHED, RFC 8970 PREVIEW, RFC 9394)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import cast

from posthouse.protocols.imap.commands import Command, Fetch, FetchModifiers
from posthouse.protocols.imap.fetch_items import Attribute, BodySection, FetchItem, Preview, SectionText
from posthouse.protocols.imap.responses import astring
from posthouse.protocols.imap.scanner import MAX_NUMBER64, Malformed, Scanner

MAX_ITEMS = 200
MAX_FIELDS = 200

_NAME = re.compile(rb"[A-Za-z0-9.]+")
_SECTION = re.compile(rb" *\[")
_PART = re.compile(rb"([1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9}){0,99})(?=[\].])")
_TEXT = re.compile(rb"\.?([A-Za-z][A-Za-z.]*)")
_PARTIAL = re.compile(rb"<(\d{1,19})\.(\d{1,19})>")
_RANGE = re.compile(rb"(-?)([1-9][0-9]{0,9}):(-?)([1-9][0-9]{0,9})(?![0-9])")

_A = Attribute
_ATTRIBUTES: Mapping[bytes, Attribute] = {item.value.encode("ascii"): item for item in Attribute}
_OLD_NAMES: Mapping[bytes, BodySection] = {
    b"RFC822": BodySection(b"RFC822"),
    b"RFC822.HEADER": BodySection(b"RFC822.HEADER", peek=True, text="HEADER"),
    b"RFC822.TEXT": BodySection(b"RFC822.TEXT", text="TEXT"),
}
_MACROS: Mapping[bytes, tuple[FetchItem, ...]] = {
    b"ALL": (_A.FLAGS, _A.INTERNALDATE, _A.RFC822_SIZE, _A.ENVELOPE),
    b"FAST": (_A.FLAGS, _A.INTERNALDATE, _A.RFC822_SIZE),
    b"FULL": (_A.FLAGS, _A.INTERNALDATE, _A.RFC822_SIZE, _A.ENVELOPE, _A.BODY),
}
_TEXTS = frozenset((b"HEADER", b"HEADER.FIELDS", b"HEADER.FIELDS.NOT", b"TEXT", b"MIME"))


def fetch(scanner: Scanner, *, uid: bool = False) -> Fetch:
    scanner.space()
    sequence = scanner.sequence()
    scanner.space()
    if scanner.peek() == b"(":
        items = list(scanner.listed(lambda: fetch_item(scanner), at_most=MAX_ITEMS))
        if not items:
            raise Malformed("Fetch items are missing")
    else:
        items = _single(scanner)
    modifiers = FetchModifiers()
    if not scanner.at_end():
        scanner.space()
        modifiers = _modifiers(scanner, uid=uid)
    uid_asked = Attribute.UID in items
    if uid:
        items.insert(0, Attribute.UID)
    if modifiers.changed_since is not None:
        items.append(Attribute.MODSEQ)
    return Fetch(scanner.tag, sequence, uid, tuple(dict.fromkeys(items)), modifiers, uid_asked)


def _single(scanner: Scanner) -> list[FetchItem]:
    """An item without parentheses, or a macro."""
    match = _NAME.match(scanner.text, scanner.pos)
    macro = _MACROS.get(match[0].upper()) if match else None
    if match is None or macro is None:
        return [fetch_item(scanner)]
    scanner.pos = match.end()
    return list(macro)


def fetch_item(scanner: Scanner) -> FetchItem:
    """One data item."""
    match = _NAME.match(scanner.text, scanner.pos)
    if match is None:
        raise Malformed("Fetch item expected")
    scanner.pos = match.end()
    name = match[0].upper()
    if name in (b"BODY", b"BODY.PEEK", b"BINARY", b"BINARY.PEEK", b"BINARY.SIZE"):
        bracket = _SECTION.match(scanner.text, scanner.pos)
        if bracket is not None:
            scanner.pos = bracket.end()
            return _body(scanner, name) if name.startswith(b"BODY") else _binary(scanner, name)
    simple = _ATTRIBUTES.get(name) or _OLD_NAMES.get(name)
    if simple is not None:
        return simple
    if name == b"PREVIEW":
        return _preview(scanner)
    raise Malformed("Unknown fetch item")


def _preview(scanner: Scanner) -> Preview:
    """``PREVIEW`` or ``PREVIEW (LAZY)``."""
    before = scanner.pos
    scanner.skip_spaces()
    if scanner.pos == before or scanner.text[scanner.pos : scanner.pos + 6].upper() != b"(LAZY)":
        scanner.pos = before
        return Preview()
    scanner.pos += 6
    return Preview(lazy=True)


def _body(scanner: Scanner, name: bytes) -> BodySection:
    """After ``BODY[``."""
    part = _part(scanner)
    text = b""
    fields: list[bytes] = []
    match = _TEXT.match(scanner.text, scanner.pos)
    if match is not None:
        text = match[1].upper()
        if text not in _TEXTS or match[0].startswith(b".") != bool(part) or (text == b"MIME" and not part):
            raise Malformed("Unknown body section")
        scanner.pos = match.end()
        if text.startswith(b"HEADER.FIELDS"):
            scanner.space()
            fields = scanner.listed(scanner.astring, at_most=MAX_FIELDS)
            if not fields:
                raise Malformed("Header field names are missing")
    scanner.need(b"]")
    partial = _partial(scanner)
    label = b"BODY[" + part + (b"." if part and text else b"") + text
    if fields:
        label += b" (" + b" ".join(map(astring, fields)) + b")"
    return BodySection(
        label=label + b"]" + (b"<%d>" % partial[0] if partial else b""),
        peek=name == b"BODY.PEEK",
        part=part.decode("ascii"),
        text=cast(SectionText, text.decode("ascii")),
        fields=tuple([field.decode("latin-1") for field in fields]),
        partial=partial,
    )


def _binary(scanner: Scanner, name: bytes) -> BodySection:
    """After ``BINARY[``: a part and nothing else (RFC 3516 §4.2)."""
    part = _part(scanner)
    scanner.need(b"]")
    size_only = name == b"BINARY.SIZE"
    partial = None if size_only else _partial(scanner)
    word = b"BINARY.SIZE" if size_only else b"BINARY"
    return BodySection(
        label=word + b"[" + part + b"]" + (b"<%d>" % partial[0] if partial else b""),
        peek=size_only or name == b"BINARY.PEEK",
        part=part.decode("ascii"),
        partial=partial,
        binary=True,
        size_only=size_only,
    )


def _part(scanner: Scanner) -> bytes:
    match = _PART.match(scanner.text, scanner.pos)
    if match is None:
        return b""
    scanner.pos = match.end()
    return match[1]


def _partial(scanner: Scanner) -> tuple[int, int] | None:
    """``<first.count>``."""
    if scanner.peek() != b"<":
        return None
    match = _PARTIAL.match(scanner.text, scanner.pos)
    if match is None or not (count := int(match[2])):
        raise Malformed("Partial range is not valid")
    scanner.pos = match.end()
    return int(match[1]), count


def partial_range(scanner: Scanner) -> tuple[int, int]:
    """PARTIAL's argument (RFC 9394 §3): ``1:50``, or ``-1:-50`` counted from the end."""
    match = _RANGE.match(scanner.text, scanner.pos)
    if match is None or match[1] != match[3]:
        raise Malformed("Partial range is not valid")
    scanner.pos = match.end()
    sign = -1 if match[1] else 1
    return sign * int(match[2]), sign * int(match[4])


def _modifiers(scanner: Scanner, *, uid: bool) -> FetchModifiers:
    changed_since: int | None = None
    partial: tuple[int, int] | None = None
    vanished = False

    def modifier() -> None:
        nonlocal changed_since, partial, vanished
        name = scanner.word()
        if name == b"CHANGEDSINCE":
            scanner.space()
            changed_since = scanner.number(MAX_NUMBER64)
        elif name == b"VANISHED" and uid:
            vanished = True
        elif name == b"PARTIAL" and uid:
            scanner.space()
            partial = partial_range(scanner)
        else:
            raise Malformed("Unknown FETCH modifier")

    scanner.listed(modifier, at_most=8)
    if vanished and changed_since is None:
        raise Malformed("VANISHED needs CHANGEDSINCE")
    return FetchModifiers(changed_since, vanished, partial)


FETCH_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {b"FETCH": fetch}
UID_FETCH_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {b"FETCH": lambda scanner: fetch(scanner, uid=True)}
