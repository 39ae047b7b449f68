"""SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS: the commands as values, their arguments, their responses (RFC 4314 §3).

What an identifier means, and which letters are rights, the server knows; here they are text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Command
from posthouse.protocols.imap.scanner import Malformed, Scanner

MAX_RIGHTS = 100


@dataclass(frozen=True, slots=True)
class SetAcl(Command):
    """``rights`` without the sign that says ``action``."""

    mailbox: str
    identifier: str
    action: Literal["add", "remove", "replace"]
    rights: str


@dataclass(frozen=True, slots=True)
class DeleteAcl(Command):
    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class GetAcl(Command):
    mailbox: str


@dataclass(frozen=True, slots=True)
class ListRights(Command):
    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class MyRights(Command):
    mailbox: str


def _mailbox(scanner: Scanner) -> str:
    scanner.space()
    return scanner.mailbox()


def _identifier(scanner: Scanner) -> str:
    scanner.space()
    return scanner.text_string(Scanner.astring)


def set_acl(scanner: Scanner) -> SetAcl:
    mailbox, identifier = _mailbox(scanner), _identifier(scanner)
    scanner.space()
    text = scanner.text_string(Scanner.astring, "ascii")
    if len(text) > MAX_RIGHTS:
        raise Malformed("Too many rights")
    action: Literal["add", "remove", "replace"] = "replace"
    if text[:1] in ("+", "-"):
        action, text = ("add" if text[0] == "+" else "remove"), text[1:]
    return SetAcl(scanner.tag, mailbox, identifier, action, text)


ACL_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {
    b"SETACL": set_acl,
    b"DELETEACL": lambda scanner: DeleteAcl(scanner.tag, _mailbox(scanner), _identifier(scanner)),
    b"GETACL": lambda scanner: GetAcl(scanner.tag, _mailbox(scanner)),
    b"LISTRIGHTS": lambda scanner: ListRights(scanner.tag, _mailbox(scanner), _identifier(scanner)),
    b"MYRIGHTS": lambda scanner: MyRights(scanner.tag, _mailbox(scanner)),
}


def acl_line(mailbox: str, entries: Sequence[tuple[str, str]], *, utf8: bool) -> bytes:
    """``* ACL mailbox identifier rights ...`` (§3.6)."""
    words = [_text(word) for entry in entries for word in entry]
    return b"* ACL %b\r\n" % b" ".join([responses.mailbox(mailbox, utf8=utf8), *words])


def list_rights_line(mailbox: str, identifier: str, required: str, optional: Sequence[str], *, utf8: bool) -> bytes:
    """``* LISTRIGHTS mailbox identifier required optional ...`` (§3.7)."""
    words = [_text(word) for word in (identifier, required, *optional)]
    return b"* LISTRIGHTS %b\r\n" % b" ".join([responses.mailbox(mailbox, utf8=utf8), *words])


def my_rights_line(mailbox: str, rights: str, *, utf8: bool) -> bytes:
    """``* MYRIGHTS mailbox rights`` (§3.8)."""
    return b"* MYRIGHTS %b %b\r\n" % (responses.mailbox(mailbox, utf8=utf8), _text(rights))


def _text(word: str) -> bytes:
    return responses.astring(word.encode("utf-8"))
