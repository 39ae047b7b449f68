"""Arguments of the commands that put, mark, copy and remove messages: APPEND, REPLACE, STORE, COPY, MOVE, EXPUNGE.

RFC 9051 §6.3.12, §6.4; RFC 3502 (several messages), RFC 3516 (literal8), RFC 4469 (CATENATE), RFC 6855 (UTF8), RFC 7162
(UNCHANGEDSINCE), RFC 8508 (REPLACE).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from posthouse.model.mailbox import SYSTEM_FLAGS
from posthouse.protocols.imap import dates
from posthouse.protocols.imap.commands import (
    Append,
    AppendMessage,
    Command,
    Copy,
    Expunge,
    FlagAction,
    Move,
    Replace,
    Store,
    UrlPart,
)
from posthouse.protocols.imap.scanner import MAX_NUMBER64, Malformed, Scanner
from posthouse.protocols.imap.sequence import STAR

MAX_FLAGS = 100
MAX_PARTS = 200
_SYSTEM = {name[1:].lower().encode("ascii"): name for _, name in SYSTEM_FLAGS}
_ACTIONS: Mapping[bytes, tuple[FlagAction, bool]] = {
    b"FLAGS": ("replace", False),
    b"FLAGS.SILENT": ("replace", True),
    b"+FLAGS": ("add", False),
    b"+FLAGS.SILENT": ("add", True),
    b"-FLAGS": ("remove", False),
    b"-FLAGS.SILENT": ("remove", True),
}


def flag(scanner: Scanner) -> str:
    """One flag's name; "" for ``\\Recent``, which is the server's own: clients that copy flags send it, to no effect."""
    if not scanner.skip(b"\\"):
        return scanner.atom().decode("ascii")
    name = scanner.atom().lower()
    if name == b"recent":
        return ""
    known = _SYSTEM.get(name)
    if known is None:
        raise Malformed("Unknown system flag")
    return known


def flag_list(scanner: Scanner) -> tuple[str, ...]:
    """Flags in parentheses, each once."""
    return _once(scanner.listed(lambda: flag(scanner), at_most=MAX_FLAGS))


def _once(names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in dict.fromkeys(names) if name)


def append(scanner: Scanner) -> Append:
    scanner.space()
    mailbox = scanner.mailbox()
    messages: list[AppendMessage] = []
    while not messages or not scanner.at_end():
        scanner.space()
        messages.append(_message(scanner))
    return Append(scanner.tag, mailbox, tuple(messages))


def _message(scanner: Scanner) -> AppendMessage:
    flags: tuple[str, ...] = ()
    received_at: float | None = None
    if scanner.peek() == b"(":
        flags = flag_list(scanner)
        scanner.space()
    if scanner.peek() == b'"':
        try:
            received_at = dates.moment(scanner.string())
        except ValueError:
            raise Malformed("Date and time are not valid") from None
        scanner.space()
    if scanner.text[scanner.pos : scanner.pos + 9].upper() == b"CATENATE ":
        scanner.pos += 9
        return AppendMessage(b"", flags, received_at, parts=_catenated(scanner))
    utf8 = scanner.text[scanner.pos : scanner.pos + 4].upper() == b"UTF8"
    if utf8:
        scanner.pos += 4
        scanner.space()
        scanner.need(b"(")
    content, binary = scanner.literal()
    if utf8:
        scanner.need(b")")
    if not content:
        raise Malformed("Message is empty", status="NO")
    return AppendMessage(content, flags, received_at, binary, utf8)


def _catenated(scanner: Scanner) -> tuple[bytes | UrlPart, ...]:
    """CATENATE's list of ``URL url`` and ``TEXT literal`` (RFC 4469 §5)."""

    def part() -> bytes | UrlPart:
        name = scanner.word()
        scanner.space()
        if name == b"URL":
            return UrlPart(scanner.text_string(Scanner.astring))
        if name == b"TEXT":
            return scanner.literal()[0]
        raise Malformed("URL or TEXT expected")

    scanner.skip_spaces()
    parts = scanner.listed(part, at_most=MAX_PARTS)
    if not parts:
        raise Malformed("Message is empty", status="NO")
    return tuple(parts)


def replace(scanner: Scanner, *, uid: bool = False) -> Replace:
    scanner.space()
    number = STAR if scanner.skip(b"*") else scanner.nonzero()
    scanner.space()
    mailbox = scanner.mailbox()
    scanner.space()
    return Replace(scanner.tag, number, uid, mailbox, _message(scanner))


def store(scanner: Scanner, *, uid: bool = False) -> Store:
    scanner.space()
    sequence = scanner.sequence()
    scanner.space()
    unchanged_since: int | None = None
    if scanner.skip(b"("):
        if scanner.word() != b"UNCHANGEDSINCE":
            raise Malformed("Unknown STORE modifier")
        scanner.space()
        unchanged_since = scanner.number(MAX_NUMBER64)
        scanner.need(b")")
        scanner.space()
    action = _ACTIONS.get(scanner.word())
    if action is None:
        raise Malformed("FLAGS expected")
    scanner.space()
    flags = flag_list(scanner) if scanner.peek() == b"(" else _bare_flags(scanner)
    return Store(scanner.tag, sequence, uid, action[0], flags, action[1], unchanged_since)


def _bare_flags(scanner: Scanner) -> tuple[str, ...]:
    names = [flag(scanner)]
    while not scanner.at_end():
        scanner.space()
        names.append(flag(scanner))
        if len(names) > MAX_FLAGS:
            raise Malformed("Too many flags", code="LIMIT")
    return _once(names)


def copy(scanner: Scanner, *, uid: bool = False) -> Copy:
    scanner.space()
    sequence = scanner.sequence()
    scanner.space()
    return Copy(scanner.tag, sequence, uid, scanner.mailbox())


def move(scanner: Scanner, *, uid: bool = False) -> Move:
    scanner.space()
    sequence = scanner.sequence()
    scanner.space()
    return Move(scanner.tag, sequence, uid, scanner.mailbox())


def uid_expunge(scanner: Scanner) -> Expunge:
    scanner.space()
    return Expunge(scanner.tag, scanner.sequence())


MESSAGE_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {
    b"APPEND": append,
    b"REPLACE": replace,
    b"STORE": store,
    b"COPY": copy,
    b"MOVE": move,
}
UID_MESSAGE_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {
    b"STORE": lambda scanner: store(scanner, uid=True),
    b"COPY": lambda scanner: copy(scanner, uid=True),
    b"MOVE": lambda scanner: move(scanner, uid=True),
    b"EXPUNGE": uid_expunge,
    b"REPLACE": lambda scanner: replace(scanner, uid=True),
}
