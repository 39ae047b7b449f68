"""What interfaces/sink.py promises, held against the sink in memory and the one on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.base.errors import Temporary
from posthouse.model.envelope import Recipient
from posthouse.model.flags import flag_names
from posthouse.model.plan import ToNowhere
from support.mail_backends import (
    KINDS,
    LIFETIME_S,
    MailBackends,
    acceptance,
    letter,
    mail_backends,
    new,
    texts,
    to_mailbox,
    to_queue,
)


@pytest.fixture(params=KINDS)
async def backends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MailBackends]:
    async with mail_backends(request.param, tmp_path) as made:
        yield made


async def mailbox_id(backends: MailBackends, account_id: int, name: str = "INBOX") -> int:
    found = await backends.store.mailbox(account_id, name)
    assert found
    return found.mailbox_id


async def test_an_accepted_message_is_in_the_mailbox_when_commit_returns(backends: MailBackends) -> None:
    await backends.sink.commit(acceptance(letter("hi"), to_mailbox(1), received_at=123.5))
    inbox = await mailbox_id(backends, 1)
    info, rows = await backends.store.rows(inbox)
    (fact,) = await backends.store.facts(inbox, [1])
    assert (info.exists, info.unseen, info.uid_next, rows[0].flags) == (1, 1, 2, 0)
    assert (fact.received_at, fact.saved_at) == (123.5, backends.clock.now())
    assert await texts(backends.store, inbox) == [letter("hi")]
    assert len(await backends.store.mailboxes(1)) == 6


async def test_mailboxes_and_queue_are_one_unit(backends: MailBackends) -> None:
    backends.told.clear()
    destinations = (to_mailbox(1), to_mailbox(2), to_queue("ann"), to_queue("bob", "relay:25"))
    await backends.sink.commit(acceptance(letter("all"), *destinations, trace_id="TX", received_at=10.0))
    for account_id in (1, 2):
        assert await texts(backends.store, await mailbox_id(backends, account_id)) == [letter("all")]
    queued = await backends.spool.get("TX")
    assert queued and (queued.trace_id, queued.queued_at, queued.expires_at) == ("TX", 10.0, 10.0 + LIFETIME_S)
    assert [str(r.recipient.address) for r in queued.recipients] == ["ann@example.net", "bob@example.net"]
    assert await backends.spool.content(queued.body_id) == letter("all")
    assert any(told.queue for told in backends.told)


async def test_a_missing_or_unselectable_mailbox_becomes_inbox_and_is_not_made(backends: MailBackends) -> None:
    await backends.store.create(1, "p/c")
    await backends.store.delete(1, "p")
    await backends.sink.commit(acceptance(letter("one"), to_mailbox(1, "nowhere")))
    await backends.sink.commit(acceptance(letter("two"), to_mailbox(1, "p")))
    await backends.sink.commit(acceptance(letter("three"), to_mailbox(1, "p/c")))
    await backends.sink.commit(acceptance(letter("four"), to_mailbox(2, "nowhere")))
    assert await texts(backends.store, await mailbox_id(backends, 1)) == [letter("one"), letter("two")]
    assert await texts(backends.store, await mailbox_id(backends, 1, "p/c")) == [letter("three")]
    assert await texts(backends.store, await mailbox_id(backends, 2)) == [letter("four")]
    assert await backends.store.mailbox(1, "nowhere") is None


async def test_flags_of_filters_are_set_and_impossible_ones_left_out(backends: MailBackends) -> None:
    flags = ("\\Seen", "$Label1", "\\Nonsense", "\\Deleted")
    await backends.sink.commit(acceptance(letter("f"), to_mailbox(1, "Trash", flags)))
    info, rows = await backends.store.rows(await mailbox_id(backends, 1, "Trash"))
    assert flag_names(rows[0].flags, info.keywords) == ("\\Deleted", "\\Seen", "$Label1")
    assert (info.exists, info.unseen, info.deleted) == (1, 0, 1)


async def test_a_vanished_account_fails_the_unit_whole(backends: MailBackends) -> None:
    await backends.store.mailboxes(1)
    await backends.store.delete_account(2)
    with pytest.raises(Temporary):
        await backends.sink.commit(acceptance(letter("x"), to_mailbox(1), to_queue(), to_mailbox(2), trace_id="TX"))
    info = await backends.store.mailbox(1, "INBOX")
    assert info and info.exists == 0 and info.uid_next == 1
    assert await backends.spool.get("TX") is None
    assert await backends.spool.count() == {}


async def test_mail_to_nowhere_leaves_nothing(backends: MailBackends) -> None:
    recipient = Recipient(to_queue().recipient.address)
    await backends.sink.commit(acceptance(letter("x"), ToNowhere(recipient, "a rule"), trace_id="TX"))
    assert await backends.spool.get("TX") is None


async def test_a_large_message_to_many_and_the_queue_comes_back_whole(backends: MailBackends) -> None:
    large = letter("large", 400_000)
    await backends.sink.commit(acceptance(large, to_mailbox(1), to_mailbox(2), to_queue(), trace_id="TX"))
    for account_id in (1, 2):
        assert await texts(backends.store, await mailbox_id(backends, account_id)) == [large]
    queued = await backends.spool.get("TX")
    assert queued and queued.size_bytes == len(large) and await backends.spool.content(queued.body_id) == large


async def test_delivery_and_append_count_in_the_same_mailbox(backends: MailBackends) -> None:
    inbox = await mailbox_id(backends, 1)
    await backends.sink.commit(acceptance(letter("a"), to_mailbox(1)))
    await backends.store.append(inbox, [new("b")])
    await backends.sink.commit(acceptance(letter("c"), to_mailbox(1)))
    info, rows = await backends.store.rows(inbox)
    assert [row.uid for row in rows] == [1, 2, 3] and info.uid_next == 4
    assert rows[0].mod_seq < rows[1].mod_seq < rows[2].mod_seq == info.mod_seq
