"""The writing side of ``search.db``: entries in, entries out, and how far the work has come, always in one transaction.

One object in one process (the indexer). A file that cannot be used is thrown away and begun anew: the index is never the only
copy of anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import apsw

from posthouse.backends.sqlite.database import mail_errors, transaction
from posthouse.backends.sqlite.search_schema import SEPARATOR, folded, open_search_writer, pack_attached, remove_files
from posthouse.base import log
from posthouse.base.errors import MailError, NoSpace

_END = SEPARATOR * 2
"""So that the last characters of a text, too, begin a term of three."""

_log = log.get("search")


@dataclass(frozen=True, slots=True)
class Entry:
    """One content's text, not folded. ``names``: those of its attachments, "" if none; ``due``: some are documents that are
    still to be read. ``why`` is not "" when a search must look at the content itself all the same."""

    body_id: int
    head: str = ""
    body: str = ""
    names: str = ""
    due: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Contents of ``low < body_id <= high`` are in; ``mark`` is the digest of the newest. ``tried``: the first of the batch
    that was begun and has not been finished, 0 if none; ``tries``: how often."""

    low: int
    high: int
    mark: bytes = b""
    tried: int = 0
    tries: int = 0


class SearchWriter:
    """``open`` it first. Methods raise MailError when the disk is full or failing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: apsw.Connection | None = None

    def open(self) -> None:
        """Opens the file, makes it anew if it is damaged or of another version."""
        try:
            self._db = self._checked()
        except NoSpace:
            raise
        except MailError as error:
            _log.warning("index-begun-anew", cause=error.cause)
            remove_files(self._path)
            self._db = self._checked()

    def _checked(self) -> apsw.Connection:
        db = open_search_writer(self._path)
        try:
            with mail_errors():
                db.execute("SELECT count(*) FROM progress").fetchall()
                for table in ("head", "body", "word"):
                    db.execute(f"SELECT rowid FROM {table} WHERE {table} MATCH '\"abc\"' LIMIT 1").fetchall()
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Closes the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @property
    def db(self) -> apsw.Connection:
        assert self._db is not None
        return self._db

    def progress(self) -> Progress | None:
        """None: nothing has been indexed, nor begun."""
        with mail_errors():
            row = self.db.execute("SELECT low, high, mark, tried, tries FROM progress").fetchone()
        return Progress(*row) if row else None

    def begin(self, progress: Progress) -> None:
        """Notes how far it is, and what is tried next."""
        with mail_errors(), transaction(self.db):
            self._note(progress)

    def put(self, entries: Sequence[Entry], progress: Progress) -> None:
        """Adds entries (again, if they are there) together with the progress that follows from them."""
        with mail_errors(), transaction(self.db):
            for entry in entries:
                self._put(entry)
            self._note(progress)

    def due(self) -> int:
        """The newest content whose documents are to be read; 0 if there is none."""
        with mail_errors():
            row = self.db.execute("SELECT coalesce(max(body_id), 0) FROM due").fetchone()
            return cast(int, row[0]) if row else 0

    def put_documents(self, body_id: int, text: str) -> None:
        """Names and text of a content's documents; nothing is due for it any more."""
        with mail_errors(), transaction(self.db):
            self.db.execute("DELETE FROM due WHERE body_id = ?", (body_id,))
            if text:
                self._put_attached(body_id, text)

    def remove(self, body_ids: Iterable[int]) -> None:
        """Takes contents out."""
        with mail_errors(), transaction(self.db):
            for body_id in body_ids:
                self._remove(body_id)

    def clear(self) -> None:
        """Back to an empty index."""
        with mail_errors(), transaction(self.db):
            for table in ("head", "body", "word"):
                self.db.execute(f"INSERT INTO {table}({table}) VALUES ('delete-all')")
            for table in ("attached", "unread", "due", "progress"):
                self.db.execute(f"DELETE FROM {table}")

    def known(self, after: int, limit: int) -> list[int]:
        """Contents that have entries, ascending after ``after``."""
        with mail_errors():
            sql = (
                "SELECT id FROM (SELECT id FROM head_docsize WHERE id > ?1 UNION SELECT body_id FROM unread WHERE body_id > ?1)"
                " ORDER BY id LIMIT ?2"
            )
            return [body_id for (body_id,) in self.db.execute(sql, (after, limit))]

    def _note(self, progress: Progress) -> None:
        row = (progress.low, progress.high, progress.mark, progress.tried, progress.tries)
        self.db.execute("INSERT OR REPLACE INTO progress VALUES (1, ?, ?, ?, ?, ?)", row)

    def _put(self, entry: Entry) -> None:
        db, body_id = self.db, entry.body_id
        if db.execute("SELECT 1 FROM head_docsize WHERE id = ?", (body_id,)).fetchone():
            self._remove(body_id)
        if entry.why:
            db.execute("INSERT OR REPLACE INTO unread VALUES (?, ?)", (body_id, entry.why))
        if not (entry.head or entry.body or entry.names):
            return
        head, body = folded(entry.head), folded(entry.body)
        db.execute("INSERT INTO head (rowid, text) VALUES (?, ?)", (body_id, head + _END))
        db.execute("INSERT INTO body (rowid, text) VALUES (?, ?)", (body_id, body + _END))
        db.execute("INSERT INTO word (rowid, text) VALUES (?, ?)", (body_id, f"{head}{SEPARATOR}{body}"))
        if entry.due:
            db.execute("INSERT OR IGNORE INTO due VALUES (?)", (body_id,))
        elif entry.names:
            self._put_attached(body_id, entry.names)

    def _put_attached(self, body_id: int, text: str) -> None:
        attached = folded(text)
        self.db.execute("INSERT OR REPLACE INTO attached VALUES (?, ?)", (body_id, pack_attached(attached)))
        self.db.execute("INSERT INTO body (rowid, text) VALUES (?, ?)", (-body_id, attached + _END))
        self.db.execute("INSERT INTO word (rowid, text) VALUES (?, ?)", (-body_id, attached))

    def _remove(self, body_id: int) -> None:
        for row, tables in ((body_id, ("head", "body", "word")), (-body_id, ("body", "word"))):
            for table in tables:
                self.db.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
        for table in ("attached", "unread", "due"):
            self.db.execute(f"DELETE FROM {table} WHERE body_id = ?", (body_id,))
