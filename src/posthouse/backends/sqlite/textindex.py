"""The full-text index as every process reads it (``interfaces.textindex``): ``search.db`` narrows, ``mail.db`` names the UIDs.

Reading is done in a thread of its own, bounded in time and in what it may find, so that neither the loop nor another session
waits for a question that is too broad. What is found and how far the index has come are read at one moment; whatever content
is newer than that moment counts as a candidate. Failing: open; an index that cannot be read cannot say.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import apsw

from posthouse.backends.sqlite import search_terms
from posthouse.backends.sqlite.database import mail_errors
from posthouse.backends.sqlite.reader import MailReading
from posthouse.backends.sqlite.search_schema import open_search_reader, unpack_attached, wished_anew
from posthouse.base import log
from posthouse.base.errors import MailError, Temporary
from posthouse.interfaces.textindex import IndexStatus, Term

MAX_FOUND = 200_000
MAX_WAITING = 2_000
MAX_BY_BODY = 3_000
MAX_QUESTION_S = 2.0
_PROGRESS_STEPS = 5_000
_BY_BODY = "SELECT uid FROM message INDEXED BY message_by_body WHERE body_id = ? AND mailbox_id = ?"
_NEWER = "SELECT uid FROM message INDEXED BY message_by_body WHERE body_id > ? AND mailbox_id = ?"
_PAIRS = "SELECT uid, body_id FROM message WHERE mailbox_id = ?"

Answer = TypeVar("Answer")
_log = log.get("search")


class _Found:
    """Contents that may have a term, and the range that the index speaks for, at one moment."""

    __slots__ = ("body_ids", "high", "low")

    def __init__(self, body_ids: set[int], low: int, high: int) -> None:
        self.body_ids, self.low, self.high = body_ids, low, high


class SqliteTextIndex:
    """Reads the index at ``path`` for the mail database at ``mail``; either may not be there yet."""

    def __init__(self, path: Path, mail: Path) -> None:
        self._path = path
        self._mail = MailReading(mail)
        self._db: apsw.Connection | None = None
        self._inode = 0
        self._ends_at = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="text-index")

    def close(self) -> None:
        """Closes the connections."""
        self._thread.submit(self._let_go)
        self._thread.submit(self._mail.close)
        self._thread.shutdown()

    async def may_match(self, mailbox_id: int, term: Term) -> frozenset[int] | None:
        def ask() -> frozenset[int] | None:
            found = self._find(term)
            return None if found is None else self._uids(mailbox_id, found)

        return await self._ask(ask, None)

    async def with_documents(self, body_ids: Sequence[int]) -> frozenset[int]:
        def ask() -> frozenset[int]:
            with self._moment() as db:
                sql = "SELECT body_id FROM attached WHERE body_id = ?"
                return frozenset(body_id for (body_id,) in db.executemany(sql, [(body_id,) for body_id in body_ids]))

        return await self._ask(ask, frozenset())

    async def document_text(self, body_id: int) -> str:
        def ask() -> str:
            with self._moment() as db:
                row = db.execute("SELECT text FROM attached WHERE body_id = ?", (body_id,)).fetchone()
            return unpack_attached(row[0]) if row else ""

        return await self._ask(ask, "")

    async def status(self) -> IndexStatus:
        def ask() -> IndexStatus:
            newest = self._newest()
            size_bytes = sum(path.stat().st_size for path in self._path.parent.glob(self._path.name + "*"))
            with self._moment() as db:
                low, high = db.execute("SELECT low, high FROM progress").fetchone() or (newest, newest)
                return IndexStatus(
                    indexed=_count(db, "head_docsize"),
                    waiting=newest if wished_anew(self._path) else max(newest - high, 0) + low,
                    unread=_count(db, "unread"),
                    documents=_count(db, "attached"),
                    documents_waiting=_count(db, "due"),
                    size_bytes=size_bytes,
                )

        return await self._ask(ask, IndexStatus(0, 0, 0, 0, 0, 0))

    # --- in the thread

    async def _ask(self, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, ask, otherwise)

    def _guarded(self, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
        self._ends_at = time.monotonic() + MAX_QUESTION_S
        try:
            with mail_errors():
                return ask()
        except (MailError, OSError, zlib.error) as error:
            cause = error.cause if isinstance(error, MailError) else repr(error)
            if self._db is not None:
                _log.warning("index-cannot-say", cause=cause)
            self._let_go()
            return otherwise

    def _let_go(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _too_late(self) -> bool:
        return time.monotonic() > self._ends_at

    @contextmanager
    def _moment(self) -> Iterator[apsw.Connection]:
        """The connection in one transaction. The file is another one after the index was begun anew."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            self._let_go()
            raise Temporary("There is no index yet") from None
        if self._db is None or inode != self._inode:
            self._let_go()
            db = open_search_reader(self._path)
            db.set_progress_handler(self._too_late, _PROGRESS_STEPS)
            self._db, self._inode = db, inode
        db = self._db
        db.execute("BEGIN")
        try:
            yield db
        finally:
            if db.in_transaction:
                db.execute("COMMIT")

    def _newest(self) -> int:
        ((newest,),) = self._mail.all("SELECT coalesce(max(body_id), 0) FROM body", ())
        return int(newest)

    def _find(self, term: Term) -> _Found | None:
        with self._moment() as db:
            progress = db.execute("SELECT low, high FROM progress").fetchone()
            if progress is None:
                return None
            body_ids: set[int] = set()
            for table in ("head", "body") if term.where == "text" else (term.where,):
                question = search_terms.substring(db, table, term.text)
                if question is None or not _gather(db, table, question, body_ids):
                    return None
            if term.fuzzy:
                question = search_terms.fuzzy(db, term.text)
                if question is not None and not _gather(db, "word", question, body_ids):
                    return None
            unread = db.execute("SELECT body_id FROM unread LIMIT ?", (MAX_FOUND + 1,)).fetchall()
            body_ids.update(cast(int, body_id) for (body_id,) in unread)
            return _Found(body_ids, *progress) if len(unread) <= MAX_FOUND else None

    def _uids(self, mailbox_id: int, found: _Found) -> frozenset[int]:
        """One look per content when they are few, else one pass over the mailbox."""
        few = found.low == 0 and len(found.body_ids) <= MAX_BY_BODY and self._newest() - found.high <= MAX_WAITING
        if not few:
            pairs = self._mail.all(_PAIRS, (mailbox_id,))
            low, high, body_ids = found.low, found.high, found.body_ids
            return frozenset(uid for uid, body_id in pairs if body_id in body_ids or not low < body_id <= high)
        mail = self._mail.open()
        uids = {uid for (uid,) in mail.executemany(_BY_BODY, [(body_id, mailbox_id) for body_id in found.body_ids])}
        uids.update(uid for (uid,) in mail.execute(_NEWER, (found.high, mailbox_id)))
        return frozenset(uids)


def _gather(db: apsw.Connection, table: str, question: str, into: set[int]) -> bool:
    """Adds what matches; False when it is too much to be worth having."""
    sql = f"SELECT rowid FROM {table} WHERE {table} MATCH ? LIMIT ?"
    rows = db.execute(sql, (question, MAX_FOUND + 1)).fetchall()
    into.update(abs(body_id) for (body_id,) in cast(list[tuple[int]], rows))
    return len(rows) <= MAX_FOUND


def _count(db: apsw.Connection, table: str) -> int:
    row = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return cast(int, row[0]) if row else 0
