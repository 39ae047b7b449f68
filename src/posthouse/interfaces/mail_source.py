"""Where mail is copied from and to (PLN-4): files, another IMAP server, or our own store, all the same to the one who copies.

Folders are named by their levels; ``("INBOX",)`` is the inbox everywhere. A message's key names it in its folder for good: a
source that numbers its messages anew gives other keys. Calls raise Temporary when trying again may help, Permanent when it
will not.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from posthouse.model.mailbox import SpecialUse
from posthouse.model.migration import JobSpec


@dataclass(frozen=True, slots=True)
class Folder:
    """``place`` is the source's own name for it. ``all_mail``: it shows messages that are in other folders too (RFC 6154
    \\All)."""

    levels: tuple[str, ...]
    place: str
    special_use: SpecialUse = ""
    subscribed: bool = True
    all_mail: bool = False

    @property
    def name(self) -> str:
        """For people and for records."""
        return "/".join(self.levels)


@dataclass(frozen=True, slots=True)
class Listed:
    """A message that is there. ``flags`` are names as IMAP's; ``size_bytes`` is 0 where it is not known."""

    key: str
    flags: tuple[str, ...]
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Letter:
    """One message with CRLF line ends. ``trouble`` says why ``content`` is empty."""

    key: str
    flags: tuple[str, ...]
    received_at: float | None
    content: bytes
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a letter can be known by again: ``digest_of`` its content, and its date."""

    key: str
    digest: bytes
    received_at: float


@dataclass(frozen=True, slots=True)
class FlagChange:
    """The same change for several messages, by the target's keys."""

    keys: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


def digest_of(content: bytes) -> bytes:
    """16 octets that stand for a content."""
    return hashlib.sha256(content).digest()[:16]


class MailSource(Protocol):
    async def folders(self) -> Sequence[Folder]: ...

    async def listing(self, folder: Folder) -> Sequence[Listed]:
        """All messages of a folder, oldest first."""
        ...

    def letters(self, folder: Folder, wanted: Sequence[Listed]) -> AsyncIterator[Letter]:
        """The wanted messages, as ``listing`` gave them and in that order; those that vanished meanwhile are left out.
        Holds few at a time."""
        ...

    async def close(self) -> None: ...


class MailTarget(Protocol):
    """``takes_changes``: flags can be changed and messages removed later. ``whole_batches``: ``append`` takes all or nothing,
    whatever is killed meanwhile."""

    takes_changes: bool
    whole_batches: bool

    async def open_folder(self, folder: Folder, earlier: str) -> str:
        """The folder's reference, made if need be. ``earlier`` is the reference that it had, "" if none: it comes back if that
        is still there, under whatever name."""
        ...

    async def mark(self, reference: str) -> str:
        """What ``find`` will need to look at nothing but what comes after this moment."""
        ...

    async def append(self, reference: str, letters: Sequence[Letter]) -> Sequence[str]:
        """Adds letters (all with a date); gives their keys, "" for one that cannot be named again. Durable when it returns."""
        ...

    async def find(self, reference: str, mark: str, wanted: Sequence[Wanted]) -> Sequence[str | None]:
        """The keys of those that came after ``mark``, None for those that did not. What came of them and cannot be named is
        taken out again."""
        ...

    async def change_flags(self, reference: str, changes: Sequence[FlagChange]) -> None: ...

    async def remove(self, reference: str, keys: Sequence[str]) -> None: ...

    async def close(self) -> None: ...


class MailPlaces(Protocol):
    """Opens the other side of jobs: files and servers. Raises MailError."""

    async def source(self, spec: JobSpec, password: str) -> MailSource: ...

    async def target(self, spec: JobSpec, password: str) -> MailTarget: ...
