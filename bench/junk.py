"""What the stages around the scorer cost for one message: bulk signatures, lists of thousands, terms, what is said of it.

    python bench/junk.py

Prints microseconds of processor time; run it on a quiet machine.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from posthouse.backends.memory.bulk import MemoryBulk
from posthouse.backends.sqlite.bulk import SqliteBulk
from posthouse.backends.sqlite.bulk_writer import BulkWriter
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter, open_directory_file
from posthouse.backends.sqlite.junk import SqliteJunk
from posthouse.backends.sqlite.senders import SqliteSenders, SqliteSendersWriter
from posthouse.base.clock import SystemClock
from posthouse.content.bulk.fingerprint import signatures_of
from posthouse.content.bulk.scorer import BulkScorer
from posthouse.formats.mime import summarise
from posthouse.model.address import Address
from posthouse.model.mail_authentication import AuthReport
from posthouse.model.senders import ListOwner, SenderEntry
from posthouse.model.settings import AntispamSettings
from posthouse.model.spam import RuleHit, ScoredMail
from posthouse.pipeline.sender_alignment import Alignment
from posthouse.pipeline.senders import ListReading
from posthouse.pipeline.spam_fields import spam_fields

JANE = Address.parse("jane@example.test")


async def cost(name: str, work: Callable[[], Awaitable[object]], count: int = 500) -> None:
    for _ in range(20):
        await work()
    begun = time.process_time()
    for _ in range(count):
        await work()
    print(f"{name:55} {(time.process_time() - begun) / count * 1e6:9.0f} µs")


def message(words: int) -> bytes:
    chosen = random.Random(1)
    body = " ".join("".join(chosen.choices("abcdefghijklmnop", k=6)) for _ in range(words))
    return b"From: lena@elsewhere.test\r\nTo: jane@example.test\r\nSubject: Hello\r\n\r\n" + body.encode() + b"\r\n"


class Handed:
    """As much of a transaction as lists look at."""

    def __init__(self, content: bytes) -> None:
        self.content, self.summary = content, summarise(content)
        self.sender = type("Sender", (), {"address": Address.parse("bounce@lists.elsewhere.test")})()
        self.auth = AuthReport()


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "directory.db"
        database = open_directory_file(path)
        await SqliteDirectoryWriter(database).add_domain("example.test")
        writer = SqliteSendersWriter(database)
        for owner in (ListOwner("user", JANE.key), ListOwner("domain", "example.test"), ListOwner("system")):
            await writer.add([SenderEntry(owner, "sender", f"friend{n}@x{n}.test") for n in range(10_000)])
            await writer.add([SenderEntry(owner, "blocked", f"*spam{n}*@*.x{n}.test") for n in range(200)])
        lists, book = SqliteSenders(path), SqliteJunk(path)
        handed = Handed(message(300))

        async def read_lists() -> None:
            await ListReading(lists, handed, Alignment(None, None, 1.0)).word(JANE, JANE)  # type: ignore[arg-type]

        await cost("three lists of 10,000 entries and 200 patterns each", read_lists)
        await cost("terms of a recipient", lambda: book.said(JANE))
        for words in (300, 3_000):
            content = message(words)
            summary = summarise(content)

            async def sign(content: bytes = content, summary: object = summary) -> None:
                signatures_of(content, summary)  # type: ignore[arg-type]

            await cost(f"signatures of {len(content) >> 10} KiB", sign)
        mail = ScoredMail(message(300), summarise(message(300)), "a@b.test", ("jane@example.test",), "192.0.2.1")
        bulk_writer = BulkWriter(Path(folder) / "bulk.db")
        for name, table in (("memory", MemoryBulk()), ("SQLite", SqliteBulk(Path(folder) / "bulk.db", bulk_writer.told))):
            scorer = BulkScorer(table, SystemClock(), AntispamSettings)
            await cost(f"engine bulk, table in {name}", lambda scorer=scorer: scorer.score(mail))
        hits = [RuleHit(f"RULE_{n}", 1.5, "some words that say why it hit") for n in range(20)]

        async def fields() -> None:
            spam_fields(hits, (), 50.0, "mx.example.test", report=True)

        await cost("fields of 20 rules", fields)
        lists.close(), book.close(), database.close(), bulk_writer.close()


asyncio.run(main())
