"""A mail store, sink and spool of one kind, for the contract suites: in memory, or SQLite with its writing thread here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.backends.memory.sink import MemorySink
from posthouse.backends.memory.spool import MemorySpool
from posthouse.backends.notices import Committed
from posthouse.backends.sqlite.local_gate import LocalGate
from posthouse.backends.sqlite.mailstore import SqliteMailStore
from posthouse.backends.sqlite.quarantine import SqliteQuarantine
from posthouse.backends.sqlite.sink import SqliteSink
from posthouse.backends.sqlite.spool import SqliteSpool
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.clock import ManualClock
from posthouse.formats.mime import summarise
from posthouse.interfaces.limits import Allowances, unlimited
from posthouse.interfaces.mailstore import MailStore
from posthouse.interfaces.quarantine import Quarantine
from posthouse.interfaces.sink import Sink
from posthouse.interfaces.spool import Spool
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mailbox import NewMessage
from posthouse.model.plan import Acceptance, Destination, Origin, ToMailbox, ToQuarantine, ToQueue
from posthouse.model.settings import StoreSettings
from posthouse.model.verdict import QuarantineKind

KINDS = ("memory", "sqlite", "sqlite uncompressed")
LIFETIME_S = 1000.0


@dataclass
class MailBackends:
    """``told`` lists the notices of commits."""

    store: MailStore
    sink: Sink
    spool: Spool
    quarantine: Quarantine
    clock: ManualClock
    told: list[Committed] = field(default_factory=list)
    settings: StoreSettings = field(default_factory=StoreSettings)


@asynccontextmanager
async def mail_backends(kind: str, folder: Path, *, allowances: Allowances = unlimited) -> AsyncIterator[MailBackends]:
    """``kind`` is one of KINDS."""
    clock = ManualClock()
    told: list[Committed] = []
    settings = StoreSettings(max_mailboxes=20, max_mailbox_depth=5, compression="uncompressed" not in kind)
    if kind == "memory":
        store = MemoryMailStore(clock=clock, settings=lambda: settings, on_committed=told.append, allowances=allowances)
        spool = MemorySpool(clock=clock, lifetime_s=lambda: LIFETIME_S, on_committed=told.append)
        memory_sink = MemorySink(store, spool, allowances=allowances, clock=clock)
        yield MailBackends(store, memory_sink, spool, memory_sink.quarantine, clock, told, settings)
        return
    path = folder / "mail.db"
    writer = MailWriterThread(path, told.append, clock=clock)
    writer.start()
    gate = LocalGate(writer)
    real_store = SqliteMailStore(gate, path, settings=lambda: settings, allowances=allowances)
    real_spool = SqliteSpool(gate, path, lifetime_s=lambda: LIFETIME_S, packer=real_store.packer)
    quarantine = SqliteQuarantine(gate, path, lifetime_s=lambda: LIFETIME_S, packer=real_store.packer)
    sink = SqliteSink(gate, path, lifetime_s=lambda: LIFETIME_S, allowances=allowances, packer=real_store.packer)
    try:
        yield MailBackends(real_store, sink, real_spool, quarantine, clock, told, settings)
    finally:
        quarantine.close()
        real_store.close()
        real_spool.close()
        writer.stop()


def letter(text: str = "hello", size_bytes: int = 0) -> bytes:
    """A small message, filled up to about ``size_bytes``."""
    head = f"From: Jane <jane@example.com>\r\nTo: joe@example.com\r\nSubject: {text}\r\n\r\n{text}\r\n"
    return head.encode() + b"0123456789" * 7 * (max(0, size_bytes - len(head)) // 70) + b"\r\n"


def new(text: str, *flags: str) -> NewMessage:
    """For APPEND."""
    return NewMessage(letter(text), flags)


def to_mailbox(account_id: int, mailbox: str = "INBOX", flags: tuple[str, ...] = ()) -> ToMailbox:
    """Into a local mailbox."""
    return ToMailbox(Recipient(Address("joe", "example.com")), account_id, mailbox, flags)


def to_queue(local: str = "ann", next_hop: str = "") -> ToQueue:
    """To another host."""
    recipient = Recipient(Address(local, "example.net"), frozenset({"FAILURE"}), f"rfc822;{local}@example.net")
    return ToQueue(recipient, next_hop, "orig@example.com")


def to_quarantine(onward: ToMailbox | ToQueue, kind: QuarantineKind = "junk", name: str = "", at: float = 0.0) -> ToQuarantine:
    """Held back on its way to ``onward``."""
    return ToQuarantine(onward.recipient, kind, name or kind, "a stage", "a rule", "because", at, onward)


def acceptance(content: bytes, *destinations: Destination, trace_id: str = "T1", received_at: float = 500.0) -> Acceptance:
    """An accepted message from Jane."""
    sender = Sender(Address("jane", "example.com"), 1000, "8BITMIME", smtputf8=True, ret="HDRS", envid="x y")
    origin = Origin("smtp", "192.0.2.9", "host.example.net", "helo.example.net", spf="pass", score=7.5)
    return Acceptance(trace_id, received_at, sender, content, summarise(content), tuple(destinations), origin)


async def texts(store: MailStore, mailbox_id: int) -> Sequence[bytes]:
    """The contents of a mailbox in UID order."""
    _, rows = await store.rows(mailbox_id)
    facts = await store.facts(mailbox_id, [row.uid for row in rows])
    return [await store.content(fact.body_id) for fact in facts]
