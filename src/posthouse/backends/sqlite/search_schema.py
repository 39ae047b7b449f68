"""``search.db``: the full-text index of all contents, keyed by ``body_id``; made anew whenever it is lost or damaged.

``head`` and ``body`` hold every three characters in a row of a content's case-folded text, without places (contentless FTS5,
trigram): what a substring search narrows by. ``word`` holds whole words for fuzzy search. A content's documents have a row of
their own in ``body`` and ``word``, under the negative of its number: they are read later (``due``) than the message, so that
no document keeps other mail waiting. ``attached`` keeps their text, compressed, since reading them again takes too long.
Contents of ``low < body_id <= high`` are in; those in ``unread`` not wholly. A fresh index begins at the newest content and
works back, so that new mail never waits for old.
Sources: https://www.sqlite.org/fts5.html (contentless-delete tables, detail option, trigram tokenizer).
"""

from __future__ import annotations

import zlib
from pathlib import Path

import apsw

from posthouse.backends.sqlite.database import log_pages, mail_errors, open_reader, open_writer
from posthouse.base.errors import Temporary

CHECKPOINT_PAGES = 4_000
WRITER_CACHE_KIB = 16_384
READER_CACHE_KIB = 8_192
SEPARATOR = "\x1e"
ATTACHED_CHARS = 1 << 20
_ANEW = "-anew"

_CONTENTLESS = "content = '', contentless_delete = 1, detail = none"
_VERSION_1 = f"""
CREATE VIRTUAL TABLE head USING fts5(text, {_CONTENTLESS}, tokenize = 'trigram case_sensitive 1');
CREATE VIRTUAL TABLE body USING fts5(text, {_CONTENTLESS}, tokenize = 'trigram case_sensitive 1');
CREATE VIRTUAL TABLE word USING fts5(text, {_CONTENTLESS}, tokenize = 'unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE head_terms USING fts5vocab('head', 'row');
CREATE VIRTUAL TABLE body_terms USING fts5vocab('body', 'row');
CREATE VIRTUAL TABLE word_terms USING fts5vocab('word', 'row');
CREATE TABLE attached (body_id INTEGER PRIMARY KEY, text BLOB NOT NULL) STRICT;
CREATE TABLE due (body_id INTEGER PRIMARY KEY) STRICT;
CREATE TABLE unread (body_id INTEGER PRIMARY KEY, why TEXT NOT NULL) STRICT;
CREATE TABLE progress (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    mark BLOB NOT NULL,
    tried INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0
) STRICT;
"""
MIGRATIONS: tuple[str, ...] = (_VERSION_1,)


def open_search_writer(path: Path) -> apsw.Connection:
    """The one writing connection. Raises Temporary (also for a damaged file), NoSpace, Permanent."""
    connection = open_writer(path, MIGRATIONS, synchronous="NORMAL")
    with mail_errors():
        path.chmod(0o600)
        connection.execute(f"PRAGMA wal_autocheckpoint = {log_pages(path, CHECKPOINT_PAGES)}")
        connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def open_search_reader(path: Path) -> apsw.Connection:
    """A read-only connection. Raises Temporary while there is no such file."""
    connection = open_reader(path, MIGRATIONS)
    with mail_errors():
        connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    return connection


def remove_files(path: Path) -> None:
    """Takes the database away; readers notice and open the next one."""
    for ending in ("", "-wal", "-shm", _ANEW):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def wish_anew(path: Path) -> None:
    """Notes that the index is to be made anew, in a file, so that no busy or dead indexer forgets it. Raises Temporary."""
    try:
        path.with_name(path.name + _ANEW).touch(mode=0o600)
    except OSError as error:
        raise Temporary("The wish cannot be written down now", cause=str(error)) from error


def wished_anew(path: Path) -> bool:
    """Whether ``wish_anew`` was said and has not come true."""
    return path.with_name(path.name + _ANEW).exists()


def begun_anew(path: Path) -> None:
    """The index is empty now: the wish has come true."""
    path.with_name(path.name + _ANEW).unlink(missing_ok=True)


def folded(text: str) -> str:
    """As texts are indexed and wanted texts are looked up: case-folded as the search compares, and storable."""
    text = text.casefold()
    if "\0" in text:
        text = text.replace("\0", SEPARATOR)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def pack_attached(text: str) -> bytes:
    """Folded text as it is kept."""
    return zlib.compress(text.encode(), 6)


def unpack_attached(packed: bytes) -> str:
    """What ``pack_attached`` packed. Raises zlib.error."""
    return zlib.decompressobj().decompress(packed, ATTACHED_CHARS * 8).decode("utf-8", "replace")
