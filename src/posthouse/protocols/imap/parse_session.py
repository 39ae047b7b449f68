"""Arguments of the commands about the session: LOGIN, AUTHENTICATE, ENABLE, ID, COMPRESS and those without arguments.

RFC 9051 §6.1, §6.2, §6.3.1; RFC 4959 (initial response), RFC 2971 (ID), RFC 4978 (COMPRESS), RFC 8437 (UNAUTHENTICATE).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping

from posthouse.protocols.imap.commands import (
    Authenticate,
    Capability,
    Check,
    Close,
    Command,
    Compress,
    Enable,
    Expunge,
    Id,
    Idle,
    Login,
    Logout,
    Namespace,
    Noop,
    StartTls,
    Unauthenticate,
    Unselect,
)
from posthouse.protocols.imap.scanner import Malformed, Scanner

MAX_ID_PAIRS = 30
MAX_ENABLED = 50


def login(scanner: Scanner) -> Login:
    scanner.space()
    user = scanner.text_string(Scanner.astring)
    scanner.space()
    return Login(scanner.tag, user, scanner.text_string(Scanner.astring))


def authenticate(scanner: Scanner) -> Authenticate:
    scanner.space()
    mechanism = scanner.word().decode("ascii")
    initial: bytes | None = None
    if not scanner.at_end():
        scanner.space()
        initial = _base64(scanner)
    return Authenticate(scanner.tag, mechanism, initial)


def _base64(scanner: Scanner) -> bytes:
    """The rest of the line; ``=`` alone is an empty response (RFC 4959 §3)."""
    coded = scanner.text[scanner.pos :].rstrip(b" ")
    scanner.pos = len(scanner.text)
    if coded == b"=":
        return b""
    try:
        return binascii.a2b_base64(coded, strict_mode=True)
    except binascii.Error:
        raise Malformed("Initial response is not base64") from None


def enable(scanner: Scanner) -> Enable:
    names: list[str] = []
    while not names or not scanner.at_end():
        scanner.space()
        names.append(scanner.word().decode("ascii"))
        if len(names) > MAX_ENABLED:
            raise Malformed("Too many arguments", code="LIMIT")
    return Enable(scanner.tag, tuple(names))


def identify(scanner: Scanner) -> Id:
    scanner.space()
    if scanner.peek() != b"(":
        if scanner.word() != b"NIL":
            raise Malformed("NIL or a list expected")
        return Id(scanner.tag, None)

    def pair() -> tuple[str, str | None]:
        name = scanner.text_string(Scanner.string)
        scanner.space()
        value = scanner.nstring()
        return name, None if value is None else value.decode("utf-8", "replace")

    return Id(scanner.tag, tuple(scanner.listed(pair, at_most=MAX_ID_PAIRS)))


def compress(scanner: Scanner) -> Compress:
    scanner.space()
    return Compress(scanner.tag, scanner.word().decode("ascii"))


def _bare(make: Callable[[bytes], Command]) -> Callable[[Scanner], Command]:
    return lambda scanner: make(scanner.tag)


SESSION_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {
    b"CAPABILITY": _bare(Capability),
    b"NOOP": _bare(Noop),
    b"LOGOUT": _bare(Logout),
    b"STARTTLS": _bare(StartTls),
    b"UNAUTHENTICATE": _bare(Unauthenticate),
    b"NAMESPACE": _bare(Namespace),
    b"IDLE": _bare(Idle),
    b"CHECK": _bare(Check),
    b"CLOSE": _bare(Close),
    b"UNSELECT": _bare(Unselect),
    b"EXPUNGE": _bare(Expunge),
    b"LOGIN": login,
    b"AUTHENTICATE": authenticate,
    b"ENABLE": enable,
    b"ID": identify,
    b"COMPRESS": compress,
}
