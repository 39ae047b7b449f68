"""Recorded traffic for a rehearsal: files on the node, stored mail, and traced mail as far as it is still stored (PLN-3).

Reads only. What does not tell its envelope or its client is told from the message: Return-Path, Received, From.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path

from posthouse.backends.sources.maildir import MaildirSource
from posthouse.backends.sources.mbox import MboxSource
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.directory import SqliteDirectory
from posthouse.backends.sqlite.reader import MailReading
from posthouse.backends.sqlite.traces import TraceReader
from posthouse.backends.sqlite.work import blob_folder
from posthouse.base.errors import BadValue, NotFound, Permanent
from posthouse.formats import headers, session_records
from posthouse.formats.mbox import crlf
from posthouse.formats.mime import index
from posthouse.formats.original import original
from posthouse.interfaces.mail_source import MailSource
from posthouse.model.address import Address
from posthouse.model.rehearsal import RecordedSession, Traffic
from posthouse.model.trace import TraceQuery, TraceRecord
from posthouse.roles.config import NodeConfig
from posthouse.roles.data_files import Files

MAX_FILE_BYTES = 128 << 20
SUBMISSION = ("submission", "submissions")
_STORED = (
    "SELECT m.body_id, m.received_at FROM message AS m JOIN mailbox AS b USING (mailbox_id)"
    " WHERE b.account_id = ? AND b.name = ? ORDER BY uid DESC LIMIT ?"
)
_TRACED = (
    "SELECT m.body_id FROM message AS m JOIN mailbox AS b USING (mailbox_id) WHERE b.account_id = ? AND m.received_at = ?"
    " UNION SELECT body_id FROM held WHERE trace_id = ? UNION SELECT body_id FROM queued WHERE trace_id = ?"
)


class TrafficReader:
    """``skipped`` tells what could not be used, bounded; ``own_names`` are this node's in Received."""

    def __init__(self, config: NodeConfig, at: float, own_names: Iterable[str], stack: AsyncExitStack) -> None:
        files = Files.under(config.data)
        self._own_names = frozenset(name.lower() for name in (config.name, *own_names) if name)
        self._at = at
        self._reading = stack.enter_context(closing(MailReading(files.mail)))
        self._blobs = BlobFiles(blob_folder(files.mail))
        self._directory = stack.enter_context(closing(SqliteDirectory(files.directory)))
        self._traces = stack.enter_context(closing(TraceReader(files.traces)))
        self.skipped: list[str] = []

    async def read(self, traffic: Traffic) -> list[RecordedSession]:
        """Oldest first. Raises MailError."""
        if traffic.path:
            found = [each async for each in self._of_path(Path(traffic.path), traffic)]
        elif traffic.account:
            found = await self._stored(traffic)
        else:
            found = await self._traced(traffic)
        return sorted(found, key=lambda session: session.at)

    def _skip(self, what: str, why: str) -> None:
        if len(self.skipped) < 100:
            self.skipped.append(f"{what}: {why}")

    # --- files

    async def _of_path(self, path: Path, traffic: Traffic) -> AsyncIterator[RecordedSession]:
        count = 0
        async for each in self._of_files(path, traffic):
            yield each
            count += 1
            if count >= traffic.limit:
                return

    async def _of_files(self, path: Path, traffic: Traffic) -> AsyncIterator[RecordedSession]:
        try:
            kind = await asyncio.to_thread(_kind, path)
        except OSError as error:
            raise Permanent(f"{path} cannot be read: {error.strerror or error}") from None
        if kind == "sessions":
            for session in session_records.parse(await asyncio.to_thread(_lines, path)):
                yield session
        elif kind in ("mbox", "maildir"):
            source = MboxSource(path) if kind == "mbox" else MaildirSource(path)
            async for session in self._of_source(source, traffic):
                yield session
        else:
            for file in await asyncio.to_thread(_files, path):
                content = crlf(await asyncio.to_thread(_octets, file))
                made = self._session(content, file.name, self._at, traffic.recipient)
                if made is not None:
                    yield made

    async def _of_source(self, source: MailSource, traffic: Traffic) -> AsyncIterator[RecordedSession]:
        try:
            number = 0
            for folder in await source.folders():
                async for letter in source.letters(folder, await source.listing(folder)):
                    number += 1
                    name = f"{folder.name} {number}"
                    if letter.trouble:
                        self._skip(name, letter.trouble)
                        continue
                    session = self._session(letter.content, name, letter.received_at or self._at, traffic.recipient)
                    if session is not None:
                        yield session
        finally:
            await source.close()

    def _session(self, content: bytes, source: str, at: float, recipient: str, otherwise: str = "") -> RecordedSession | None:
        """A message that tells its own envelope. None, and a line, if it does not say whom it was for."""
        found = original(content, self._own_names)
        whom = recipient or found.recipient or otherwise
        if not whom:
            self._skip(source, "it does not say whom it was for; give a recipient")
            return None
        return RecordedSession(
            source=source,
            at=found.at or at,
            client=found.client,
            sender=_sender(found.content, found.sender),
            recipients=(whom,),
            content=found.content,
            helo=found.helo,
            host=found.host,
            protocol=found.protocol or "ESMTP",
            trace_id=found.trace_id,
        )

    # --- what the node holds

    async def _stored(self, traffic: Traffic) -> list[RecordedSession]:
        account = await self._directory.account(Address.parse(traffic.account))
        if account is None:
            raise NotFound(f"no user {traffic.account}")
        rows = self._reading.all(_STORED, (account.account_id, traffic.mailbox, traffic.limit))
        if not rows:
            raise NotFound(f"{traffic.account} has no mail in {traffic.mailbox}")
        found = []
        for number, (body_id, received_at) in enumerate(rows, 1):
            content = await self._content(body_id)
            whom = traffic.recipient, str(account.address)
            session = self._session(content, f"{traffic.mailbox} {number}", received_at, *whom)
            if session is not None:
                found.append(session)
        return found

    async def _traced(self, traffic: Traffic) -> list[RecordedSession]:
        query = TraceQuery(since=traffic.since or None, recipient=traffic.recipient, limit=traffic.limit * 4)
        found: list[RecordedSession] = []
        for record in await self._traces.search(query):
            if record.service in ("smtp", "lmtp", *SUBMISSION) and record.outcome in ("accepted", "held"):
                content = await self._of_trace(record)
                if content is None:
                    self._skip(record.trace_id, "it is not stored any more")
                else:
                    found.append(_of_record(record, original(content, self._own_names).content))
            if len(found) >= traffic.limit:
                break
        if not found:
            raise NotFound("no traced mail that is still stored")
        return found

    async def _of_trace(self, record: TraceRecord) -> bytes | None:
        """One of the forms that were kept of it."""
        accounts = []
        for text in record.recipients:
            try:
                account = await self._directory.account(Address.parse(text))
            except ValueError:
                continue
            accounts += [account.account_id] if account is not None else []
        mark = f"id {record.trace_id}".encode()
        for account_id in accounts or [0]:
            keys = (account_id, record.at, record.trace_id, record.trace_id)
            for (body_id,) in self._reading.all(_TRACED, keys):
                content = await self._content(body_id)
                if mark in content[:16_384]:
                    return content
        return None

    async def _content(self, body_id: int) -> bytes:
        octets = self._reading.content(body_id)
        if octets is None:
            octets = await asyncio.to_thread(self._blobs.read, self._reading.file_digest(body_id))
        return octets


