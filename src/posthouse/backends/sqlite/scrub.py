"""Reads all stored contents, some at a time, and compares their digests (``store scrub``, STO-7). Blocks: for one thread.

What is found is noted in ``damaged_body``. A content that is deleted meanwhile is not damaged.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.coding import FIRST_DICTIONARY, Decoder
from posthouse.backends.sqlite.content_check import COLUMNS, damage
from posthouse.backends.sqlite.reader import MailReading

STEP_BODIES = 64
STEP_S = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """Bodies up to ``last`` were read. ``damaged``: body_id and cause. ``codings``: numbers of dictionaries that are in use.
    ``renote``: what is noted about these bodies is to change."""

    last: int
    damaged: tuple[tuple[int, str], ...]
    codings: frozenset[int]
    renote: bool


def step(reading: MailReading, blobs: BlobFiles, after: int) -> Step | None:
    """The contents of the next bodies; None when there are none. Raises Temporary."""
    rows = reading.all(COLUMNS + "WHERE b.body_id > ? ORDER BY b.body_id LIMIT ?", (after, STEP_BODIES))
    if not rows:
        return None
    ends_at = time.monotonic() + STEP_S
    decoder = Decoder(reading.dictionary)
    last, codings = after, set()
    found: list[tuple[int, str]] = []
    for row in rows:
        last = row[0]
        if row[4] is not None and row[4] >= FIRST_DICTIONARY:
            codings.add(row[4])
        why = damage(row, decoder, blobs)
        if why and reading.all("SELECT 1 FROM body WHERE body_id = ?", (last,)):
            found.append((last, why))
        if time.monotonic() > ends_at:
            break
    noted = {
        body_id
        for (body_id,) in reading.all("SELECT body_id FROM damaged_body WHERE body_id BETWEEN ? AND ?", (after + 1, last))
    }
    return Step(last, tuple(found), frozenset(codings), noted != {body_id for body_id, _ in found})
