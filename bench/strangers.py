"""What the checks of strangers cost: processor time of one connection with one message, from connect to RCPT TO, answers of DNS at
hand; and of one DNS question that is not at hand.

    python bench/strangers.py

Real backends (SQLite lists of 100,000 entries, the resolver in front of Knot), the stages of the path up to ``sender``.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.house import House
from support.knot import Knot

from posthouse.backends.dns import DnsResolver
from posthouse.backends.dns_lists import DnsBlockLists
from posthouse.backends.sqlite.blocklists import SqliteBlockListZones, SqliteBlockListZonesWriter
from posthouse.backends.sqlite.directory_writer import open_directory_file
from posthouse.backends.sqlite.reject_list import SqliteRejectList, SqliteRejectListWriter
from posthouse.model.address import Address
from posthouse.model.block_list import BlockListZone
from posthouse.model.envelope import Sender
from posthouse.model.reject import reject_entry
from posthouse.pipeline.greeting import Greeting
from posthouse.pipeline.lists import Lists
from posthouse.pipeline.names import HostNames, Names
from posthouse.pipeline.network import Network
from posthouse.pipeline.patience import Patience
from posthouse.pipeline.rejects import Rejects
from posthouse.pipeline.sender import SenderDomain
from posthouse.pipeline.transaction import Transaction

ROUNDS = 3000
QUESTIONS = 3000
RECORDS = {
    ("192.0.2.9", "PTR"): ["mail.good.test"],
    ("mail.good.test", "A"): ["192.0.2.9"],
    ("good.test", "MX"): ["10 mail.good.test"],
    **{(f"h{number}.test", "A"): ["192.0.2.1"] for number in range(QUESTIONS)},
}


async def stages(house: House, resolver: DnsResolver, folder: Path, lists: int) -> list[object]:
    database = open_directory_file(folder / "directory.db")
    writer = SqliteRejectListWriter(database)
    await writer.add([reject_entry(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(80_000)])
    await writer.add([reject_entry(f"d{n}.bad.test") for n in range(20_000)])
    for number in range(lists):
        await SqliteBlockListZonesWriter(database).put_zone(BlockListZone(f"bl{number}.test", "both"))
    patience = Patience(lambda: house.settings, house.clock)
    hosts = HostNames(resolver, patience)
    zones = SqliteBlockListZones(folder / "directory.db")
    return [
        Network(lambda: house.settings, house.counters),
        Rejects(SqliteRejectList(folder / "directory.db"), hosts),
        Names(lambda: house.settings, hosts),
        Greeting(lambda: house.settings, "mx.example.test"),
        Lists(DnsBlockLists(resolver, zones, lambda: house.settings, house.clock), patience),
        SenderDomain(lambda: house.settings, house.directory, resolver, patience),
    ]


async def walk(house: House, chosen: list[object]) -> None:
    session = house.session()
    for stage in chosen:
        await stage.connect(session)
    session.helo = "mail.good.test"
    for stage in chosen:
        await stage.helo(session)
    transaction = Transaction("x", session, Sender(Address.parse("a@good.test")), 0.0)
    for stage in chosen:
        await stage.mail_from(transaction)
    for stage in chosen:
        await stage.rcpt_to(transaction, None)
    transaction.end()


async def main() -> None:
    with tempfile.TemporaryDirectory() as name, Knot(Path(name) / "knot", RECORDS) as knot:
        resolver = DnsResolver([knot.address])
        for lists in (0, 3):
            house = House()
            house.set("smtp.sender_check", True)
            folder = Path(name) / str(lists)
            folder.mkdir()
            chosen = await stages(house, resolver, folder, lists)
            await walk(house, chosen)
            began = time.process_time()
            for _ in range(ROUNDS):
                await walk(house, chosen)
            print(f"one connection and message, {lists} block lists: {(time.process_time() - began) / ROUNDS * 1e6:.0f} us")
        began = time.process_time()
        for at in range(0, QUESTIONS, 50):
            await asyncio.gather(*(resolver.a(f"h{number}.test") for number in range(at, at + 50)))
        print(f"one DNS question: {(time.process_time() - began) / QUESTIONS * 1e6:.0f} us")
        began = time.process_time()
        for _ in range(QUESTIONS):
            await resolver.a("h1.test")
        print(f"one answer at hand: {(time.process_time() - began) / QUESTIONS * 1e6:.1f} us")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