def _of_record(record: TraceRecord, content: bytes) -> RecordedSession:
    return RecordedSession(
        source=record.trace_id,
        at=record.at,
        client=record.client,
        sender=record.sender,
        recipients=record.recipients,
        content=content,
        service=record.service,
        helo=record.helo,
        account=record.account,
        trace_id=record.trace_id,
    )


def without_what_cannot_be(sessions: Iterable[RecordedSession], skipped: list[str]) -> list[RecordedSession]:
    """Those whose addresses are ones; recipients that are none are left out."""
    found = []
    for session in sessions:
        good = tuple(text for text in session.recipients if _is_address(text))
        if not good or (session.sender and not _is_address(session.sender)):
            skipped.append(f"{session.source}: its envelope has no address that can be read")
            continue
        found.append(replace(session, recipients=good))
    return found


def _is_address(text: str) -> bool:
    try:
        Address.parse(text)
    except ValueError:
        return text.lower() == "postmaster"
    return True


def _sender(content: bytes, told: str | None) -> str:
    """Of Return-Path, else of From."""
    if told is not None:
        return told if not told or _is_address(told) else ""
    values = headers.values_of(content, index(content), "from")
    found = [
        address
        for value in values
        for _, local, domain in headers.addresses(value)
        if _is_address(address := f"{local}@{domain}")
    ]
    return found[0] if found else ""


def _kind(path: Path) -> str:
    """What a file or folder is. Raises OSError."""
    if path.is_dir():
        return "maildir" if (path / "cur").is_dir() else "messages"
    with path.open("rb") as file:
        head = file.read(64)
    if head.lstrip().startswith(b"{"):
        return "sessions"
    return "mbox" if head.startswith(b"From ") else "messages"


def _files(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]


def _octets(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES)


def _lines(path: Path) -> list[bytes]:
    if path.stat().st_size > 4 * MAX_FILE_BYTES:
        raise BadValue(f"{path.name} is too large")
    return path.read_bytes().splitlines()
