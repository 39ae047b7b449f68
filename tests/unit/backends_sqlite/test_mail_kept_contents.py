"""APPEND of contents that are kept already: naming them is enough, and when they go in between they are sent whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from posthouse.backends.sqlite.check import check
from posthouse.backends.sqlite.local_gate import LocalGate
from posthouse.backends.sqlite.mailstore import SqliteMailStore
from posthouse.backends.sqlite.units_bodies import BODY_GONE
from posthouse.backends.sqlite.writer import MailWriterThread
from posthouse.base.errors import NotFound, Temporary
from posthouse.model.mailbox import NewMessage
from support.mail_backends import letter, new, texts


class Listening(LocalGate):
    """Notes how many octets of contents come with each APPEND."""

    def __init__(self, writer: MailWriterThread) -> None:
        super().__init__(writer)
        self.sent: list[list[int]] = []

    async def call(self, kind: str, arguments: Any, octets: int = 0) -> Any:
        if kind == "append":
            self.sent.append([len(parcel[2] or b"") if len(parcel) > 2 else 0 for parcel, _, _ in arguments[1]])
        return await super().call(kind, arguments, octets)


@dataclass
class Kept:
    store: SqliteMailStore
    gate: Listening
    writer: MailWriterThread
    mailbox_id: int
    path: Path


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    path = tmp_path / "mail.db"
    writer = MailWriterThread(path)
    writer.start()
    gate = Listening(writer)
    store = SqliteMailStore(gate, path)
    inbox = await store.mailbox(1, "INBOX")
    assert inbox
    yield Kept(store, gate, writer, inbox.mailbox_id, path)
    store.close()
    writer.stop()
    assert check(path, contents=True).problems == ()


async def test_what_is_kept_already_is_only_named(kept: Kept) -> None:
    await kept.store.append(kept.mailbox_id, [new("one"), new("two")])
    done = await kept.store.append(kept.mailbox_id, [new("two", "\\Seen", "$Work"), new("one")])
    assert list(done.uids) == [3, 4]
    assert [any(octets) for octets in kept.gate.sent] == [True, False]
    assert await texts(kept.store, kept.mailbox_id) == [letter("one"), letter("two"), letter("two"), letter("one")]
    facts = await kept.store.facts(kept.mailbox_id, [1, 2, 3, 4])
    assert [fact.body_id for fact in facts] == [facts[0].body_id, facts[1].body_id, facts[1].body_id, facts[0].body_id]
    _, rows = await kept.store.rows(kept.mailbox_id)
    assert [row.flags for row in rows] == [0, 0, 1 | 1 << 6, 0]


async def test_one_new_content_among_kept_ones_comes_whole(kept: Kept) -> None:
    await kept.store.append(kept.mailbox_id, [new("one")])
    await kept.store.append(kept.mailbox_id, [new("one"), new("two")])
    assert all(kept.gate.sent[-1])
    assert await texts(kept.store, kept.mailbox_id) == [letter("one"), letter("one"), letter("two")]


async def test_a_content_that_goes_in_between_is_sent_whole(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept.store._reading, "keeps", lambda _digest: True)
    done = await kept.store.append(kept.mailbox_id, [new("one", "\\Flagged"), new("two")])
    assert list(done.uids) == [1, 2]
    assert [any(octets) for octets in kept.gate.sent] == [False, True]
    assert await texts(kept.store, kept.mailbox_id) == [letter("one"), letter("two")]


async def test_other_failures_of_a_named_content_are_told(kept: Kept) -> None:
    await kept.store.append(kept.mailbox_id, [new("one")])
    with pytest.raises(NotFound):
        await kept.store.append(424242, [new("one")])
    assert await texts(kept.store, kept.mailbox_id) == [letter("one")]


async def test_a_unit_alone_that_fails_half_way_leaves_nothing(kept: Kept) -> None:
    before = await kept.store.mod_seq(kept.mailbox_id)
    await kept.store.append(kept.mailbox_id, [new("one")])
    kept_one, unknown = NewMessage(letter("one")), [b"\0" * 32, 10]
    known = await _digest(kept, kept_one)
    with pytest.raises(Temporary) as failed:
        await kept.gate.call("append", [kept.mailbox_id, [(known, (), None), (unknown, ("$New",), None)], None, ""])
    assert failed.value.cause == BODY_GONE
    info = await kept.store.mailbox_by_id(kept.mailbox_id)
    assert info and (info.exists, info.keywords, info.mod_seq) == (1, (), before + 1)
    assert list((await kept.store.append(kept.mailbox_id, [new("three")])).uids) == [2]


async def _digest(kept: Kept, message: NewMessage) -> list[Any]:
    assert kept.writer.work
    [(digest,)] = kept.writer.work.connection.execute("SELECT digest FROM body").fetchall()
    return [digest, len(message.content)]
