"""What folders a foreign IMAP server has, as it spells them: for who reads them and for who writes there (PLN-4).

The user's own namespace only (RFC 2342); uses (RFC 6154) and subscriptions by one LIST where the server can (RFC 5258), by LIST
and LSUB where it cannot.
"""

from __future__ import annotations

import imaplib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from posthouse.backends.sources import imap_answers as answers
from posthouse.backends.sources.imap_link import checked
from posthouse.model.mailbox import INBOX, SpecialUse

USES: dict[str, SpecialUse] = {
    "\\sent": "\\Sent",
    "\\drafts": "\\Drafts",
    "\\trash": "\\Trash",
    "\\junk": "\\Junk",
    "\\archive": "\\Archive",
}
CLOSED = frozenset(("\\noselect", "\\nonexistent"))


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """``place`` as the server spells it; ``attributes`` in lower case."""

    levels: tuple[str, ...]
    place: str
    attributes: frozenset[str]
    subscribed: bool

    @property
    def use(self) -> SpecialUse:
        """What it is for, by what the server says; "" if nothing."""
        return cast(SpecialUse, next((USES[word] for word in sorted(self.attributes) if word in USES), ""))


@dataclass(frozen=True, slots=True)
class ServerFolders:
    """``prefix`` and ``separator`` are those of the user's own names; "" for none."""

    folders: Sequence[ServerFolder]
    prefix: bytes
    separator: str


def server_folders(imap: imaplib.IMAP4, capabilities: frozenset[str]) -> ServerFolders:
    """All folders of the user's own. Raises imaplib's errors."""
    prefix: bytes = b""
    others: tuple[bytes, ...] = ()
    if "NAMESPACE" in capabilities:
        prefix, others = answers.namespaces(checked(imap.namespace()))
    if {"LIST-EXTENDED", "IMAP4REV2"} & capabilities:
        uses = "SPECIAL-USE SUBSCRIBED" if {"SPECIAL-USE", "IMAP4REV2"} & capabilities else "SUBSCRIBED"
        checked(imap.xatom("LIST", '""', '"*"', f"RETURN ({uses})"))
        listed = list(answers.folders(cast("answers.Answers", imap.response("LIST")[1])))
        subscribed = {folder.name for folder in listed if "\\subscribed" in folder.attributes}
    else:
        listed = list(answers.folders(checked(imap.list('""', '"*"'))))
        subscribed = {folder.name for folder in answers.folders(checked(imap.lsub('""', '"*"')))}
    own = [
        _folder(folder, prefix, subscribed=folder.name in subscribed)
        for folder in listed
        if not (others and folder.name.startswith(others))
    ]
    separator = next((folder.separator for folder in listed if folder.separator), "")
    return ServerFolders(own, prefix, separator)


def _folder(listed: answers.ListedFolder, prefix: bytes, *, subscribed: bool) -> ServerFolder:
    levels = listed.levels(prefix)
    if len(levels) == 1 and levels[0].upper() == INBOX:
        levels = (INBOX,)
    return ServerFolder(levels, listed.name.decode("latin-1"), listed.attributes, subscribed or levels == (INBOX,))
