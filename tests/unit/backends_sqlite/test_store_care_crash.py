"""kill -9 while the store is compacted, scrubbed, repaired and learns: nothing acknowledged is lost, nothing is unsound."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from posthouse.backends.sqlite.check import check
from support.cared_store import cared_store
from support.stored_mail import mail

ROUNDS = 6
KEPT = 40

CHILD = """
import asyncio, sys
from pathlib import Path
from posthouse.backends.sqlite import learning, upkeep
from support.cared_store import cared_store
from support.stored_mail import mail

learning.ENOUGH, upkeep.FREE_PAGES = 100, 50

async def main(folder, turn):
    async with cared_store(folder) as cared:
        if turn == 0:
            cared.compression = False
            await cared.append(*mail(40, seed=0, size_bytes=9000))
            cared.compression = True
        print("ready", flush=True)
        for number in range(1000):
            uids = await cared.append(*mail(120, seed=1000 * turn + number + 1), bytes(140_000) + bytes([turn, number % 256]))
            for work in (cared.care.learn, cared.care.compact, cared.care.scrub, cared.care.repair, cared.care.sweep):
                asyncio.ensure_future(cared.store.expunge(cared.inbox, uids[:60], unmarked=True))
                found = await work()
                assert work != cared.care.scrub or not found, found
                print(work.__name__, flush=True)
                uids = uids[60:]

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@pytest.mark.spec_part("STO-1", "STO-7")
async def test_kill_9_while_the_store_is_looked_after_costs_nothing(tmp_path: Path) -> None:
    chance = random.Random(5)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for turn in range(ROUNDS):
        arguments = [sys.executable, "-c", CHILD, str(tmp_path), str(turn)]
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
        assert child.stdout and child.stdout.readline() == "ready\n"
        for _ in range(chance.randrange(1, 9)):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    async with cared_store(tmp_path) as cared:
        assert check(cared.path, contents=True).problems == ()
        assert await cared.care.scrub() == []
        _, rows = await cared.store.rows(cared.inbox)
        facts = await cared.store.facts(cared.inbox, [row.uid for row in rows][:KEPT])
        found = [await cared.store.content(fact.body_id) for fact in facts]
    assert tuple(found) == mail(KEPT, seed=0, size_bytes=9000)
