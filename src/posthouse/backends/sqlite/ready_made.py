"""What was made ready of messages when they came, many at a time: facts, previews, listed header fields; and small contents.

Rows come from SQL as they are used, without an object for each message. ``listed_header`` has a column for each of
``model.listed_fields``, so that a choice of them is a choice of columns. Plain functions over ``read``, which gives the rows of
a statement.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import Any

from posthouse.backends.sqlite.flag_blocks import Read
from posthouse.backends.sqlite.uid_sets import Chosen, to_ranges
from posthouse.interfaces.mailstore import FactName
from posthouse.model.listed_fields import LETTERS, LISTED, ListedHeader

_COLUMNS = {name: "f_" + name.replace("-", "_") for name in LISTED}
_PLACES = {letter: place for place, letter in enumerate(LETTERS)}
LISTED_HEADER = f"""
CREATE TABLE listed_header (
    body_id INTEGER PRIMARY KEY,
    shape TEXT NOT NULL,
    {", ".join(f"{column} BLOB" for column in _COLUMNS.values())}
) STRICT;
"""
_KEEP = f"INSERT INTO listed_header VALUES (?, ?{', ?' * len(LISTED)})"
_MAX_SHAPES = 4096

_FACTS: dict[FactName, str] = {
    "size_bytes": "m.size_bytes",
    "received_at": "received_at",
    "saved_at": "saved_at",
    "envelope": "envelope",
    "body": "body",
    "bodystructure": "bodystructure",
    "preview": "preview",
    "object_id": "'M' || lower(hex(substr(digest, 1, 12)))",
}
_OF_MESSAGE = frozenset({"size_bytes", "received_at", "saved_at"})
_FROM_MESSAGE = " FROM message AS m WHERE m.mailbox_id = ? AND {} ORDER BY uid"
_FROM_BODY = " FROM message AS m JOIN body AS b ON b.body_id = m.body_id WHERE m.mailbox_id = ? AND {} ORDER BY uid"
_FROM_HEADER = (
    " FROM message AS m LEFT JOIN listed_header AS h ON h.body_id = m.body_id WHERE m.mailbox_id = ? AND {} ORDER BY uid"
)
_CONTENTS = (
    "SELECT uid, m.body_id, coding, octets FROM message AS m LEFT JOIN content AS c ON c.body_id = m.body_id"
    " WHERE m.mailbox_id = ? AND {} ORDER BY uid"
)


def keep_listed(execute: Callable[..., Any], body_id: int, header: ListedHeader) -> None:
    """Writes a body's listed header; ``execute`` of the writing connection."""
    columns: list[bytes | None] = [None] * len(LISTED)
    for letter, field in zip(*header, strict=True):
        columns[_PLACES[letter]] = field
    execute(_KEEP, (body_id, header[0], *columns))


def some_facts(read: Read, mailbox_id: int, uids: Sequence[int], names: Sequence[FactName]) -> list[tuple[Any, ...]]:
    """(UID, the facts of these names) of the messages that exist."""
    chosen = Chosen.of(to_ranges(uids))
    source = _FROM_MESSAGE if _OF_MESSAGE.issuperset(names) else _FROM_BODY
    columns = ", ".join(["uid", *(_FACTS[name] for name in names)])
    return read(f"SELECT {columns}{source.format(chosen.condition)}", (mailbox_id, *chosen.bindings))


def listed_fields(read: Read, mailbox_id: int, uids: Sequence[int], names: Collection[str]) -> list[tuple[int, bytes | None]]:
    """(UID, those of the header fields that a message has, in its order, and the blank line) of the messages that exist; None
    where there is no listed header. ``names`` are of ``LISTED``."""
    chosen = Chosen.of(to_ranges(uids))
    wanted = [name for name in LISTED if name in names]
    columns = ", ".join(["uid", "shape", *(_COLUMNS[name] for name in wanted), "x'0d0a'"])
    rows = read(f"SELECT {columns}{_FROM_HEADER.format(chosen.condition)}", (mailbox_id, *chosen.bindings))
    choices = _Choices(wanted)
    join = b"".join
    return [(row[0], join(choices[row[1]](row)) if row[1] is not None else None) for row in rows]


def contents(read: Read, mailbox_id: int, uids: Sequence[int]) -> list[tuple[int, int, int | None, bytes | None]]:
    """(UID, body_id, coding, octets) of the messages that exist; no octets: the content stands in a file."""
    chosen = Chosen.of(to_ranges(uids))
    return read(_CONTENTS.format(chosen.condition), (mailbox_id, *chosen.bindings))


class _Choices(dict[str, Callable[[tuple[Any, ...]], Sequence[bytes]]]):
    """By shape: what takes the wanted fields out of a row, in the message's order, and the blank line."""

    def __init__(self, wanted: Sequence[str]) -> None:
        super().__init__()
        self._places = {LETTERS[LISTED.index(name)]: place for place, name in enumerate(wanted, 2)}
        self._last = len(wanted) + 2

    def __missing__(self, shape: str) -> Callable[[tuple[Any, ...]], Sequence[bytes]]:
        places = [self._places[letter] for letter in shape if letter in self._places]
        choice = itemgetter(*places, self._last) if places else _only_last
        if len(self) >= _MAX_SHAPES:
            self.clear()
        self[shape] = choice
        return choice


def _only_last(row: tuple[Any, ...]) -> Sequence[bytes]:
    return row[-1:]
