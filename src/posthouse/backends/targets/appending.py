"""APPEND to a foreign IMAP server as fast as it allows (RFC 9051 §6.3.12; MULTIAPPEND, RFC 3502; LITERAL+, RFC 7888).

With both, a batch is one command without a wait; with neither, each message waits for the server twice. Octets go as they are:
imaplib's own ``append`` would change line ends.
"""

from __future__ import annotations

import imaplib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from posthouse.backends.sources.imap_link import checked
from posthouse.formats import dates
from posthouse.interfaces.mail_source import Letter

UNASKED_BYTES = 1 << 20
"""Larger messages are announced first, so that a server that does not want one can say so."""
_APPENDED = re.compile(rb"\[APPENDUID (\d{1,10}) ([\d,:]{1,4000})\]", re.I)

Flagged = tuple[Sequence[str], Letter]


@dataclass(frozen=True, slots=True)
class AppendedAs:
    """What a server named a message; 0 and 0 if it did not tell."""

    uid_validity: int = 0
    uid: int = 0


class Appending:
    """``capabilities`` are the server's."""

    def __init__(self, capabilities: frozenset[str]) -> None:
        self._unasked = "LITERAL+" in capabilities
        self._many = self._unasked and "MULTIAPPEND" in capabilities
        self.tells_uids = bool({"UIDPLUS", "IMAP4REV2"} & capabilities)

    def append(self, imap: imaplib.IMAP4, name: bytes, letters: Sequence[Flagged]) -> list[AppendedAs]:
        """Adds them in their order to the folder of that name, a quoted string. Raises imaplib's errors."""
        out: list[AppendedAs] = []
        group: list[Flagged] = []
        for each in letters:
            small = len(each[1].content) <= UNASKED_BYTES
            if group and not (self._many and small):
                out += self._command(imap, name, group)
                group = []
            group.append(each)
            if not small:
                out += self._command(imap, name, group)
                group = []
        return out + (self._command(imap, name, group) if group else [])

    def _command(self, imap: imaplib.IMAP4, name: bytes, letters: Sequence[Flagged]) -> list[AppendedAs]:
        words = [name]
        content = letters[0][1].content
        if self._unasked and len(content) <= UNASKED_BYTES:
            words += [b"%s {%d+}\r\n%s" % (_head(*each), len(each[1].content), each[1].content) for each in letters]
        else:
            words.append(_head(*letters[0]))
            imap.literal = cast(str, content)
        # In truth octets, which imaplib sends as they are.
        answer = checked(imap.xatom("APPEND", *cast("list[str]", words)))
        imap.response("APPENDUID")  # imaplib would keep each
        said = answer[0] if answer and isinstance(answer[0], bytes) else b""
        return _appended(said, len(letters))


def _head(flags: Sequence[str], letter: Letter) -> bytes:
    return f'({" ".join(flags)}) "{dates.render_internal(letter.received_at or 0.0)}"'.encode("latin-1")


def _appended(said: bytes, count: int) -> list[AppendedAs]:
    match = _APPENDED.search(said)
    uids: list[int] = []
    for part in match[2].split(b",") if match else ():
        first, _, last = part.partition(b":")
        low, high = sorted((int(first or 0), int(last or first or 0)))
        uids += range(low, min(high, low + count) + 1)
    if match is None or len(uids) != count:
        return [AppendedAs()] * count
    return [AppendedAs(int(match[1]), uid) for uid in uids]
