"""mbox files as a source: one file, or a tree of them as Thunderbird (``.sbd``) and mutt (``~/Mail``) keep it (PLN-4).

An mbox has no names for its messages, so a message's key is its content's digest, and a number where the same is there twice.
Each file is read once to list it and once more for what is new, never held whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from pathlib import Path

from posthouse.backends.sources.tree import MAX_DEPTH, Tree, disk_errors, text_key
from posthouse.base.errors import Permanent
from posthouse.formats.mbox import MboxMessage, MboxReader, is_from_line
from posthouse.interfaces.mail_source import Folder, Letter, Listed, digest_of
from posthouse.model.mailbox import INBOX

MAX_MESSAGE_BYTES = 128 << 20
MAX_FOLDERS = 20_000
CHUNK_BYTES = 256 << 10
AT_ONCE = 50
AT_ONCE_BYTES = 4 << 20
_NOT_MAIL = (".msf", ".lock", ".dat", ".html", ".json", ".sqlite")
_INBOXES = ("inbox", "mbox")

_Messages = Generator[tuple[str, MboxMessage], None, None]


class MboxSource:
    """``path``: a file or a folder. ``as_inbox``: a single file is not named by its own name, but as the inbox."""

    def __init__(self, path: Path, *, as_inbox: bool = False) -> None:
        """Raises MailError."""
        with disk_errors(path.name):
            real = path.resolve(strict=True)
        self._single = "" if real.is_dir() else real.name
        self._as_inbox = as_inbox
        self._tree = Tree(real.parent if self._single else real)
        self._paths: dict[str, tuple[str, ...]] = {}

    async def folders(self) -> Sequence[Folder]:
        return await asyncio.to_thread(self._folders)

    def _folders(self) -> list[Folder]:
        found = [(self._single,)] if self._single else list(self._walk((), 0))
        found = [path for path in found if self._is_mbox(path)][:MAX_FOLDERS]
        if not found:
            raise Permanent("There is no mbox: no file that begins with a From line")
        self._paths = {text_key("/".join(path)): path for path in found}
        if self._single and self._as_inbox:
            return [Folder((INBOX,), text_key(self._single))]
        return [Folder(_levels(path), key) for key, path in self._paths.items()]

    def _walk(self, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, ...]]:
        entries = self._tree.entries(path)
        for name in entries.files:
            if not name.startswith(".") and not name.endswith(_NOT_MAIL):
                yield (*path, name)
        for name in entries.folders if depth < MAX_DEPTH else ():
            if not name.startswith("."):
                yield from self._walk((*path, name), depth + 1)

    def _is_mbox(self, path: tuple[str, ...]) -> bool:
        with disk_errors(path[-1]), self._tree.open(path) as file:
            return is_from_line(file.readline(1000).removeprefix(b"\xef\xbb\xbf"))

    async def listing(self, folder: Folder) -> Sequence[Listed]:
        return await asyncio.to_thread(self._listing, folder)

    def _listing(self, folder: Folder) -> list[Listed]:
        return [Listed(key, message.flags, message.size_bytes) for key, message in self._messages(self._paths[folder.place])]

    async def letters(self, folder: Folder, wanted: Sequence[Listed]) -> AsyncIterator[Letter]:
        keys = {each.key for each in wanted}
        messages = self._messages(self._paths[folder.place])
        try:
            while found := await asyncio.to_thread(_some, messages, keys):
                for letter in found:
                    yield letter
        finally:
            with contextlib.suppress(ValueError):  # a thread is still reading; it ends with the piece that it reads
                messages.close()

    def _messages(self, path: tuple[str, ...]) -> _Messages:
        reader, seen = MboxReader(MAX_MESSAGE_BYTES), Counter[str]()
        with disk_errors(path[-1]), self._tree.open(path) as file:
            while True:
                chunk = file.read(CHUNK_BYTES)
                for message in reader.feed(chunk) if chunk else reader.finish():
                    digest = digest_of(message.content).hex() if message.is_whole else f"large.{message.size_bytes}"
                    seen[digest] += 1
                    yield f"{digest}.{seen[digest]}", message
                if not chunk:
                    return

    async def close(self) -> None:
        self._tree.close()


def _some(messages: _Messages, keys: set[str]) -> list[Letter]:
    """The next letters that are wanted, few enough to be held; none at the end."""
    out: list[Letter] = []
    size_bytes = 0
    for key, message in messages:
        if key in keys:
            trouble = "" if message.is_whole else "the message is larger than 128 MiB"
            out.append(Letter(key, message.flags, message.received_at, message.content, trouble))
            size_bytes += len(message.content)
        if len(out) >= AT_ONCE or size_bytes >= AT_ONCE_BYTES:
            break
    return out


def _levels(path: tuple[str, ...]) -> tuple[str, ...]:
    """Levels of ``("Local.sbd", "Work")``, ``("Work.mbox", "mbox")``, ``("Inbox",)``."""
    levels = [text_key(part).removesuffix(".sbd").removesuffix(".mbox") or text_key(part) for part in path]
    if len(path) > 1 and path[-1] == "mbox" and path[-2].endswith(".mbox"):
        levels.pop()
    if len(levels) == 1 and levels[0].lower() in _INBOXES:
        return (INBOX,)
    return tuple(levels)
