"""A Maildir tree as a source: Maildir++, folders in folders (Dovecot's LAYOUT=fs), or both at once (PLN-4).

A message's key is its file's name without the flags; its date is the file's, as Dovecot and Courier keep it. Contents that
Dovecot compressed (gzip) are unpacked. Files that are renamed while the tree is read (a server still runs) are looked for
again.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from posthouse.backends.sources.tree import MAX_DEPTH, Tree, disk_error, text_key
from posthouse.base.errors import Permanent
from posthouse.formats import maildir
from posthouse.formats.mbox import crlf
from posthouse.interfaces.mail_source import Folder, Letter, Listed
from posthouse.model.mailbox import INBOX

MAX_MESSAGE_BYTES = 128 << 20
MAX_FOLDERS = 20_000
AT_ONCE = 50
AT_ONCE_BYTES = 4 << 20
_MAX_TEXT_FILE = 8 << 20
_GZIP = b"\x1f\x8b"


class MaildirSource:
    """``root`` holds the inbox (``cur``, ``new``) and the folders."""

    def __init__(self, root: Path) -> None:
        """Raises MailError."""
        self._tree = Tree(root)
        self._paths: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, tuple[str, str]] = {}

    async def folders(self) -> Sequence[Folder]:
        return await asyncio.to_thread(self._folders)

    def _folders(self) -> list[Folder]:
        subscribed = self._subscribed()
        found = {path: levels for path, levels in self._walk((), 0) if self._is_maildir(path)}
        if not found:
            raise Permanent("There is no Maildir: no folder with cur and new in it")
        self._paths = {text_key("/".join(path)): path for path in found}
        return [
            Folder(levels, text_key("/".join(path)), subscribed=subscribed is None or levels in subscribed or not path)
            for path, levels in list(found.items())[:MAX_FOLDERS]
        ]

    def _walk(self, path: tuple[str, ...], depth: int) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Paths that may be folders, with the levels that they stand for."""
        if not path:
            yield (), (INBOX,)
        for name in self._tree.entries(path).folders:
            if name in maildir.SUBFOLDERS:
                continue
            if name.startswith("."):
                if not path and name.strip("."):
                    yield (name,), maildir.folder_levels(name)
                continue
            below = (*path, name)
            yield below, tuple(maildir.path_level(part) for part in below)
            if depth < MAX_DEPTH:
                yield from self._walk(below, depth + 1)

    def _is_maildir(self, path: tuple[str, ...]) -> bool:
        return "cur" in self._tree.entries(path).folders

    def _subscribed(self) -> set[tuple[str, ...]] | None:
        text = self._text(("subscriptions",))
        if text is None:
            return None
        return {levels for separator in "./" for levels in maildir.parse_subscriptions(text, separator)}

    def _text(self, path: tuple[str, ...]) -> str | None:
        try:
            with self._tree.open(path) as file:
                return file.read(_MAX_TEXT_FILE).decode("utf-8", "surrogateescape")
        except OSError:
            return None

    async def listing(self, folder: Folder) -> Sequence[Listed]:
        return await asyncio.to_thread(self._listing, folder)

    def _listing(self, folder: Folder) -> list[Listed]:
        path = self._paths[folder.place]
        keywords = maildir.parse_keywords(self._text((*path, "dovecot-keywords")) or "")
        out: dict[str, Listed] = {}
        names: dict[str, tuple[str, str]] = {}
        for where, name in self._files(path):
            base, letters = maildir.split_name(name)
            key = text_key(base)
            names[key] = where, name
            out[key] = Listed(key, maildir.flags_of(letters, keywords) if where == "cur" else ())
        self._names = names
        return sorted(out.values(), key=lambda each: _age(each.key))

    def _files(self, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """``new`` first: a message that moves to ``cur`` meanwhile is met there."""
        present = self._tree.entries(path).folders
        for where in ("new", "cur"):
            if where in present:
                for name in self._tree.entries((*path, where)).files:
                    if not name.startswith("."):
                        yield where, name

    async def letters(self, folder: Folder, wanted: Sequence[Listed]) -> AsyncIterator[Letter]:
        at = 0
        while at < len(wanted):
            found, at = await asyncio.to_thread(self._some, self._paths[folder.place], wanted, at)
            for letter in found:
                yield letter

    def _some(self, path: tuple[str, ...], wanted: Sequence[Listed], at: int) -> tuple[list[Letter], int]:
        """Letters from ``wanted[at]`` on, few enough to be held; and where to go on."""
        out: list[Letter] = []
        size_bytes, first = 0, at
        while at < len(wanted) and at - first < AT_ONCE and size_bytes < AT_ONCE_BYTES:
            letter = self._letter(path, wanted[at])
            at += 1
            if letter is not None:
                out.append(letter)
                size_bytes += len(letter.content)
        return out, at

    def _letter(self, path: tuple[str, ...], each: Listed) -> Letter | None:
        for again in (False, True):
            if again:
                self._names = {text_key(maildir.split_name(name)[0]): (where, name) for where, name in self._files(path)}
            where_name = self._names.get(each.key)
            if where_name is None:
                continue
            try:
                with self._tree.open((*path, *where_name)) as file:
                    facts = os.fstat(file.fileno())
                    octets = file.read(MAX_MESSAGE_BYTES + 1)
            except FileNotFoundError:
                continue
            except OSError as error:
                return Letter(each.key, each.flags, None, b"", disk_error("the file", error).public)
            content = _unpacked(octets)
            if content is None or len(content) > MAX_MESSAGE_BYTES:
                trouble = "the message cannot be unpacked" if content is None else "the message is larger than 128 MiB"
                return Letter(each.key, each.flags, None, b"", trouble)
            if not content:
                return Letter(each.key, each.flags, None, b"", "the file is empty")
            return Letter(each.key, each.flags, facts.st_mtime, crlf(content))
        return None

    async def close(self) -> None:
        self._tree.close()


def _age(key: str) -> tuple[int, str]:
    seconds = key.partition(".")[0]
    return (int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 20 else 0), key


def _unpacked(octets: bytes) -> bytes | None:
    """None for what is broken; more than a message may have is cut right behind that."""
    if not octets.startswith(_GZIP):
        return octets
    try:
        return zlib.decompressobj(31).decompress(octets, MAX_MESSAGE_BYTES + 1)
    except zlib.error:
        return None
