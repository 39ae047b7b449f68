"""GETQUOTA, GETQUOTAROOT, SETQUOTA: the commands as values, their arguments, their responses (RFC 9208).

Which quota roots there are, and what they are called, the server knows; here their names are text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from posthouse.protocols.imap import responses
from posthouse.protocols.imap.commands import Command
from posthouse.protocols.imap.scanner import MAX_NUMBER64, Scanner

MAX_RESOURCES = 16
QuotaResource = tuple[str, int, int]
"""(resource name, usage, limit)."""


@dataclass(frozen=True, slots=True)
class GetQuota(Command):
    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot(Command):
    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota(Command):
    """``limits``: (resource in upper case, limit)."""

    root: str
    limits: tuple[tuple[str, int], ...]


def get_quota(scanner: Scanner) -> GetQuota:
    scanner.space()
    return GetQuota(scanner.tag, scanner.text_string(Scanner.astring))


def get_quota_root(scanner: Scanner) -> GetQuotaRoot:
    scanner.space()
    return GetQuotaRoot(scanner.tag, scanner.mailbox())


def set_quota(scanner: Scanner) -> SetQuota:
    scanner.space()
    root = scanner.text_string(Scanner.astring)
    scanner.space()

    def limit() -> tuple[str, int]:
        name = scanner.word().decode("ascii")
        scanner.space()
        return name, scanner.number(MAX_NUMBER64)

    return SetQuota(scanner.tag, root, tuple(scanner.listed(limit, at_most=MAX_RESOURCES)))


def quota_line(root: str, resources: Sequence[QuotaResource]) -> bytes:
    """``* QUOTA root (STORAGE 10 512)``."""
    listed = " ".join(f"{name} {usage} {limit}" for name, usage, limit in resources)
    return b"* QUOTA %b (%b)\r\n" % (responses.astring(root.encode("utf-8")), listed.encode("ascii"))


def quota_root_line(mailbox: str, roots: Sequence[str], *, utf8: bool) -> bytes:
    """``* QUOTAROOT mailbox root``; a mailbox may have none."""
    words = [responses.mailbox(mailbox, utf8=utf8), *(responses.astring(root.encode("utf-8")) for root in roots)]
    return b"* QUOTAROOT %b\r\n" % b" ".join(words)


QUOTA_PARSERS: Mapping[bytes, Callable[[Scanner], Command]] = {
    b"GETQUOTA": get_quota,
    b"GETQUOTAROOT": get_quota_root,
    b"SETQUOTA": set_quota,
}
