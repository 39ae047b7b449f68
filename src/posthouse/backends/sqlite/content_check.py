"""Is one stored content what was stored? Read whole, its digest compared. For ``check.py``, ``scrub.py``, ``repair.py``."""

from __future__ import annotations

import hashlib
from typing import Any

from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.coding import Decoder
from posthouse.backends.sqlite.parcels import IN_FILE_BYTES
from posthouse.base.errors import MailError

COLUMNS = "SELECT b.body_id, digest, size_bytes, in_file, coding, octets FROM body AS b LEFT JOIN content AS c USING (body_id) "
MISSING = "its content is missing"
DAMAGED = "its content was damaged"


def damage(row: tuple[Any, ...], decoder: Decoder, blobs: BlobFiles) -> str:
    """What is wrong with the content of a row of ``COLUMNS``; "" when it is whole. Blocks."""
    _, digest, _, in_file, coding, octets = row
    hashed = hashlib.sha256()
    try:
        if octets is not None:
            hashed.update(decoder.decode(coding, octets, IN_FILE_BYTES))
        elif in_file:
            for piece in blobs.pieces(digest):
                hashed.update(piece)
        else:
            return MISSING
    except MailError as error:
        return f"{DAMAGED} ({error.cause})" if error.temporary else "the file of its content is missing"
    return "" if hashed.digest() == digest else DAMAGED
