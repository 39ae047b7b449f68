"""Jobs that bring mail in from elsewhere, or out (PLN-4): what is asked, how far it is, what went wrong.

A job copies folders with their messages from one place to another and remembers which message became which, so that it can go
on after any interruption, and be run once more for what changed since (the final delta).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

Direction = Literal["in", "out"]
Medium = Literal["mbox", "maildir", "imap"]
Security = Literal["tls", "starttls", "off"]
MasterForm = Literal["authzid", "star", "hash"]
JobState = Literal["waiting", "running", "done", "stopped", "failed"]

UNDER_WAY: tuple[JobState, ...] = ("waiting", "running")


@dataclass(frozen=True, slots=True)
class Remote:
    """An IMAP account elsewhere. With ``master`` that account's password opens ``login``'s mailboxes, by SASL's authorisation
    identity, as ``login*master`` or as ``#login#master#``. ``verify``: the server's certificate must be right."""

    host: str
    port: int
    login: str
    security: Security = "tls"
    verify: bool = True
    master: str = ""
    master_form: MasterForm = "authzid"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What is asked. ``path`` names a file or folder of this machine for mbox and Maildir, ``remote`` the server for IMAP.

    ``mailbox``: coming in, the mailbox that everything goes into or below; going out, the only mailbox taken. "" means all
    as they are.
    """

    account_id: int
    address: str
    direction: Direction
    medium: Medium
    path: str = ""
    remote: Remote | None = None
    mailbox: str = ""

    @property
    def place(self) -> str:
        """Where the mail comes from or goes to, for people."""
        if self.remote is not None:
            return f"imap://{self.remote.login}@{self.remote.host}:{self.remote.port}"
        return self.path


@dataclass(frozen=True, slots=True)
class Counts:
    """``found`` messages are on the other side, ``copied`` of them new; ``updated`` got other flags, ``removed`` vanished,
    ``failed`` could not be copied. ``folders`` are through. All since the run began, but ``copied`` and ``copied_bytes``,
    which are since the job began."""

    folders: int = 0
    found: int = 0
    copied: int = 0
    copied_bytes: int = 0
    updated: int = 0
    removed: int = 0
    failed: int = 0

    def plus(self, **more: int) -> Counts:
        """With these added."""
        return replace(self, **{name: getattr(self, name) + value for name, value in more.items()})

    def anew(self) -> Counts:
        """As another run begins."""
        return Counts(copied=self.copied, copied_bytes=self.copied_bytes)


@dataclass(frozen=True, slots=True)
class Job:
    """``remove``: messages that vanish at the source are removed from the copy too. ``reason`` says why it stopped or failed.
    ``runs`` counts the runs that came to their end."""

    job_id: str
    spec: JobSpec
    state: JobState
    begun_at: float
    changed_at: float
    counts: Counts = field(default_factory=Counts)
    remove: bool = False
    reason: str = ""
    runs: int = 0


@dataclass(frozen=True, slots=True)
class JobProblem:
    """One thing that could not be copied: a message by its key in a folder, or a whole folder (``key`` is "")."""

    at: float
    folder: str
    key: str
    text: str
