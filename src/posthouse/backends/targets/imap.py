"""Another IMAP server as a target (PLN-4): any that speaks IMAP4rev1 (RFC 3501), faster and surer with UIDPLUS (RFC 4315),
MULTIAPPEND (RFC 3502) and literals that need not be asked for (RFC 7888).

Folders find those of the same use there (RFC 6154), then those of the same name; what is missing is made. A message's key is
UIDVALIDITY and UID, as APPEND tells them; a server that does not tell them gets messages, but no changes later. What became
of a batch that was interrupted is found by comparing contents with all that came after the mark, the server's UIDNEXT.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from posthouse.backends.sources import imap_answers as answers
from posthouse.backends.sources.imap import grouped
from posthouse.backends.sources.imap_folders import CLOSED, ServerFolders, server_folders
from posthouse.backends.sources.imap_link import MAX_MESSAGE_BYTES, ImapLink, checked
from posthouse.backends.targets.appending import AppendedAs, Appending
from posthouse.base.errors import Permanent
from posthouse.interfaces.mail_source import FlagChange, Folder, Letter, Listed, Wanted, digest_of
from posthouse.model import utf7
from posthouse.model.mailbox import INBOX

UIDS_AT_ONCE = 200
_ANY = "\\*"
_ODD = re.compile(r"[./\\~%*#&]")
_FLAG = re.compile(r"\\?[^\x00-\x20\x7f-\U0010ffff(){%*\"\\\]]{1,100}")
"""An atom (RFC 9051 §9): what is none would end the command's line, or its list."""


