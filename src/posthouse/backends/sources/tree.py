"""A tree of folders and files on disk, read without following any symbolic link below its root.

Users may own what is imported with the node's rights, so nothing in the tree may lead out of it, not even while it is read:
every step is opened by its name in the folder before (``openat`` with O_NOFOLLOW). Blocking: callers use threads.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from posthouse.base.errors import MailError, Permanent, Temporary

MAX_DEPTH = 20
MAX_ENTRIES = 5_000_000
_PASSING = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ETIMEDOUT)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Entries:
    """The names in one folder; links and devices are in neither."""

    folders: tuple[str, ...]
    files: tuple[str, ...]


class Tree:
    """``root`` is a folder. Parts of paths are single names. Raises MailError for what cannot be read."""

    def __init__(self, root: Path) -> None:
        with disk_errors(root.name):
            self._root = os.open(root, _FOLDER)

    def close(self) -> None:
        """Lets go of the root; idempotent."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def entries(self, parts: tuple[str, ...]) -> Entries:
        """What is in a folder, sorted. Raises Permanent, also for more than anyone has."""
        with disk_errors("/".join(parts)), self._folder(parts) as descriptor:
            folders, files = [], []
            with os.scandir(descriptor) as found:
                for entry in found:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif entry.is_file(follow_symlinks=False):
                        files.append(entry.name)
                    if len(files) > MAX_ENTRIES:
                        raise Permanent("The folder has too many files")
        return Entries(tuple(sorted(folders)), tuple(sorted(files)))

    def open(self, parts: tuple[str, ...]) -> BinaryIO:
        """A regular file for reading. Raises OSError: FileNotFoundError if it is gone, another for what is no plain file."""
        with self._folder(parts[:-1]) as folder:
            descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError("not a plain file")
        return os.fdopen(descriptor, "rb")

    @contextmanager
    def _folder(self, parts: tuple[str, ...]) -> Iterator[int]:
        descriptor = os.dup(self._root)
        try:
            for part in parts:
                if part in ("", ".", "..") or "/" in part:
                    raise OSError("not a name in a folder")
                below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turns the system's errors into the house's: reading again helps only where the disk is in trouble."""
    try:
        yield
    except OSError as error:
        raise disk_error(what, error) from error


def disk_error(what: str, error: OSError) -> MailError:
    """What an administrator is told."""
    text = f"{what or 'the path'}: {error.strerror or error}"
    kind = Temporary if error.errno in _PASSING else Permanent
    return kind(text, cause=str(error))


def text_key(name: str) -> str:
    """A file's name as text that any record can hold."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
