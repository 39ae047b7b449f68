"""A Maildir++ tree as a target (PLN-4): readable by Dovecot, Courier, mutt and Python's mailbox module.

A message's name follows from its date and its key at the source, so that a message that is there already is known again
whatever was interrupted. Flags stand in the names, keywords in ``dovecot-keywords``, subscriptions in ``subscriptions``; a
file's time is the message's date. Each file is written in ``tmp``, synced, and renamed into ``cur``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from posthouse.backends.sources.tree import disk_errors
from posthouse.backends.targets.ground import claim, sync_folder, write_whole
from posthouse.base.errors import AlreadyExists
from posthouse.formats import maildir
from posthouse.formats.mbox import lf
from posthouse.interfaces.mail_source import FlagChange, Folder, Letter, Wanted, digest_of
from posthouse.model.mailbox import INBOX

WRITERS = 16


class MaildirTarget:
    """``root`` becomes the Maildir; the inbox is right in it."""

    takes_changes = True
    whole_batches = False

    def __init__(self, root: Path) -> None:
        """Raises MailError."""
        claim(root)
        self._root = root
        self._files: dict[str, dict[str, str]] = {}
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="maildir")

    async def open_folder(self, folder: Folder, earlier: str) -> str:
        return await asyncio.to_thread(self._open_folder, folder, earlier)

    def _open_folder(self, folder: Folder, earlier: str) -> str:
        inbox = folder.levels == (INBOX,)
        reference = "." if inbox else maildir.folder_name(folder.levels)
        path = self._root / reference
        with disk_errors(str(path)):
            for name in maildir.SUBFOLDERS:
                (path / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            if not inbox:
                (path / "maildirfolder").touch(0o600)
            self._files[reference] = {maildir.split_name(name)[0]: name for name in _names(path / "cur")}
            if not earlier and self._files[reference]:
                raise AlreadyExists(f"{path} has messages already; give a new folder")
            self._subscribe(folder, reference)
        return reference

    def _subscribe(self, folder: Folder, reference: str) -> None:
        path = self._root / "subscriptions"
        name = INBOX if reference == "." else reference.removeprefix(".")
        known = path.read_text().splitlines() if path.exists() else []
        if folder.subscribed and name not in known:
            write_whole(path, "".join(f"{line}\n" for line in [*known, name]).encode())

    async def mark(self, reference: str) -> str:
        return ""

    async def append(self, reference: str, letters: Sequence[Letter]) -> Sequence[str]:
        return await asyncio.to_thread(self._append, reference, letters)

    def _append(self, reference: str, letters: Sequence[Letter]) -> list[str]:
        path, keys = self._root / reference, []
        with disk_errors(str(path)):
            keywords = self._keywords(path)
            known = len(keywords)
            fresh = [path / "tmp" / _base(letter.key, letter.received_at or 0.0) for letter in letters]
            # Many syncs at once share the disk's writes: several times as fast as one after the other.
            list(self._writers.map(_write, fresh, letters))
            for letter, file in zip(letters, fresh, strict=True):
                base = file.name
                name = f"{base}:2,{maildir.letters_of(letter.flags, keywords)}"
                self._drop(path, reference, base)
                file.rename(path / "cur" / name)
                self._files[reference][base] = name
                keys.append(base)
            if len(keywords) > known:
                write_whole(path / "dovecot-keywords", maildir.render_keywords(keywords).encode())
            sync_folder(path / "cur")
        return keys

    def _keywords(self, path: Path) -> list[str]:
        file = path / "dovecot-keywords"
        return maildir.parse_keywords(file.read_text()) if file.exists() else []

    def _drop(self, path: Path, reference: str, base: str) -> None:
        if (old := self._files[reference].pop(base, None)) is not None:
            (path / "cur" / old).unlink(missing_ok=True)

    async def find(self, reference: str, mark: str, wanted: Sequence[Wanted]) -> Sequence[str | None]:
        bases = [_base(each.key, each.received_at) for each in wanted]
        return [base if base in self._files[reference] else None for base in bases]

    async def change_flags(self, reference: str, changes: Sequence[FlagChange]) -> None:
        await asyncio.to_thread(self._change_flags, reference, changes)

    def _change_flags(self, reference: str, changes: Sequence[FlagChange]) -> None:
        path = self._root / reference
        with disk_errors(str(path)):
            keywords = self._keywords(path)
            known = len(keywords)
            for change in changes:
                for key in change.keys:
                    self._rename(path, reference, key, change, keywords)
            if len(keywords) > known:
                write_whole(path / "dovecot-keywords", maildir.render_keywords(keywords).encode())
            sync_folder(path / "cur")

    def _rename(self, path: Path, reference: str, key: str, change: FlagChange, keywords: list[str]) -> None:
        old = self._files[reference].get(key)
        if old is None:
            return
        now = maildir.flags_of(maildir.split_name(old)[1], keywords)
        flags = [flag for flag in (*now, *change.added) if flag not in change.removed]
        new = f"{key}:2,{maildir.letters_of(flags, keywords)}"
        (path / "cur" / old).rename(path / "cur" / new)
        self._files[reference][key] = new

    async def remove(self, reference: str, keys: Sequence[str]) -> None:
        def work() -> None:
            path = self._root / reference
            with disk_errors(str(path)):
                for key in keys:
                    self._drop(path, reference, key)
                sync_folder(path / "cur")

        await asyncio.to_thread(work)

    async def close(self) -> None:
        self._writers.shutdown(wait=False)


def _write(file: Path, letter: Letter) -> None:
    write_whole(file, lf(letter.content), in_place=True, at=letter.received_at or 0.0)


def _names(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir()]


def _base(key: str, at: float) -> str:
    return f"{int(at)}.P{digest_of(key.encode()).hex()[:20]}.posthouse"
