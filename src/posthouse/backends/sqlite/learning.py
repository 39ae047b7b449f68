"""Learns from small messages how to compress the next ones: trains a dictionary, keeps it if it is worth it (STO-7).

A dictionary holds what many messages have in common, word for word; it is stored beside them and is as secret as they are.
Blocks, for a second or two: for one thread.
"""

from __future__ import annotations

import random

from posthouse.backends.sqlite.coding import SMALL_BYTES, Encoder, train
from posthouse.backends.sqlite.reader import MailReading
from posthouse.base.errors import MailError

ENOUGH = 2_000
LOOKED_AT = 20_000
SAMPLES = 2_000
TRIED = 200
SAMPLE_BYTES = 8 << 20
DICTIONARY_BYTES = 64 << 10
WORTH_PERCENT = 95  # of what the contents take now; a new dictionary must do better


def newest_body(reading: MailReading) -> int:
    """Its body_id, 0 for none."""
    ((newest,),) = reading.all("SELECT coalesce(max(body_id), 0) FROM body", ())
    return int(newest)


def enough(reading: MailReading, since: int) -> bool:
    """Whether so many small bodies came after body ``since`` that learning from them makes sense."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM body WHERE body_id > ? AND size_bytes <= ? LIMIT ?)"
    ((count,),) = reading.all(sql, (since, SMALL_BYTES, ENOUGH))
    return int(count) >= ENOUGH


def learnt(reading: MailReading, chance: random.Random) -> bytes | None:
    """A dictionary that does better on new messages than the one in use; None if it would not."""
    sql = "SELECT body_id FROM body WHERE size_bytes <= ? ORDER BY body_id DESC LIMIT ?"
    body_ids = [body_id for (body_id,) in reading.all(sql, (SMALL_BYTES, LOOKED_AT))]
    chosen = chance.sample(body_ids, min(len(body_ids), SAMPLES + TRIED))
    samples: list[bytes | bytearray | memoryview[int]] = []
    tried: list[bytes] = []
    left = SAMPLE_BYTES
    for body_id in chosen:
        try:
            content = reading.content(body_id)
        except MailError:
            continue
        if content and len(tried) < TRIED:
            tried.append(content)
        elif content and left > 0:
            samples.append(content)
            left -= len(content)
    dictionary = train(samples, DICTIONARY_BYTES)
    if dictionary is None:
        return None
    now = Encoder(*(reading.newest_dictionary(0) or ()))
    after = Encoder(now.dictionary_id + 1, dictionary)
    return dictionary if _stored(after, tried) * 100 < _stored(now, tried) * WORTH_PERCENT else None


def _stored(encoder: Encoder, contents: list[bytes]) -> int:
    return sum(len(encoder.encode(content)[1]) for content in contents)