class ImapTarget:
    """``link`` is open. References are UIDVALIDITY and the folder's name as the server spells it."""

    takes_changes = True
    whole_batches = False

    def __init__(self, link: ImapLink) -> None:
        self._link = link
        self._appending = Appending(link.capabilities)
        self._server: ServerFolders | None = None
        self._taken: set[str] = set()
        self._permanent: dict[str, frozenset[str]] = {}

    async def open_folder(self, folder: Folder, earlier: str) -> str:
        return await self._link.call(lambda imap: self._open_folder(imap, folder, earlier))

    def _open_folder(self, imap: imaplib.IMAP4, folder: Folder, earlier: str) -> str:
        if self._server is None:
            self._server = server_folders(imap, self._link.capabilities)
        there = {each.place for each in self._server.folders if not each.attributes & CLOSED}
        place = _place(earlier)
        if place not in there:
            place = self._find(self._server, folder) or self._made(imap, self._server, folder)
        self._taken.add(place)
        with self._selected(imap, place):
            validity = _number(imap, "UIDVALIDITY")
            # PERMANENTFLAGS may be missing: then all flags last (RFC 9051 §7.1).
            permanent = _response(imap, "PERMANENTFLAGS")
        words = permanent.strip(b"()").decode("latin-1").lower().split() if permanent is not None else [_ANY]
        reference = f"{validity} {place}"
        self._permanent[reference] = frozenset(words)
        if folder.subscribed:
            checked(imap.subscribe(_quoted(place)))
        return reference

    def _find(self, server: ServerFolders, folder: Folder) -> str:
        """The server's folder for one of ours, "" if it has none."""
        free = [each for each in server.folders if each.place not in self._taken and not each.attributes & CLOSED]
        for each in free:
            if folder.special_use and each.use == folder.special_use:
                return each.place
        levels = _allowed(folder.levels, server.separator)
        return next((each.place for each in free if each.levels == levels), "")

    def _made(self, imap: imaplib.IMAP4, server: ServerFolders, folder: Folder) -> str:
        levels = _allowed(folder.levels, server.separator)
        if levels == (INBOX,):
            return INBOX
        place = self._created(imap, server, levels, folder)
        if not place:
            # What servers allow in names differs; they do not say what they miss.
            plain = tuple(_ODD.sub("_", level) for level in levels)
            place = self._created(imap, server, plain, folder) if plain != levels else ""
        if not place:
            raise Permanent(f"The server does not make a folder for {folder.name}")
        return place

    def _created(self, imap: imaplib.IMAP4, server: ServerFolders, levels: Sequence[str], folder: Folder) -> str:
        name = server.separator.join(levels) if server.separator else "_".join(levels)
        place = (server.prefix + utf7.encode(name)).decode("latin-1")
        if place in self._taken:
            return ""
        if folder.special_use and "CREATE-SPECIAL-USE" in self._link.capabilities:
            with contextlib.suppress(imaplib.IMAP4.error):
                checked(imap.xatom("CREATE", _quoted(place), f"(USE ({folder.special_use}))"))
                return place
        status, data = imap.create(_quoted(place))
        exists = bool(data) and isinstance(data[0], bytes) and b"[ALREADYEXISTS]" in data[0].upper()
        return place if status == "OK" or exists else ""

    async def mark(self, reference: str) -> str:
        return await self._link.call(lambda imap: self._mark(imap, reference))

    def _mark(self, imap: imaplib.IMAP4, reference: str) -> str:
        data = checked(imap.status(_quoted(_place(reference)), "(UIDNEXT)"))
        return str(answers.uid_next(data) or 1)

    async def append(self, reference: str, letters: Sequence[Letter]) -> Sequence[str]:
        return await self._link.call(lambda imap: self._append(imap, reference, letters))

    def _append(self, imap: imaplib.IMAP4, reference: str, letters: Sequence[Letter]) -> list[str]:
        name = cast(bytes, _quoted(_place(reference)))
        kept = [(self._kept(reference, letter.flags), letter) for letter in letters]
        return [_key(each) for each in self._appending.append(imap, name, kept)]

    def _kept(self, reference: str, flags: Iterable[str]) -> tuple[str, ...]:
        """Those that the server keeps: a flag too many must not cost a message."""
        permanent = self._permanent[reference]
        known = [flag for flag in flags if flag.lower() in permanent or (_ANY in permanent and not flag.startswith("\\"))]
        return tuple(flag for flag in known if _FLAG.fullmatch(flag))

    async def find(self, reference: str, mark: str, wanted: Sequence[Wanted]) -> Sequence[str | None]:
        return await self._link.call(lambda imap: self._found(imap, reference, int(mark or 1), wanted))

    def _found(self, imap: imaplib.IMAP4, reference: str, mark: int, wanted: Sequence[Wanted]) -> list[str | None]:
        missing: defaultdict[bytes, list[int]] = defaultdict(list)
        for at, each in enumerate(wanted):
            missing[each.digest].append(at)
        found: list[str | None] = [None] * len(wanted)
        with self._selected(imap, _place(reference), readonly=True):
            validity = _number(imap, "UIDVALIDITY")
            data = checked(imap.uid("FETCH", f"{mark}:*", "(UID RFC822.SIZE)"))
            listed = [Listed(str(each.uid), (), each.size_bytes) for each in answers.fetched(data) if each.uid >= mark]
            for group in grouped([each for each in listed if each.size_bytes <= MAX_MESSAGE_BYTES]):
                if not any(missing.values()):
                    break
                uids = ",".join(each.key for each in group)
                for there in answers.fetched(checked(imap.uid("FETCH", uids, "(UID BODY.PEEK[])"))):
                    if there.content is not None and (places := missing[digest_of(there.content)]):
                        found[places.pop(0)] = f"{validity}.{there.uid}"
        return found

    async def change_flags(self, reference: str, changes: Sequence[FlagChange]) -> None:
        def work(imap: imaplib.IMAP4) -> None:
            with self._selected(imap, _place(reference)):
                validity = _number(imap, "UIDVALIDITY")
                for change in changes:
                    for sign, flags in (("+", change.added), ("-", change.removed)):
                        self._store(imap, _uids(validity, change.keys), sign, self._kept(reference, flags))

        await self._link.call(work)

    def _store(self, imap: imaplib.IMAP4, uids: Sequence[str], sign: str, flags: Sequence[str]) -> None:
        for at in range(0, len(uids) if flags else 0, UIDS_AT_ONCE):
            some = ",".join(uids[at : at + UIDS_AT_ONCE])
            checked(imap.uid("STORE", some, f"{sign}FLAGS.SILENT", f"({' '.join(flags)})"))

    async def remove(self, reference: str, keys: Sequence[str]) -> None:
        def work(imap: imaplib.IMAP4) -> None:
            with self._selected(imap, _place(reference)):
                uids = _uids(_number(imap, "UIDVALIDITY"), keys)
                self._store(imap, uids, "+", ("\\Deleted",))
                # Without UID EXPUNGE they stay marked: EXPUNGE would take what others have marked, too.
                for at in range(0, len(uids) if self._appending.tells_uids else 0, UIDS_AT_ONCE):
                    checked(imap.uid("EXPUNGE", ",".join(uids[at : at + UIDS_AT_ONCE])))

        await self._link.call(work)

    async def close(self) -> None:
        await self._link.close()

    @contextlib.contextmanager
    def _selected(self, imap: imaplib.IMAP4, place: str, *, readonly: bool = False) -> Iterator[None]:
        """A folder is open only while it must be: STATUS is for those that are not."""
        try:
            checked(imap.select(_quoted(place), readonly=readonly))
        except imaplib.IMAP4.readonly:
            raise Permanent("The server's folder is for reading only") from None
        yield
        if {"UNSELECT", "IMAP4REV2"} & self._link.capabilities:
            checked(imap.unselect())
        else:
            checked(imap.select(_quoted(place), readonly=True))
            checked(imap.close())


def _place(reference: str) -> str:
    return reference.partition(" ")[2]


def _quoted(place: str) -> str:
    return answers.quoted(place.encode("latin-1"))


def _response(imap: imaplib.IMAP4, code: str) -> bytes | None:
    """What the server said under a code when the folder was opened."""
    data = cast("answers.Answers", imap.response(code)[1])
    return data[0] if data and isinstance(data[0], bytes) else None


def _number(imap: imaplib.IMAP4, code: str) -> int:
    said = _response(imap, code) or b""
    if not said.isdigit():
        raise Permanent(f"The server does not tell the folder's {code}")
    return int(said)


def _allowed(levels: Sequence[str], separator: str) -> tuple[str, ...]:
    """Levels without what ends one there."""
    return tuple(level.replace(separator, "_") if separator else level for level in levels)


def _key(appended: AppendedAs) -> str:
    return f"{appended.uid_validity}.{appended.uid}" if appended.uid else ""


def _uids(validity: int, keys: Sequence[str]) -> list[str]:
    """Those of the keys that still mean messages of this folder."""
    return [key.partition(".")[2] for key in keys if key.partition(".")[0] == str(validity)]
