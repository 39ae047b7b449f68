"""GETMETADATA and SETMETADATA: the commands as values, their arguments, their responses (RFC 5464).

Entries are names in lower case, since letter case does not matter in them (RFC 5464 §3.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Command
from posthouse.protocols.imap.scanner import Malformed, Scanner

MAX_ENTRIES = 100
INFINITY = 1_000
_ENTRY = re.compile(r"/(?:private|shared)(?:/[\x21-\x24\x26-\x29\x2b-\x2e\x30-\x7e]{1,200}){1,10}")


@dataclass(frozen=True, slots=True)
class GetMetadata(Command):
    """``mailbox`` "" is the server. ``depth``: how many levels below an entry are asked for too."""

    mailbox: str
    entries: tuple[str, ...]
    max_size: int | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class SetMetadata(Command):
    """A value of None removes the entry."""

    mailbox: str
    entries: tuple[tuple[str, bytes | None], ...]


def entry(scanner: Scanner) -> str:
    """The name of an annotation (RFC 5464 §3.2)."""
    name = scanner.text_string(Scanner.astring, "ascii").lower()
    if not _ENTRY.fullmatch(name):
        raise Malformed("There is no such kind of annotation")
    return name


def entries(scanner: Scanner) -> tuple[str, ...]:
    """One entry, or some in parentheses."""
    if scanner.peek() != b"(":
        return (entry(scanner),)
    found = tuple(dict.fromkeys(scanner.listed(lambda: entry(scanner), at_most=MAX_ENTRIES)))
    if not found:
        raise Malformed("Entries are missing")
    return found


def get_metadata(scanner: Scanner) -> GetMetadata:
    scanner.space()
    options: dict[bytes, int] = {}
    if scanner.peek() == b"(":
        options = _options(scanner)
        scanner.space()
    mailbox = scanner.mailbox()
    scanner.space()
    if not options and _at_options(scanner):  # where the RFC's examples have them, against its own grammar
        options = _options(scanner)
        scanner.space()
    return GetMetadata(scanner.tag, mailbox, entries(scanner), options.get(b"MAXSIZE"), options.get(b"DEPTH", 0))


def _at_options(scanner: Scanner) -> bool:
    ahead = scanner.text[scanner.pos : scanner.pos + 9].upper()
    return ahead.startswith((b"(MAXSIZE ", b"(DEPTH "))


def _options(scanner: Scanner) -> dict[bytes, int]:
    found: dict[bytes, int] = {}

    def option() -> None:
        name = scanner.word()
        scanner.space()
        if name == b"MAXSIZE":
            found[name] = scanner.number()
        elif name == b"DEPTH":
            depth = {b"0": 0, b"1": 1, b"INFINITY": INFINITY}.get(scanner.word())
            if depth is None:
                raise Malformed("DEPTH is 0, 1 or infinity")
            found[name] = depth
        else:
            raise Malformed("Unknown GETMETADATA option")

    scanner.listed(option, at_most=4)
    return found


def set_metadata(scanner: Scanner) -> SetMetadata:
    scanner.space()
    mailbox = scanner.mailbox()
    scanner.space()

    def pair() -> tuple[str, bytes | None]:
        name = entry(scanner)
        scanner.space()
        if scanner.peek() == b"~":
            return name, scanner.literal()[0]
        return name, scanner.nstring()

    found = scanner.listed(pair, at_most=MAX_ENTRIES)
    if not found:
        raise Malformed("Entries are missing")
    return SetMetadata(scanner.tag, mailbox, tuple(found))


def metadata_line(mailbox: str, values: Sequence[tuple[str, bytes | None]], *, utf8: bool) -> bytes:
    """``* METADATA mailbox (entry value ...)``; None is NIL."""
    pairs = [b"%b %b" % (name.encode("ascii"), b"NIL" if value is None else _value(value)) for name, value in values]
    shown = responses.mailbox(mailbox, utf8=utf8) if mailbox else b'""'
    return b"* METADATA %b (%b)\r\n" % (shown, b" ".join(pairs))


def _value(value: bytes) -> bytes:
    return responses.literal(value, binary=True) if b"\0" in value else responses.string(value)


METADATA_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {
    b"GETMETADATA": get_metadata,
    b"SETMETADATA": set_metadata,
}
