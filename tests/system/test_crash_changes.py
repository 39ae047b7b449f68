"""Nothing acknowledged is undone: moves, expunges, undelete, renames, rights, quotas, POP and LMTP under SIGKILL.

``test_crash`` floods the node with new mail; here what is there changes. ``POSTHOUSE_CRASH_ROUNDS`` asks for more rounds.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import pytest

from support.books import Books
from support.facts import Facts
from support.flood import THIRD, run
from support.flood_of_changes import ADMINISTRATOR, KEEPER, POP_USERS, FloodOfChanges, audit, enough, prepare
from support.node import PASSWORD, SERVICES, Node, running
from support.soundness import unsound

ROUNDS = int(os.environ.get("POSTHOUSE_CRASH_ROUNDS", "8"))
LONGEST_S = 20.0
pytestmark = [pytest.mark.timeout(300 + 20 * ROUNDS)]


async def change_until_killed(node: Node, books: Books, facts: Facts, number: int, seconds: float) -> None:
    """For so long, and on a slow machine until the work of so many rounds has been done since the beginning."""
    name = f"r{number}"
    flood = FloodOfChanges(node, books, facts, name)
    clients = [asyncio.ensure_future(one) for one in flood.crowd()]
    await asyncio.sleep(seconds)
    end = time.monotonic() + LONGEST_S
    while not enough(books, number) and time.monotonic() < end:
        await asyncio.sleep(0.02)
    flood.over = True
    node.kill()
    async with asyncio.timeout(60):
        await asyncio.gather(*clients)


@pytest.mark.spec_part("STO-1", "STO-2", "STO-5", "POP-1")
def test_crashes_undo_no_acknowledged_change_and_leave_every_sum_right(tmp_path: Path) -> None:
    with running(tmp_path, services=(*SERVICES, "admin")) as node:
        for user in (KEEPER, THIRD, *POP_USERS):
            node.add_user(user)
        node.run("user", "add", ADMINISTRATOR, "--password", PASSWORD, "--role", "administrator")
        books, facts = Books(), Facts()
        run(prepare(node, books, facts))
        for number in range(1, ROUNDS + 1):
            seconds = random.choice((0.3, 0.8, 1.2, 1.6))
            run(change_until_killed(node, books, facts, number, seconds))
            node.start()
            run(audit(node, books, facts))
            assert not books.problems, f"after crash {number}: {books.problems}"
        found = node.json("store", "check")
        assert found["sound"], found
        assert unsound(node.folder / "data") == []
        assert node.json("quota", "recount")["wrong"] == 0
        assert enough(books, ROUNDS), books.counts
