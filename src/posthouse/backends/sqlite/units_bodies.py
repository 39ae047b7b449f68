"""Bodies in units of work: a content is kept once, however many mailboxes and queue entries name it (STO-7).

A parcel is a content as it crosses the gate: ``[digest, size_bytes, octets or None when in a file, listed header or
None, envelope, body, bodystructure, preview, coding]``; see ``parcels.py``. Of a content that is here already ``[digest,
size_bytes]`` will do.
"""

from __future__ import annotations

from typing import Any

from posthouse.backends.sqlite.coding import FIRST_DICTIONARY
from posthouse.backends.sqlite.parcels import NAMED_FIELDS
from posthouse.backends.sqlite.ready_made import keep_listed
from posthouse.backends.sqlite.work import Work
from posthouse.base.errors import Temporary

BODY_GONE = "a content that was here is gone"
BLOB_MISSING = "the file of a large message is missing"
DICTIONARY_GONE = "a content came with a dictionary that is gone"


def keep_body(work: Work, parcel: list[Any]) -> int:
    """The body_id of the parcel's content, which is stored unless it is there already.

    Raises Temporary if its file is not there, or its dictionary, or all of it; who hands in the unit sends it whole.
    """
    row = work.one("SELECT body_id FROM body WHERE digest = ?", (parcel[0],))
    if row is not None:
        return int(row[0])
    if len(parcel) == NAMED_FIELDS:
        raise Temporary("The message could not be stored", cause=BODY_GONE)
    digest, size_bytes, octets, listed, *ready_made, coding = parcel
    if octets is None and not work.blobs.has(digest, size_bytes):
        raise Temporary("The message could not be stored", cause=BLOB_MISSING)
    if coding >= FIRST_DICTIONARY and not work.one("SELECT 1 FROM dictionary WHERE dictionary_id = ?", (coding,)):
        raise Temporary("The message could not be stored", cause=DICTIONARY_GONE)
    work.execute(
        "INSERT INTO body (digest, size_bytes, in_file, envelope, body, bodystructure, preview) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (digest, size_bytes, octets is None, *ready_made),
    )
    body_id = work.connection.last_insert_rowid()
    work.bodies_grew = True
    if listed is not None:
        keep_listed(work.execute, body_id, listed)
    if octets is not None:
        work.execute("INSERT INTO content VALUES (?, ?, ?)", (body_id, coding, octets))
    return body_id
