"""What interfaces/mailstore.py promises of pieces of messages, of REPLACE and of URL secrets, held against both stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.backends.sqlite.parcels import IN_FILE_BYTES
from posthouse.base.errors import BadValue, NotFound
from posthouse.interfaces.mailstore import HEAD_BYTES, FactName, MailStore
from posthouse.model.listed_fields import LISTED
from posthouse.model.mailbox import DELETED, SEEN, MailboxInfo, MessageRow, MessageSize, NewMessage
from support.mail_backends import KINDS, MailBackends, letter, mail_backends, new, texts

ACCOUNT = 7


@pytest.fixture(params=KINDS)
async def backends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MailBackends]:
    async with mail_backends(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def store(backends: MailBackends) -> MailStore:
    return backends.store


async def inbox(store: MailStore) -> MailboxInfo:
    found = await store.mailbox(ACCOUNT, "INBOX")
    assert found
    return found


async def filled(store: MailStore, *contents: bytes) -> int:
    box = await inbox(store)
    await store.append(box.mailbox_id, [NewMessage(content) for content in contents])
    return box.mailbox_id


async def test_sizes_are_those_of_all_messages_in_order(store: MailStore) -> None:
    mailbox_id = await filled(store, letter("a"), letter("bb"), letter("c"))
    await store.store_flags(mailbox_id, [1], "add", ["\\Deleted"])
    await store.expunge(mailbox_id, None)
    facts = await store.facts(mailbox_id, [2, 3])
    assert list(await store.sizes(mailbox_id)) == [MessageSize(one.uid, one.body_id, one.size_bytes) for one in facts]
    with pytest.raises(NotFound):
        await store.sizes(mailbox_id + 1000)


async def test_sizes_of_a_large_mailbox(store: MailStore) -> None:
    mailbox_id = await filled(store, *[letter("same")] * 1200)
    sizes = await store.sizes(mailbox_id)
    assert [one.uid for one in sizes] == list(range(1, 1201))
    assert {one.size_bytes for one in sizes} == {len(letter("same"))}


@pytest.mark.parametrize("size_bytes", [10, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, 40_000, IN_FILE_BYTES + 5])
async def test_heads_are_the_beginnings_of_messages_of_any_size(store: MailStore, size_bytes: int) -> None:
    content = b"Subject: x\r\n\r\n".ljust(size_bytes, b"y")
    mailbox_id = await filled(store, letter("a"), content)
    assert list(await store.heads(mailbox_id, [1, 2, 9])) == [(1, letter("a")), (2, content[:HEAD_BYTES])]
    assert list(await store.heads(mailbox_id, [])) == []


async def test_previews_are_those_made_at_acceptance(store: MailStore) -> None:
    mailbox_id = await filled(store, b"Subject: x\r\n\r\nHello \r\n there", b"Subject: y\r\n\r\n")
    assert list(await store.some_facts(mailbox_id, [1, 2, 3], ["preview"])) == [(1, "Hello there"), (2, "")]


async def test_some_facts_are_those_of_facts(store: MailStore) -> None:
    mailbox_id = await filled(store, letter("a"), letter("b", 500))
    facts = await store.facts(mailbox_id, [1, 2])
    names: list[FactName] = ["envelope", "size_bytes", "object_id", "saved_at", "received_at", "body", "bodystructure"]
    for some in (names, names[1:2], names[3:5], []):
        found = await store.some_facts(mailbox_id, [2, 1, 7], some)
        assert [tuple(row) for row in found] == [(one.uid, *[getattr(one, name) for name in some]) for one in facts]
    assert list(await store.some_facts(mailbox_id, [], names)) == []


async def test_listed_fields_stand_as_in_the_message(store: MailStore) -> None:
    folded = (
        b"To: a@example.com,\r\n b@example.com\r\nX-Other: 1\r\nSUBJECT:  two  words\r\nfrom: c@example.com\r\n\r\nFrom: body"
    )
    twice = b"Subject: a\r\nSubject: b\r\n\r\n"
    large = folded + b"x" * IN_FILE_BYTES
    mailbox_id = await filled(store, folded, b"X-Other: 1\r\n\r\ntext", twice, large, b"Subject: no end")
    found = dict(await store.listed_fields(mailbox_id, [1, 2, 3, 4, 5, 9], ["from", "subject"]))
    both = b"SUBJECT:  two  words\r\nfrom: c@example.com\r\n\r\n"
    assert found == {1: both, 2: b"\r\n", 3: None, 4: both, 5: None}
    assert dict(await store.listed_fields(mailbox_id, [1], ["to"])) == {1: b"To: a@example.com,\r\n b@example.com\r\n\r\n"}
    assert dict(await store.listed_fields(mailbox_id, [1], ["cc", "lines"])) == {1: b"\r\n"}
    every = dict(await store.listed_fields(mailbox_id, [1], LISTED))[1]
    assert every == folded.replace(b"X-Other: 1\r\n", b"").partition(b"From: body")[0]


async def test_contents_come_whole_but_for_large_ones(backends: MailBackends) -> None:
    store = backends.store
    mailbox_id = await filled(store, letter("a"), letter("b").ljust(IN_FILE_BYTES, b"b"), letter("c", 20_000))
    facts = await store.facts(mailbox_id, [1, 2, 3])
    found = {uid: (body_id, octets) for uid, body_id, octets in await store.contents(mailbox_id, [1, 2, 3, 4])}
    assert [found[one.uid][0] for one in facts] == [one.body_id for one in facts]
    assert found[1][1] == letter("a") and found[3][1] == letter("c", 20_000)
    assert found[2][1] in (None, await store.content(facts[1].body_id))


async def test_replace_adds_and_removes_as_one_change(backends: MailBackends) -> None:
    store = backends.store
    mailbox_id = await filled(store, letter("old"), letter("other"))
    before = await inbox(store)
    uid_validity, uid = await store.replace(mailbox_id, 1, mailbox_id, NewMessage(letter("new"), ("\\Draft", "word"), 5.0))
    after = await inbox(store)
    assert (uid_validity, uid) == (before.uid_validity, 3)
    assert await texts(store, mailbox_id) == [letter("other"), letter("new")]
    assert (after.exists, after.uid_next, after.keywords, after.unseen) == (2, 4, ("word",), 2)
    assert after.size_bytes == len(letter("other")) + len(letter("new"))
    changes = await store.changes(mailbox_id, before.mod_seq)
    assert changes.vanished == (1,) and [row.uid for row in changes.rows] == [3]
    assert after.mod_seq == changes.mod_seq > before.mod_seq
    assert any(notice.mailbox_id == mailbox_id for notice in backends.told[-1].mailboxes)
    (fact,) = await store.facts(mailbox_id, [3])
    assert fact.received_at == 5.0


async def test_replace_into_another_mailbox(store: MailStore) -> None:
    mailbox_id = await filled(store, letter("old"))
    drafts = await store.mailbox(ACCOUNT, "Drafts")
    assert drafts
    assert await store.replace(mailbox_id, 1, drafts.mailbox_id, new("new")) == (drafts.uid_validity, 1)
    assert await texts(store, mailbox_id) == []
    assert await texts(store, drafts.mailbox_id) == [letter("new")]


async def test_a_replace_that_cannot_be_changes_nothing(store: MailStore) -> None:
    mailbox_id = await filled(store, letter("old"))
    before = await store.rows(mailbox_id)
    with pytest.raises(NotFound):
        await store.replace(mailbox_id, 9, mailbox_id, new("new"))
    with pytest.raises(NotFound):
        await store.replace(mailbox_id, 1, mailbox_id + 1000, new("new"))
    with pytest.raises(BadValue):
        await store.replace(mailbox_id, 1, mailbox_id, NewMessage(letter("new"), ("no flag",)))
    assert await store.rows(mailbox_id) == before
    assert [MessageRow(row.uid, row.flags, row.mod_seq) for row in before[1]] == list(before[1])


async def test_what_a_pop_session_leaves_is_one_change(backends: MailBackends) -> None:
    store = backends.store
    box = await inbox(store)
    await store.append(box.mailbox_id, [new(f"m{number}") for number in range(1, 6)])
    await store.store_flags(box.mailbox_id, [5], "add", ["\\Deleted"])
    backends.told.clear()
    await store.settle(box.mailbox_id, [1, 3, 99], [2, 3])
    info, rows = await store.rows(box.mailbox_id)
    assert [(row.uid, row.flags) for row in rows] == [(2, SEEN), (4, 0), (5, DELETED)], "the mark of another session stays"
    assert (info.exists, info.unseen, info.deleted) == (3, 2, 1)
    changes = await store.changes(box.mailbox_id, info.mod_seq - 2)
    assert changes.vanished == (1, 3)
    await store.settle(box.mailbox_id, [], [])
    assert (await inbox(store)).mod_seq == info.mod_seq
    with pytest.raises(NotFound):
        await store.settle(box.mailbox_id + 1000, [1], [])


async def test_url_secrets_are_made_once_and_forgotten_when_told(store: MailStore) -> None:
    mailbox_id = (await inbox(store)).mailbox_id
    sent = await store.mailbox(ACCOUNT, "Sent")
    assert sent and await store.url_key(ACCOUNT, mailbox_id) is None
    secret = await store.make_url_key(ACCOUNT, mailbox_id)
    assert len(secret) >= 32
    assert await store.make_url_key(ACCOUNT, mailbox_id) == secret == await store.url_key(ACCOUNT, mailbox_id)
    other = await store.make_url_key(ACCOUNT, sent.mailbox_id)
    guest = await store.make_url_key(8, mailbox_id)
    assert len({secret, other, guest}) == 3
    await store.drop_url_keys(ACCOUNT, mailbox_id)
    assert await store.url_key(ACCOUNT, mailbox_id) is None
    assert await store.url_key(ACCOUNT, sent.mailbox_id) == other
    assert await store.make_url_key(ACCOUNT, mailbox_id) != secret
    await store.drop_url_keys(ACCOUNT)
    assert await store.url_key(ACCOUNT, mailbox_id) is await store.url_key(ACCOUNT, sent.mailbox_id) is None
    assert await store.url_key(8, mailbox_id) == guest
    with pytest.raises(NotFound):
        await store.make_url_key(ACCOUNT, mailbox_id + 1000)


async def test_url_secrets_go_with_their_mailbox(store: MailStore) -> None:
    made = await store.create(ACCOUNT, "x")
    await store.make_url_key(ACCOUNT, made.mailbox_id)
    await store.delete(ACCOUNT, "x")
    assert await store.url_key(ACCOUNT, made.mailbox_id) is None


async def test_a_changed_subscription_is_told_to_the_node(backends: MailBackends) -> None:
    await backends.store.mailboxes(ACCOUNT)
    backends.told.clear()
    await backends.store.subscribe(ACCOUNT, "Trash", on=False)
    (notice,) = [notice for committed in backends.told for notice in committed.mailboxes]
    assert (notice.mailbox_id, notice.account_id) == (0, ACCOUNT)
