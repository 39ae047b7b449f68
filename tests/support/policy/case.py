"""One row of the table, and how its message is made."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from email.policy import SMTP

JANE, OMAR = "jane@example.test", "omar@example.org"
GOOD = "192.0.2.10"
"""A stranger whose address and name agree, and who may send for elsewhere.test."""
HELO = "good.elsewhere.test"


@dataclass(frozen=True)
class Case:
    """``name`` is also the local part of its sender, its subject and its Message-ID. ``phase`` names the settings that hold
    (``world.PHASES``). Expected: the last reply's ``code`` and a part of its ``text``; in the trace a step of ``stage`` with
    ``rule``, ``verdict`` and a part of ``detail``, and ``outcome``; ``place`` is "mailbox of user" where the message lies then,
    with ``gets`` in it and not ``lacks``. ``rows`` are rows of the specification. ``repeat``: sent so often before."""

    name: str
    rows: tuple[str, ...]
    code: int = 250
    text: str = ""
    stage: str = ""
    rule: str = ""
    verdict: str = ""
    detail: str = ""
    outcome: str = ""
    place: str = ""
    gets: bytes = b""
    lacks: bytes = b""
    phase: str = "base"
    client: str = GOOD
    helo: str = HELO
    sender: str = ""
    rcpt: tuple[str, ...] = (JANE,)
    login: str = ""
    tls: bool = False
    repeat: int = 0
    content: bytes = b""
    subject: str = ""
    body: str = "Hello, this is a plain message.\r\n"
    fields: tuple[tuple[str, str], ...] = ()
    attachments: tuple[tuple[str, bytes], ...] = ()
    author: str = ""
    null: bool = False
    params: str = field(default="")

    @property
    def mail_from(self) -> str:
        return "" if self.null else self.sender or f"{self.name}@elsewhere.test"

    @property
    def message_id(self) -> str:
        return f"<{self.name}@table.test>"

    @property
    def message(self) -> bytes:
        """As it goes over the wire."""
        if self.content:
            return self.content.replace(b"$NAME", self.name.encode())
        made = EmailMessage(policy=SMTP)
        made["From"] = self.author or self.mail_from or "mailer-daemon@elsewhere.test"
        made["To"] = self.rcpt[0] if "@" in self.rcpt[0] else JANE
        made["Subject"] = self.subject or self.name
        made["Date"] = "Tue, 24 Nov 2026 10:00:00 +0000"
        made["Message-ID"] = self.message_id
        for name, value in self.fields:
            made[name] = value
        made.set_content(self.body)
        for name, octets in self.attachments:
            made.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
        return made.as_bytes()

    def but(self, name: str, **changes: object) -> Case:
        """The same with another name and some differences."""
        return replace(self, name=name, **changes)  # type: ignore[arg-type]


def refused(name: str, row: str, stage: str, rule: str, code: int = 550, **more: object) -> Case:
    """Refused for good, by this stage and rule."""
    given = {"verdict": "refuse", "outcome": "refused"} | more
    return Case(name, tuple(row.split()), code, stage=stage, rule=rule, **given)  # type: ignore[arg-type]


def deferred(name: str, row: str, stage: str, rule: str, code: int = 451, **more: object) -> Case:
    """Put off."""
    given = {"verdict": "defer", "outcome": "deferred"} | more
    return Case(name, tuple(row.split()), code, stage=stage, rule=rule, **given)  # type: ignore[arg-type]


def taken(name: str, row: str, stage: str, rule: str, detail: str = "", **more: object) -> Case:
    """Accepted and on its way."""
    given = {"outcome": "accepted", "stage": stage, "rule": rule, "detail": detail} | more
    return Case(name, tuple(row.split()), **given)  # type: ignore[arg-type]


def held(name: str, row: str, stage: str, rule: str, detail: str = "", **more: object) -> Case:
    """Accepted and held back."""
    given = {"outcome": "held", "stage": stage, "rule": rule, "detail": detail} | more
    return Case(name, tuple(row.split()), **given)  # type: ignore[arg-type]


def dropped(name: str, row: str, stage: str, rule: str, detail: str = "", **more: object) -> Case:
    """Accepted and dropped."""
    given = {"outcome": "discarded", "stage": stage, "rule": rule, "detail": detail} | more
    return Case(name, tuple(row.split()), **given)  # type: ignore[arg-type]
