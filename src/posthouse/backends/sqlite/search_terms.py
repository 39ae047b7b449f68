"""Wanted texts as questions to ``search.db``: FTS5 expressions, or None where the index cannot narrow anything.

A text is asked for by all the three-character pieces it has (some of them, when it is long); one or two characters of a script
other than Latin, by the pieces that begin with them. Fuzzy words are asked for by the words of the vocabulary that are near.
"""

from __future__ import annotations

import apsw

from posthouse.backends.sqlite.search_schema import SEPARATOR, folded
from posthouse.formats.text import near

PIECE = 3
MAX_PIECES = 12
MAX_BEGINNINGS = 400
MAX_VOCABULARY = 20_000
MAX_NEAR_WORDS = 40
_LAST_CHARACTER = "\U0010ffff"


def substring(db: apsw.Connection, table: str, text: str) -> str | None:
    """What to MATCH in ``head`` or ``body`` for texts that have ``text`` in them."""
    wanted = folded(text)
    if not wanted or SEPARATOR in wanted:
        return None
    if len(wanted) < PIECE:
        return None if wanted.isascii() else _beginnings(db, table, wanted)
    pieces = list(dict.fromkeys(wanted[at : at + PIECE] for at in range(len(wanted) - PIECE + 1)))
    if len(pieces) > MAX_PIECES:
        step = (len(pieces) - 1) / (MAX_PIECES - 1)
        pieces = [pieces[round(n * step)] for n in range(MAX_PIECES)]
    return " AND ".join(map(_quoted, pieces))


def _beginnings(db: apsw.Connection, table: str, wanted: str) -> str | None:
    sql = f"SELECT term FROM {table}_terms WHERE term >= ? AND term < ? LIMIT ?"
    found = [str(term) for (term,) in db.execute(sql, (wanted, wanted + _LAST_CHARACTER, MAX_BEGINNINGS + 1))]
    if len(found) > MAX_BEGINNINGS:
        return None
    return " OR ".join(map(_quoted, found)) or _quoted(SEPARATOR * PIECE)


def fuzzy(db: apsw.Connection, text: str) -> str | None:
    """What to MATCH in ``word`` for texts whose words come near; None: nothing can."""
    wanted = near.words(text)
    if not wanted or len(wanted) > near.MAX_WORDS:
        return None
    return " AND ".join(f"({_near(db, word)})" for word in wanted)


def _near(db: apsw.Connection, wanted: str) -> str:
    asked = [_quoted(wanted)]
    if len(wanted) >= near.MIN_PREFIX:
        asked.append(f"{_quoted(wanted)} *")
    if len(wanted) >= near.MIN_ONE_OFF:
        size = len(wanted)
        sql = "SELECT term FROM word_terms WHERE term >= ? AND term < ? AND length(term) BETWEEN ? AND ? LIMIT ?"
        first = wanted[0]
        rows = db.execute(sql, (first, first + _LAST_CHARACTER, size - 1, size + 1, MAX_VOCABULARY))
        close = [term for term in (str(row[0]) for row in rows) if term != wanted and near.one_off(wanted, term)]
        asked += map(_quoted, close[:MAX_NEAR_WORDS])
    return " OR ".join(asked)


def _quoted(piece: str) -> str:
    return '"' + piece.replace('"', '""') + '"'
