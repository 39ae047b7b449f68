"""Nothing acknowledged is ever lost: the node is flooded and killed with SIGKILL, again and again, on one data folder.

``POSTHOUSE_CRASH_ROUNDS`` asks for more rounds. ``test_crash_changes`` does the same to what changes and goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from support.books import QUEUE, Books
from support.flood import READER, Audit, Flood, prepare, queued, run
from support.node import Node, running, until
from support.soundness import unsound

ROUNDS = int(os.environ.get("POSTHOUSE_CRASH_ROUNDS", "25"))
LEAST_OF_A_ROUND = {"250 to a message": 40, "OK to APPEND": 10, "OK to STORE": 6, "OK to MOVE": 4}
LONGEST_S = 20.0
pytestmark = [pytest.mark.timeout(300 + 12 * ROUNDS)]


async def flood_until_killed(node: Node, books: Books, name: str, seconds: float, rounds: int) -> None:
    """For so long, and until the work of so many ``rounds`` has been done since the beginning."""
    flood = Flood(node, books, name)
    clients = [asyncio.ensure_future(one) for one in flood.everybody()]
    await asyncio.sleep(seconds)
    end = time.monotonic() + LONGEST_S
    while not enough(books, rounds) and time.monotonic() < end:  # a slow machine comes into full flow later
        await asyncio.sleep(0.02)
    flood.over = True
    node.kill()
    async with asyncio.timeout(60):
        await asyncio.gather(*clients)


TREE = ("Projects", "Projects/2026", "Projects/2026/Tower")
USES = {"Sent": "\\Sent", "Drafts": "\\Drafts", "Trash": "\\Trash", "Junk Mail": "\\Junk", "Archive": "\\Archive"}


def plant_tree(node: Node) -> None:
    """A mailbox some levels down, with a message and its flags; its parents are made with it."""
    with node.imap(READER) as client:
        assert client.create(TREE[-1])[0] == "OK"
        assert client.append(TREE[-1], "(\\Flagged later)", "", b"Subject: deep\r\n\r\nx\r\n")[0] == "OK"


def tree_stands(node: Node) -> None:
    """That mailbox and its message, and the mailboxes that everybody has, each with its use (RFC 6154)."""
    with node.imap(READER) as client:
        lines = [line.decode() for line in client.list()[1] if isinstance(line, bytes)]
        found = {line.rpartition('"/" ')[2].strip('"'): line.partition(")")[0].strip("(").split() for line in lines}
        assert found.keys() >= {"INBOX", *TREE, *USES}
        assert all(use in found[name] for name, use in USES.items()), found
        client.select(TREE[-1], readonly=True)
        flags = str(client.fetch("1", "(FLAGS)")[1][0])
        assert "Flagged" in flags and "later" in flags


@pytest.mark.spec("STO-1")
@pytest.mark.spec_part("OUT-6")
def test_25_crashes_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    with socket.socket() as far, running(tmp_path) as node:
        far.bind(("127.0.0.1", 0))  # nobody listens there before the end
        books = prepare(node, far.getsockname()[1])
        audit = Audit(node, books)
        plant_tree(node)
        for number in range(ROUNDS):
            # Mostly in full flow; sometimes in the very first moments, while clients log in and the log is recovered.
            seconds = random.choice((0.0, 0.2, 0.6, 0.9, 1.2, 1.5)) if number < ROUNDS - 1 else 1.5
            run(flood_until_killed(node, books, f"r{number}", seconds, number + 1 if seconds > 0.5 else 0))
            node.start()
            audit.round()
            assert not books.problems, f"after crash {number + 1}: {books.problems}"
        audit.everything()
        tree_stands(node)
        assert not books.problems, books.problems
        assert node.json("store", "check")["sound"]
        assert unsound(node.folder / "data") == []
        assert enough(books, ROUNDS), books.counts
        assert books.counts["unanswered"] > ROUNDS, books.counts
        arrived = run(delivered(node, far, len(books.sure[QUEUE])))
        assert Counter(arrived) == Counter(books.sure[QUEUE]), "each left the queue once, with nothing crashing any more"
        until(lambda: not queued(node))


async def delivered(node: Node, far: socket.socket, count: int) -> list[str]:
    """Opens the smart host that was missing all the time; gives the recipients that arrive there."""
    arrived: list[str] = []
    enough = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 far\r\n")
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                word = line[:4].upper()
                if word == b"RCPT":
                    recipients.append(line.decode().partition("<")[2].partition(">")[0])
                elif word == b"DATA":
                    writer.write(b"354 go on\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                    arrived.extend(recipients)
                    recipients.clear()
                    if len(arrived) >= count:
                        enough.set()
                writer.write(b"250 ok\r\n")

    server = await asyncio.start_server(take, sock=far, limit=1 << 20)
    await asyncio.to_thread(node.run, "queue", "retry")
    async with asyncio.timeout(60):
        await enough.wait()
    await asyncio.sleep(0.5)  # what comes after the last one comes too often
    server.close()
    return arrived


def enough(books: Books, rounds: int) -> bool:
    """The flood was one: every kind of work was done often."""
    return all(books.counts[kind] >= each * rounds for kind, each in LEAST_OF_A_ROUND.items())
