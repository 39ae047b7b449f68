"""mbox files as a target (PLN-4): one file for one mailbox, or a tree as Thunderbird keeps it (``Work.sbd/2026``).

An mbox only grows here: messages that come later are added, flags are as they were when a message was added. A batch that was
interrupted is cut off again, by the length that the file had before it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from posthouse.backends.sources.tree import disk_errors
from posthouse.backends.targets.ground import claim
from posthouse.base.errors import AlreadyExists
from posthouse.formats.mbox import render
from posthouse.interfaces.mail_source import FlagChange, Folder, Letter, Wanted

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class MboxTarget:
    """``single``: ``path`` is the one file; otherwise the folder that all go into."""

    takes_changes = False
    whole_batches = False

    def __init__(self, path: Path, *, single: bool) -> None:
        """Raises MailError."""
        claim(path.parent if single else path)
        self._path = path
        self._single = single

    async def open_folder(self, folder: Folder, earlier: str) -> str:
        return await asyncio.to_thread(self._open_folder, folder, earlier)

    def _open_folder(self, folder: Folder, earlier: str) -> str:
        names = [_file_name(level) for level in folder.levels]
        path = self._path if self._single else self._path.joinpath(*(f"{name}.sbd" for name in names[:-1]), names[-1])
        with disk_errors(str(path)):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, _FLAGS, 0o600))
            if not earlier and path.stat().st_size:
                raise AlreadyExists(f"{path} is not empty; give a new path")
        return str(path)

    async def mark(self, reference: str) -> str:
        return str(await asyncio.to_thread(_size, reference))

    async def append(self, reference: str, letters: Sequence[Letter]) -> Sequence[str]:
        def work() -> None:
            with disk_errors(reference), os.fdopen(os.open(reference, _FLAGS, 0o600), "wb") as file:
                for letter in letters:
                    file.write(render(letter.content, letter.flags, letter.received_at or 0.0))
                file.flush()
                os.fsync(file.fileno())

        await asyncio.to_thread(work)
        return [""] * len(letters)

    async def find(self, reference: str, mark: str, wanted: Sequence[Wanted]) -> Sequence[str | None]:
        def work() -> None:
            if _size(reference) > int(mark):
                os.truncate(reference, int(mark))

        await asyncio.to_thread(work)
        return [None] * len(wanted)

    async def change_flags(self, reference: str, changes: Sequence[FlagChange]) -> None:
        """An mbox keeps what it was given."""

    async def remove(self, reference: str, keys: Sequence[str]) -> None:
        """An mbox keeps what it was given."""

    async def close(self) -> None:
        """Nothing to close."""


def _size(reference: str) -> int:
    with disk_errors(reference):
        return Path(reference).stat().st_size


def _file_name(level: str) -> str:
    """A level as a file's name, which never hides or leads elsewhere."""
    name = level.replace("/", "_").replace("\0", "_")
    return f"_{name}" if name.startswith(".") or not name else name
