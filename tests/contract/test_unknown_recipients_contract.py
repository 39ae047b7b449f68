"""What interfaces/unknown_recipients.py promises, held against the fake and the embedded store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.backends.memory.unknown_recipients import MemoryUnknownRecipients
from posthouse.backends.sqlite.triplet_writer import TripletWriter
from posthouse.backends.sqlite.unknown_recipients import SqliteUnknownRecipients
from posthouse.interfaces.unknown_recipients import UnknownRecipient, UnknownRecipients

REPLY = "550 5.1.1 no such user"


@pytest.fixture(params=["memory", "sqlite"])
async def unknown(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[UnknownRecipients]:
    if request.param == "memory":
        yield MemoryUnknownRecipients()
        return
    writer = TripletWriter(tmp_path / "greylist.db")
    store = SqliteUnknownRecipients(tmp_path / "greylist.db", writer)
    yield store
    store.close()
    writer.close()


async def test_what_is_learnt_holds_until_its_end(unknown: UnknownRecipients) -> None:
    assert await unknown.reply("nobody@example.test", 100) == ""
    await unknown.learn("nobody@example.test", REPLY, 200)
    assert await unknown.reply("nobody@example.test", 199) == REPLY
    assert await unknown.reply("nobody@example.test", 200) == ""
    assert await unknown.reply("somebody@example.test", 100) == ""
    await unknown.learn("nobody@example.test", REPLY, 300)
    assert await unknown.reply("nobody@example.test", 250) == REPLY


async def test_what_is_forgotten_is_not_known(unknown: UnknownRecipients) -> None:
    await unknown.learn("nobody@example.test", REPLY, 200)
    assert await unknown.forget("nobody@example.test")
    assert not await unknown.forget("nobody@example.test")
    assert await unknown.reply("nobody@example.test", 100) == ""


async def test_those_that_hold_are_listed_in_order(unknown: UnknownRecipients) -> None:
    for name, until in (("b", 200), ("a", 300), ("c", 50)):
        await unknown.learn(f"{name}@example.test", REPLY, until)
    assert list(await unknown.listing(100, 10)) == [
        UnknownRecipient("a@example.test", REPLY, 300),
        UnknownRecipient("b@example.test", REPLY, 200),
    ]
    assert len(await unknown.listing(100, 1)) == 1


async def test_strange_texts_are_kept(unknown: UnknownRecipients) -> None:
    await unknown.learn("jörg\x00@example.test", "550 5.1.1 \udce9", 200)
    assert await unknown.reply("jörg\x00@example.test", 100)
