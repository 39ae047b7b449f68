"""Another IMAP server as a source (PLN-4): any that speaks IMAP4rev1 (RFC 3501), better ones with less to guess.

Mailboxes are opened with EXAMINE and contents fetched with BODY.PEEK, so nothing changes there. A message's key is UIDVALIDITY
and UID: when a server numbers anew, the keys are new and contents are compared instead. While one group of messages is added
here, the next is under way already; no more than two groups are held.
"""

from __future__ import annotations

import asyncio
import imaplib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import cast

from posthouse.backends.sources import imap_answers as answers
from posthouse.backends.sources.imap_folders import CLOSED, server_folders
from posthouse.backends.sources.imap_link import MAX_MESSAGE_BYTES, ImapLink, checked
from posthouse.base.errors import Permanent
from posthouse.formats import dates
from posthouse.interfaces.mail_source import Folder, Letter, Listed

LIST_AT_ONCE = 5_000
AT_ONCE = 50
AT_ONCE_BYTES = 4 << 20
MAX_MESSAGES = 20_000_000
_NOT_FOLDERS = CLOSED | {"\\flagged", "\\important"}
"""What cannot be opened, and what only shows messages of other folders that have a mark."""


class ImapSource:
    """``link`` is open."""

    def __init__(self, link: ImapLink) -> None:
        self._link = link
        self._selected: tuple[str, str] = "", ""

    async def folders(self) -> Sequence[Folder]:
        return await self._link.call(self._folders)

    def _folders(self, imap: imaplib.IMAP4) -> list[Folder]:
        return [
            Folder(folder.levels, folder.place, folder.use, folder.subscribed, "\\all" in folder.attributes)
            for folder in server_folders(imap, self._link.capabilities).folders
            if not folder.attributes & _NOT_FOLDERS
        ]

    async def listing(self, folder: Folder) -> Sequence[Listed]:
        return await self._link.call(lambda imap: self._listing(imap, folder))

    def _listing(self, imap: imaplib.IMAP4, folder: Folder) -> list[Listed]:
        exists = self._select(imap, folder)
        uid_validity = self._selected[1]
        out: dict[int, Listed] = {}
        # By sequence numbers: no message may leave them while FETCH is all that is asked (RFC 9051 §5.5, §7.5.1).
        for first in range(1, exists + 1, LIST_AT_ONCE):
            last = min(first + LIST_AT_ONCE - 1, exists)
            data = checked(imap.fetch(f"{first}:{last}", "(UID FLAGS RFC822.SIZE)"))
            for each in answers.fetched(data):
                out[each.uid] = Listed(f"{uid_validity}.{each.uid}", each.flags, each.size_bytes)
        return [out[uid] for uid in sorted(out)]

    def _select(self, imap: imaplib.IMAP4, folder: Folder) -> int:
        """Opens a mailbox for reading; gives how many messages it has."""
        data = checked(imap.select(answers.quoted(folder.place.encode("latin-1")), readonly=True))
        number = data[0] if data and isinstance(data[0], bytes) else b""
        validity = cast("answers.Answers", imap.response("UIDVALIDITY")[1])
        uid_validity = validity[0].decode("latin-1") if validity and isinstance(validity[0], bytes) else ""
        if not number.isdigit() or int(number) > MAX_MESSAGES or not uid_validity.isdigit():
            raise Permanent("The server does not say what is in this mailbox")
        self._selected = folder.place, uid_validity
        return int(number)

    async def letters(self, folder: Folder, wanted: Sequence[Listed]) -> AsyncIterator[Letter]:
        if self._selected[0] != folder.place:
            await self._link.call(lambda imap: self._select(imap, folder))
        under_way: asyncio.Task[list[Letter]] | None = None
        try:
            for group in [*grouped(wanted), []]:
                ready, under_way = under_way, asyncio.create_task(self._fetch(group)) if group else None
                for letter in await ready if ready is not None else ():
                    yield letter
        finally:
            if under_way is not None:
                under_way.cancel()

    async def _fetch(self, group: Sequence[Listed]) -> list[Letter]:
        if len(group) == 1 and group[0].size_bytes > MAX_MESSAGE_BYTES:
            return [Letter(group[0].key, group[0].flags, None, b"", "the message is larger than 128 MiB")]
        return await self._link.call(lambda imap: self._fetched(imap, group))

    def _fetched(self, imap: imaplib.IMAP4, group: Sequence[Listed]) -> list[Letter]:
        by_uid = {int(each.key.rpartition(".")[2]): each for each in group if each.key.startswith(self._selected[1] + ".")}
        if not by_uid:
            return []
        uids = ",".join(map(str, by_uid))
        data = checked(imap.uid("FETCH", uids, "(UID INTERNALDATE BODY.PEEK[])"))
        out: dict[int, Letter] = {}
        for each in answers.fetched(data):
            listed = by_uid.get(each.uid)
            if listed is not None and each.date:
                trouble = "" if each.content else "the server gave no content"
                out[each.uid] = Letter(listed.key, listed.flags, _moment(each.date), each.content or b"", trouble)
        return [out[uid] for uid in by_uid if uid in out]

    async def close(self) -> None:
        await self._link.close()


def grouped(wanted: Sequence[Listed]) -> Iterator[list[Listed]]:
    """Few messages at a time, or few octets; one that is too large alone."""
    group: list[Listed] = []
    size_bytes = 0
    for each in wanted:
        if group and (len(group) >= AT_ONCE or size_bytes + each.size_bytes > AT_ONCE_BYTES):
            yield group
            group, size_bytes = [], 0
        group.append(each)
        size_bytes += each.size_bytes
    if group:
        yield group


def _moment(text: str) -> float | None:
    try:
        return dates.parse_internal(text if text[1:2] != "-" else " " + text)
    except ValueError:
        return None
