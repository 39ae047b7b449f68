"""Finds contents in the database that would take less room if they were encoded anew (``store compact``). Blocks.

These are contents from before compression was switched on, and small ones from before the newest dictionary.
"""

from __future__ import annotations

import time

from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.coding import RAW, SMALL_BYTES, Decoder, Encoder
from posthouse.backends.sqlite.content_check import COLUMNS, damage
from posthouse.backends.sqlite.parcels import IN_FILE_BYTES
from posthouse.backends.sqlite.reader import MailReading

STEP_BODIES = 64
STEP_S = 0.05
WORTH_PERCENT = 95

Recoded = list[tuple[int, int, int, bytes]]
"""(body_id, coding, new coding, new octets)"""


def step(reading: MailReading, blobs: BlobFiles, encoder: Encoder, after: int) -> tuple[int, Recoded] | None:
    """The last body looked at, and what to write; None when there are no more."""
    sql = f"{COLUMNS} WHERE b.body_id > ? AND NOT in_file ORDER BY b.body_id LIMIT ?"
    rows = reading.all(sql, (after, STEP_BODIES))
    if not rows:
        return None
    decoder = Decoder(reading.dictionary)
    ends_at = time.monotonic() + STEP_S
    found: Recoded = []
    last = after
    for row in rows:
        last, _, size_bytes, _, coding, octets = row
        stale = coding == RAW or (size_bytes <= SMALL_BYTES and coding != encoder.dictionary_id)
        if stale and octets is not None and not damage(row, decoder, blobs):
            new_coding, new_octets = encoder.encode(decoder.decode(coding, octets, IN_FILE_BYTES))
            if len(new_octets) * 100 < len(octets) * WORTH_PERCENT:
                found.append((last, coding, new_coding, new_octets))
        if time.monotonic() > ends_at:
            break
    return last, found
