"""Nothing acknowledged is ever lost: the node is flooded and killed with SIGKILL, again and again, on one data folder."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from support.books import Books
from support.flood import Audit, Flood, prepare, run
from support.node import Node, running
from support.soundness import unsound

ROUNDS = 25
pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("heavy")]


async def flood_until_killed(node: Node, books: Books, name: str, seconds: float) -> None:
    flood = Flood(node, books, name)
    clients = [asyncio.ensure_future(one) for one in flood.everybody()]
    await asyncio.sleep(seconds)
    flood.over = True
    node.kill()
    async with asyncio.timeout(20):
        await asyncio.gather(*clients)


@pytest.mark.spec("STO-1")
@pytest.mark.spec_part("OUT-6")
def test_25_crashes_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as node:
        books = prepare(node)
        audit = Audit(node, books)
        for number in range(ROUNDS):
            # Mostly in full flow; sometimes in the very first moments, while clients log in and the log is recovered.
            run(flood_until_killed(node, books, f"r{number}", random.choice((0.0, 0.2, 0.6, 0.9, 1.2, 1.5))))
            node.start()
            audit.round()
            assert not books.problems, f"after crash {number + 1}: {books.problems}"
        audit.everything()
        assert not books.problems, books.problems
        assert node.json("store", "check")["sound"]
        assert unsound(node.folder / "data") == []
        enough(books)


def enough(books: Books) -> None:
    """The flood was one: every kind of work was done often, and some of it was cut off."""
    print(dict(books.counts))
    for kind, least in {"250 to a message": 3000, "OK to APPEND": 500, "OK to STORE": 500, "OK to MOVE": 200}.items():
        assert books.counts[kind] >= least, books.counts
    assert books.counts["unanswered"] > ROUNDS, books.counts
