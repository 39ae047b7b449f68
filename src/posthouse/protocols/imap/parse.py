"""From a whole command's octets to its value: the command's name picks the function that reads its arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from posthouse.protocols.imap.commands import Command
from posthouse.protocols.imap.parse_acl import ACL_PARSERS
from posthouse.protocols.imap.parse_fetch import FETCH_PARSERS, UID_FETCH_PARSERS
from posthouse.protocols.imap.parse_mailbox import MAILBOX_PARSERS
from posthouse.protocols.imap.parse_message import MESSAGE_PARSERS, UID_MESSAGE_PARSERS
from posthouse.protocols.imap.parse_metadata import METADATA_PARSERS
from posthouse.protocols.imap.parse_notify import NOTIFY_PARSERS
from posthouse.protocols.imap.parse_quota import QUOTA_PARSERS
from posthouse.protocols.imap.parse_search import SEARCH_PARSERS, UID_SEARCH_PARSERS
from posthouse.protocols.imap.parse_session import SESSION_PARSERS
from posthouse.protocols.imap.parse_sort import SORT_PARSERS, UID_SORT_PARSERS
from posthouse.protocols.imap.parse_url import URL_PARSERS
from posthouse.protocols.imap.scanner import Malformed, Scanner

Parser = Callable[[Scanner], Command]

# RFC 9051 §9: a tag is any ASTRING-CHAR but "+". Its length is our own bound.
_HEAD = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,128}) +([A-Za-z]{1,32})(?![^ \n])(?: +([A-Za-z]{1,32})(?![^ \n]))?')
_TAG = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,128})(?: |$)')

PARSERS: Mapping[bytes, Parser] = {
    **SESSION_PARSERS,
    **MAILBOX_PARSERS,
    **MESSAGE_PARSERS,
    **FETCH_PARSERS,
    **SEARCH_PARSERS,
    **SORT_PARSERS,
    **URL_PARSERS,
    **NOTIFY_PARSERS,
    **QUOTA_PARSERS,
    **METADATA_PARSERS,
    **ACL_PARSERS,
}
UID_PARSERS: Mapping[bytes, Parser] = {
    **UID_MESSAGE_PARSERS,
    **UID_FETCH_PARSERS,
    **UID_SEARCH_PARSERS,
    **UID_SORT_PARSERS,
}


def tag_of(text: bytes) -> bytes:
    """The tag that ``text`` begins with, ``*`` if it has none."""
    match = _TAG.match(text)
    return match[1] if match else b"*"


def name_of(text: bytes) -> bytes:
    """The command's name in upper case without a ``UID`` before it, empty if ``text`` does not begin like a command."""
    match = _HEAD.match(text)
    if match is None:
        return b""
    name = match[2].upper()
    return match[3].upper() if name == b"UID" and match[3] else name


def parse(text: bytes, literals: Sequence[bytes] = (), *, utf8: bool = False) -> Command:
    """The command in ``text`` (see ``scanner`` for its form). Raises Malformed and nothing else."""
    match = _HEAD.match(text)
    if match is None:
        raise Malformed("Command is missing" if _TAG.match(text) else "Tag is missing")
    name = match[2].upper()
    if name == b"UID":
        parser = UID_PARSERS.get(match[3].upper()) if match[3] else None
        end = match.end()
    else:
        parser = PARSERS.get(name)
        end = match.end(2)
    if parser is None:
        raise Malformed("Unknown command")
    scanner = Scanner(text, literals, utf8=utf8)
    scanner.tag = match[1]
    scanner.pos = end
    command = parser(scanner)
    scanner.end()
    return command
