"""Puts messages into the outbound queue of a node that is not running."""

from __future__ import annotations

import asyncio

from posthouse.backends.sqlite.local_gate import LocalGate
from posthouse.backends.sqlite.sink import SqliteSink
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.clock import SystemClock
from posthouse.base.ids import Ids
from posthouse.formats.mime import summarise
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.plan import Acceptance, ToQueue
from support.node import Node
from support.sending import JANE


async def fill_queue(node: Node, next_hop: str, count: int) -> list[str]:
    """So many messages to x@faraway.test by way of ``next_hop``; gives their ids, which they carry in Message-ID."""
    path = node.folder / "data" / "mail.db"
    writer, ids = MailWriterThread(path, lambda _: None), Ids(SystemClock())
    writer.start()
    sink = SqliteSink(LocalGate(writer), path)
    now, sender = SystemClock().now(), Sender(Address.parse(JANE))
    destination = ToQueue(Recipient(Address.parse("x@faraway.test")), next_hop)
    accepted = [ids.new() for _ in range(count)]
    try:
        for at in range(0, count, 500):
            contents = [
                (each, f"Message-ID: <{each}@test>\r\n\r\n{'x' * 500}\r\n".encode()) for each in accepted[at : at + 500]
            ]
            letters = [Acceptance(each, now, sender, octets, summarise(octets), (destination,)) for each, octets in contents]
            await asyncio.gather(*(sink.commit(letter) for letter in letters))
    finally:
        writer.stop()
    return accepted
