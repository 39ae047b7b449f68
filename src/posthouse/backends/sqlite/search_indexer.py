"""Brings ``search.db`` up to what ``mail.db`` has: newest contents first, then older ones, a batch at a time.

Runs in the indexer process alone, which reads the mail database like any worker and writes nothing but the index. A batch is
noted before it is begun, so that a content that kills the process again and again is found, and left to be searched by
reading. Documents are read last, one content's at a time, when nothing else waits. Contents that no mailbox holds (mail on its
way elsewhere) are not worth indexing. Blocking: for one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from posthouse.backends.document_reader import DocumentReader
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.reader import MailReading
from posthouse.backends.sqlite.search_schema import SEPARATOR, begun_anew, wished_anew
from posthouse.backends.sqlite.search_writer import Entry, Progress, SearchWriter
from posthouse.backends.sqlite.work import blob_folder
from posthouse.base import log
from posthouse.base.errors import MailError, NotFound
from posthouse.base.metrics import INDEX_WAITING, INDEXED
from posthouse.formats.text import documents
from posthouse.formats.text.limits import DEFAULT, TextLimits
from posthouse.formats.text.message import MessageText, message_text
from posthouse.model.settings import SearchSettings

BATCH_BODIES = 100
BATCH_BYTES = 8 << 20
CAREFUL_TRIES = 3
HOPELESS_TRIES = 5
CAREFUL_FOR = 200
SWEEP_ROWS = 50_000
_TROUBLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError, ArithmeticError)
_COLUMNS = (
    "SELECT body_id, size_bytes, digest, envelope, EXISTS (SELECT 1 FROM message AS m WHERE m.body_id = b.body_id)"
    " FROM body AS b WHERE "
)

_log = log.get("search")


@dataclass(frozen=True, slots=True)
class _Body:
    body_id: int
    size_bytes: int
    digest: bytes
    envelope: bytes
    in_mailbox: bool


@lru_cache(maxsize=4)
def _limits(chars: int) -> TextLimits:
    return replace(DEFAULT, chars=chars)


class Indexer:
    """``open`` it, then ``step`` until there is nothing to do. ``shown`` gives the texts that an ENVELOPE shows."""

    def __init__(
        self,
        mail: Path,
        path: Path,
        shown: Callable[[bytes], Sequence[str]],
        *,
        settings: Callable[[], SearchSettings] = SearchSettings,
        reader: DocumentReader | None = None,
    ) -> None:
        self._mail = MailReading(mail)
        self._blobs = BlobFiles(blob_folder(mail))
        self._path = path
        self._writer = SearchWriter(path)
        self._shown = shown
        self._settings = settings
        self._reader = reader or DocumentReader()
        self._careful = 0
        self._swept = 0

    def open(self) -> None:
        """Raises Temporary as long as there is no mail database."""
        self._mail.open()
        self._writer.open()
        progress = self._writer.progress()
        if progress is not None and not self._fits(progress):
            _log.warning("index-of-another-store")
            self._writer.clear()

    def close(self) -> None:
        """Closes everything."""
        self._reader.close()
        self._writer.close()
        self._mail.close()

    def rest(self) -> None:
        """To be called when there is nothing to do."""
        self._reader.rest()

    def clear(self) -> None:
        """Throws the index away; the next steps make it anew."""
        self._writer.clear()
        begun_anew(self._path)

    def step(self) -> bool:
        """Indexes one batch; False when there was nothing left. Raises MailError when the index cannot be written."""
        if wished_anew(self._path):
            self.clear()
        newest = self._newest()
        progress = self._writer.progress()
        if progress is None:
            progress = Progress(newest, newest, self._digest(newest))
            self._writer.begin(progress)
        bodies, after = self._next(progress)
        INDEX_WAITING.set(max(newest - progress.high, 0) + progress.low)
        if not bodies:
            if progress.low:
                self._writer.begin(replace(progress, low=0))
            INDEX_WAITING.set(0)
            return self._read_documents()
        tries = progress.tries + 1 if progress.tried == bodies[0].body_id else 1
        self._writer.begin(replace(progress, tried=bodies[0].body_id, tries=tries))
        if tries >= CAREFUL_TRIES:
            self._careful = CAREFUL_FOR
        if self._careful and len(bodies) > 1:
            bodies = bodies[:1]
            after = self._after(progress, bodies)
        entries = [self._entry(body, hopeless=tries >= HOPELESS_TRIES) for body in bodies]
        self._careful = max(self._careful - len(bodies), 0)
        self._writer.put([entry for entry in entries if entry is not None], after)
        INDEXED.inc(len(entries))
        return True

    def sweep(self) -> int:
        """Takes out contents that the store has no more, some thousand at a call; gives how many."""
        known = self._writer.known(self._swept, SWEEP_ROWS)
        if not known:
            self._swept = 0
            return 0
        there = self._mail.all("SELECT body_id FROM body WHERE body_id BETWEEN ? AND ?", (known[0], known[-1]))
        gone = set(known).difference(body_id for (body_id,) in there)
        if gone:
            self._writer.remove(sorted(gone))
        self._swept = known[-1] if len(known) == SWEEP_ROWS else 0
        return len(gone)

    # --- what is next

    def _newest(self) -> int:
        ((newest,),) = self._mail.all("SELECT coalesce(max(body_id), 0) FROM body", ())
        return int(newest)

    def _fits(self, progress: Progress) -> bool:
        """Whether the index is of this store, and not of one that was put back from a copy."""
        ((last,),) = self._mail.all("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'body'", ())
        digest = self._digest(progress.high)
        return int(last) >= progress.high and (not digest or not progress.mark or digest == progress.mark)

    def _digest(self, body_id: int) -> bytes:
        rows = self._mail.all("SELECT digest FROM body WHERE body_id = ?", (body_id,))
        return bytes(rows[0][0]) if rows else b""

    def _next(self, progress: Progress) -> tuple[list[_Body], Progress]:
        """The next batch, and the progress once it is done."""
        sql = _COLUMNS + "body_id > ? ORDER BY body_id LIMIT ?"
        bodies = self._batch(self._mail.all(sql, (progress.high, BATCH_BODIES)))
        if not bodies and progress.low:
            sql = _COLUMNS + "body_id <= ? ORDER BY body_id DESC LIMIT ?"
            bodies = self._batch(self._mail.all(sql, (progress.low, BATCH_BODIES)))
        return bodies, self._after(progress, bodies)

    def _batch(self, rows: list[Any]) -> list[_Body]:
        bodies: list[_Body] = []
        left = BATCH_BYTES
        for body_id, size_bytes, digest, envelope, in_mailbox in rows:
            left -= size_bytes
            if bodies and left < 0:
                break
            bodies.append(_Body(body_id, size_bytes, digest, envelope, bool(in_mailbox)))
        return bodies

    def _after(self, progress: Progress, bodies: list[_Body]) -> Progress:
        if not bodies:
            return progress
        last = bodies[-1]
        if last.body_id > progress.high:
            return Progress(progress.low, last.body_id, last.digest)
        return Progress(last.body_id - 1, progress.high, progress.mark)

    # --- one content

    def _entry(self, body: _Body, *, hopeless: bool) -> Entry | None:
        """None if it has gone meanwhile."""
        if not body.in_mailbox:
            return Entry(body.body_id, why="in no mailbox")
        if hopeless:
            _log.error("content-not-indexed", body_id=body.body_id, why="it ended the indexer")
            return Entry(body.body_id, why="trouble")
        settings = self._settings()
        try:
            text = message_text(self._content(body.body_id), _limits(settings.text_chars))
            head = SEPARATOR.join((text.head, *self._shown(body.envelope)))
        except NotFound:
            return None
        except (MailError, *_TROUBLE) as error:
            _log.error("content-not-indexed", body_id=body.body_id, why=repr(error))
            return Entry(body.body_id, why="trouble")
        due = bool(text.attached) and settings.documents
        return Entry(body.body_id, head, text.body, SEPARATOR.join(text.names), due, "" if text.whole else "too long")

    def _content(self, body_id: int) -> bytes:
        octets = self._mail.content(body_id)
        return self._blobs.read(self._mail.file_digest(body_id)) if octets is None else octets

    # --- documents

    def _read_documents(self) -> bool:
        """Those of the newest content that has some still to be read; False when there is none."""
        body_id = self._writer.due()
        if not body_id:
            return False
        try:
            content = self._content(body_id)
            text = message_text(content)
            pieces = [*text.names, *self._texts(content, text)]
        except (MailError, *_TROUBLE) as error:
            if not isinstance(error, NotFound):
                _log.error("documents-not-indexed", body_id=body_id, why=repr(error))
            pieces = []
        self._writer.put_documents(body_id, SEPARATOR.join(pieces))
        return True

    def _texts(self, content: bytes, text: MessageText) -> list[str]:
        """The texts of the documents that can be read, within the limits of all of them together."""
        settings = self._settings()
        self._reader.timeout_s = settings.document_timeout_s
        ends_at = time.monotonic() + 2 * settings.document_timeout_s
        found: list[str] = []
        left = settings.text_chars
        for attached in text.attached:
            octets = documents.octets(content, attached.part)
            if octets is None or left <= 0 or time.monotonic() > ends_at:
                continue
            try:
                found.append(self._reader.text(attached.kind, octets)[:left])
            except documents.Unreadable:
                continue
            left -= len(found[-1])
        return found
