"""GENURLAUTH, URLFETCH and RESETKEY: the commands as values, and their arguments (RFC 4467 §7, §9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from posthouse.protocols.imap.commands import Command
from posthouse.protocols.imap.scanner import Malformed, Scanner

MAX_URLS = 100


@dataclass(frozen=True, slots=True)
class GenUrlAuth(Command):
    """(URL up to its access, mechanism in upper case) pairs, to be signed."""

    rumps: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class UrlFetch(Command):
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResetKey(Command):
    """``mailbox`` None: all of the account. ``mechanisms`` in upper case, empty: all."""

    mailbox: str | None
    mechanisms: tuple[str, ...] = ()


def _url(scanner: Scanner) -> str:
    return scanner.text_string(Scanner.astring, "ascii")


def gen_url_auth(scanner: Scanner) -> GenUrlAuth:
    rumps: list[tuple[str, str]] = []
    while not rumps or not scanner.at_end():
        scanner.space()
        rump = _url(scanner)
        scanner.space()
        rumps.append((rump, scanner.word().decode("ascii")))
        if len(rumps) > MAX_URLS:
            raise Malformed("Too many arguments", code="LIMIT")
    return GenUrlAuth(scanner.tag, tuple(rumps))


def url_fetch(scanner: Scanner) -> UrlFetch:
    urls: list[str] = []
    while not urls or not scanner.at_end():
        scanner.space()
        urls.append(_url(scanner))
        if len(urls) > MAX_URLS:
            raise Malformed("Too many arguments", code="LIMIT")
    return UrlFetch(scanner.tag, tuple(urls))


def reset_key(scanner: Scanner) -> ResetKey:
    if scanner.at_end():
        return ResetKey(scanner.tag, None)
    scanner.space()
    mailbox = scanner.mailbox()
    mechanisms: list[str] = []
    while not scanner.at_end() and len(mechanisms) < MAX_URLS:
        scanner.space()
        mechanisms.append(scanner.word().decode("ascii"))
    return ResetKey(scanner.tag, mailbox, tuple(mechanisms))


URL_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {
    b"GENURLAUTH": gen_url_auth,
    b"URLFETCH": url_fetch,
    b"RESETKEY": reset_key,
}
