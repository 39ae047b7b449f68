"""kill -9 of the writing process in the middle of a flood: every acknowledged message is there once, the store is sound."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from posthouse.backends.sqlite.check import check
from posthouse.backends.sqlite.gate_client import GateClient
from posthouse.backends.sqlite.local_gate import LocalGate
from posthouse.backends.sqlite.mailstore import SqliteMailStore
from posthouse.backends.sqlite.sink import SqliteSink
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.errors import Temporary
from posthouse.model.mailbox import FLAGGED
from support.mail_backends import acceptance, letter, texts, to_mailbox, to_queue

STEWARD = """
import asyncio, sys
from pathlib import Path
from posthouse.backends.sqlite.gate import GateServer
from posthouse.backends.sqlite.writer import MailWriterThread

async def main(folder):
    writer = MailWriterThread(folder / "mail.db")
    writer.start()
    await GateServer(folder / "gate.sock", writer).start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""
ROUNDS = 5
CLIENTS = 10


def steward(folder: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", STEWARD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "ready\n"
    return child


async def test_every_acknowledged_unit_survives_kill_9_exactly_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    child = steward(tmp_path)
    gate = GateClient(tmp_path / "gate.sock")
    store = SqliteMailStore(gate, tmp_path / "mail.db")
    sink = SqliteSink(gate, tmp_path / "mail.db")
    await store.ready()
    inbox = await store.mailbox(1, "INBOX")
    assert inbox
    acknowledged: list[bytes] = []
    unknown: list[bytes] = []
    flagged: set[int] = set()

    async def client(turn: int, number: int, stop: asyncio.Event) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            text = f"{turn} {number} {count}"
            content = letter(text, 140_000 if count % 20 == 5 else 3000)
            try:
                await sink.commit(acceptance(content, to_mailbox(1), to_queue(), trace_id=text))
                acknowledged.append(content)
                if number == 0 and count % 3 == 0:
                    await store.store_flags(inbox.mailbox_id, [count], "add", ["\\Flagged"])
                    flagged.add(count)
            except Temporary:
                unknown.append(content)

    for turn in range(ROUNDS):
        stop = asyncio.Event()
        clients = [asyncio.ensure_future(client(turn, number, stop)) for number in range(CLIENTS)]
        enough = len(acknowledged) + chance.randrange(50, 300)
        while len(acknowledged) < enough:
            await asyncio.sleep(0)
        child.send_signal(signal.SIGKILL)
        stop.set()
        child.wait()
        child = steward(tmp_path)
        await asyncio.gather(*clients)
    child.kill()
    child.wait()
    await gate.close()
    store.close()

    assert check(tmp_path / "mail.db", contents=True).problems == ()
    writer = MailWriterThread(tmp_path / "mail.db")
    writer.start()
    reopened = SqliteMailStore(LocalGate(writer), tmp_path / "mail.db")
    found = Counter(await texts(reopened, inbox.mailbox_id))
    _, rows = await reopened.rows(inbox.mailbox_id)
    reopened.close()
    writer.stop()
    assert all(found[content] == 1 for content in acknowledged)
    assert set(found) - set(acknowledged) <= set(unknown) and max(found.values()) == 1
    assert {row.uid for row in rows if row.flags & FLAGGED} >= {uid for uid in flagged if uid <= len(rows)}
    assert len(acknowledged) > 50 * ROUNDS
