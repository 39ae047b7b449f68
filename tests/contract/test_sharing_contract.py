"""What interfaces/sharing.py promises, held against the store in memory and the one on SQLite (STO-3)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.base.errors import BadValue, NotFound, Permanent, Temporary
from posthouse.interfaces.mailstore import MailStore
from posthouse.model.mailbox import DELETED, FLAGGED, SEEN, NewMessage
from posthouse.model.rights import MAX_ENTRIES, CopyReaders, Reader, flags_allowed
from support.mail_backends import KINDS, MailBackends, acceptance, letter, mail_backends, new, to_mailbox

OWNER, OMAR, LENA = 7, 8, 9
TREE = -3
EVERY = flags_allowed("wst")


@pytest.fixture(params=KINDS)
async def backends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MailBackends]:
    async with mail_backends(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def store(backends: MailBackends) -> MailStore:
    return backends.store


async def filled(store: MailStore, count: int = 5, name: str = "Work", account_id: int = OWNER) -> int:
    """The id of a mailbox with messages 1 to ``count``."""
    box = await store.create(account_id, name)
    await store.append(box.mailbox_id, [new(f"m{number}") for number in range(1, count + 1)])
    return box.mailbox_id


async def shared_names(store: MailStore, *identifiers: str) -> list[tuple[str, str]]:
    return [(shared.info.name, shared.rights) for shared in await store.shared_with(set(identifiers))]


async def flags(store: MailStore, mailbox_id: int, reader: int = 0) -> list[int]:
    _, rows = await store.reader_rows(mailbox_id, reader) if reader else await store.rows(mailbox_id)
    return [row.flags for row in rows]


# --- rights


async def test_entries_are_set_changed_and_removed(store: MailStore) -> None:
    box = (await store.create(OWNER, "Work")).mailbox_id
    assert await store.acl(box) == ()
    await store.set_acl(box, "omar@example.com", "replace", "lrs")
    await store.set_acl(box, "anyone", "add", "l")
    await store.set_acl(box, "omar@example.com", "add", "wa")
    await store.set_acl(box, "omar@example.com", "remove", "rx")
    assert await store.acl(box) == (("anyone", "l"), ("omar@example.com", "lswa"))
    await store.set_acl(box, "omar@example.com", "replace", "")
    await store.set_acl(box, "anyone", "remove", "l")
    await store.set_acl(box, "nobody@example.com", "remove", "l")
    assert await store.acl(box) == ()
    with pytest.raises(NotFound):
        await store.set_acl(box + 1000, "anyone", "replace", "l")
    assert await store.acl(box + 1000) == ()


async def test_the_number_of_entries_is_bounded(store: MailStore) -> None:
    box = (await store.create(OWNER, "Work")).mailbox_id
    for number in range(MAX_ENTRIES):
        await store.set_acl(box, f"u{number}@example.com", "replace", "l")
    with pytest.raises(Permanent):
        await store.set_acl(box, "one-more@example.com", "replace", "l")
    await store.set_acl(box, "u1@example.com", "add", "r")


async def test_shared_with_gives_what_may_be_looked_up_with_the_rights(store: MailStore) -> None:
    for account_id, name, identifier, rights in (
        (OWNER, "b", "omar@example.com", "lr"), (OWNER, "a", "anyone", "l"), (OMAR, "c", "domain:example.com", "lrs"),
        (OWNER, "hidden", "omar@example.com", "rs"), (OWNER, "others", "lena@example.org", "lr"),
        (TREE, "News", "anyone", "lrp"),
    ):  # fmt: skip
        box = await store.create(account_id, name)
        await store.set_acl(box.mailbox_id, identifier, "replace", rights)
    assert await shared_names(store, "omar@example.com", "anyone") == [("News", "lrp"), ("a", "l"), ("b", "lr")]
    assert await shared_names(store, "domain:example.com") == [("c", "lrs")]
    assert await shared_names(store, "nobody@example.com") == []
    assert await shared_names(store) == []


async def test_rights_add_up_and_are_taken_away(store: MailStore) -> None:
    box = (await store.create(OWNER, "Work")).mailbox_id
    await store.set_acl(box, "anyone", "replace", "lr")
    await store.set_acl(box, "group:team@example.com", "replace", "wi")
    await store.set_acl(box, "-omar@example.com", "replace", "w")
    assert await shared_names(store, "omar@example.com", "anyone", "group:team@example.com") == [("Work", "lri")]
    await store.set_acl(box, "-omar@example.com", "replace", "l")
    assert await shared_names(store, "omar@example.com", "anyone") == []


async def test_a_mailbox_inherits_when_made_keeps_when_renamed_and_loses_when_deleted(store: MailStore) -> None:
    box = (await store.create(OWNER, "a")).mailbox_id
    await store.set_acl(box, "omar@example.com", "replace", "lrk")
    await store.set_acl(box, "-anyone", "replace", "x")
    below = (await store.create(OWNER, "a/b/c")).mailbox_id
    assert await store.acl(below) == (("-anyone", "x"), ("omar@example.com", "lrk"))
    await store.set_acl(box, "omar@example.com", "replace", "l")
    assert dict(await store.acl(below))["omar@example.com"] == "lrk", "later changes above do not reach down"
    await store.rename(OWNER, "a", "x")
    assert [name for name, _ in await shared_names(store, "omar@example.com")] == ["x", "x/b", "x/b/c"]
    await store.delete(OWNER, "x/b/c")
    assert await store.acl(below) == ()
    assert await store.acl((await store.create(OWNER, "top")).mailbox_id) == ()
    assert [name for name, _ in await shared_names(store, "omar@example.com")] == ["x", "x/b"]
    await store.delete_account(OWNER)
    assert await shared_names(store, "omar@example.com") == []


async def test_an_identifier_that_is_no_more_loses_everything(store: MailStore) -> None:
    box = (await store.create(OWNER, "Work")).mailbox_id
    for identifier in ("omar@example.com", "-omar@example.com", "anyone"):
        await store.set_acl(box, identifier, "replace", "lr")
    await store.forget_identifier("omar@example.com")
    assert await store.acl(box) == (("anyone", "lr"),)


# --- readers


async def test_a_reader_has_seen_nothing_at_first_whatever_the_owner_has(store: MailStore) -> None:
    box = await filled(store)
    await store.store_flags(box, [1, 2], "add", ["\\Seen", "\\Flagged"])
    assert await flags(store, box, OMAR) == [FLAGGED, FLAGGED, 0, 0, 0]
    assert await store.reader_unseen(box, OMAR) == 5


async def test_seen_is_the_readers_own_and_other_flags_are_common(store: MailStore) -> None:
    box = await filled(store)
    reader = Reader(OMAR, EVERY)
    done = await store.store_reader_flags(box, [1, 2, 9], "add", ["\\Seen", "\\Deleted"], None, reader)
    assert [(row.uid, row.flags) for row in done.rows] == [(1, SEEN | DELETED), (2, SEEN | DELETED)]
    assert {row.mod_seq for row in done.rows} == {done.mod_seq}
    assert done.mod_seq == done.before_mod_seq + 1
    assert await flags(store, box, OMAR) == [SEEN | DELETED, SEEN | DELETED, 0, 0, 0]
    assert await flags(store, box, LENA) == [DELETED, DELETED, 0, 0, 0]
    assert await flags(store, box) == [DELETED, DELETED, 0, 0, 0]
    info = await store.mailbox_by_id(box)
    assert info
    assert (info.unseen, info.deleted, info.mod_seq) == (5, 2, done.mod_seq)
    assert (await store.reader_unseen(box, OMAR), await store.reader_unseen(box, LENA)) == (3, 5)
    await store.store_reader_flags(box, [1], "remove", ["\\Seen", "\\Deleted"], None, reader)
    assert await flags(store, box, OMAR) == [0, SEEN | DELETED, 0, 0, 0]
    await store.store_reader_flags(box, [2], "replace", ["\\Flagged"], None, reader)
    assert await flags(store, box, OMAR) == [0, FLAGGED, 0, 0, 0]


async def test_flags_outside_the_mask_stay_as_they_are(store: MailStore) -> None:
    box = await filled(store, 2)
    await store.store_flags(box, [1], "replace", ["\\Flagged", "\\Seen"])
    done = await store.store_reader_flags(box, [1, 2], "replace", ["\\Seen"], None, Reader(OMAR, SEEN))
    assert [row.flags for row in done.rows] == [FLAGGED | SEEN, SEEN]
    assert await flags(store, box) == [FLAGGED | SEEN, 0]
    await store.store_reader_flags(box, [1], "remove", ["\\Flagged"], None, Reader(OMAR, SEEN))
    assert await flags(store, box) == [FLAGGED | SEEN, 0]


async def test_a_reader_makes_keywords_and_bad_ones_are_refused(store: MailStore) -> None:
    box = await filled(store, 1)
    await store.store_reader_flags(box, [1], "add", ["$Work"], None, Reader(OMAR, EVERY))
    info = await store.mailbox_by_id(box)
    assert info
    assert info.keywords == ("$Work",)
    with pytest.raises(BadValue):
        await store.store_reader_flags(box, [1], "add", ["no flag"], None, Reader(OMAR, EVERY))


async def test_a_readers_changes_have_mod_sequences_of_their_own(store: MailStore) -> None:
    box = await filled(store, 3)
    reader = Reader(OMAR, EVERY)
    first = await store.store_reader_flags(box, [2], "add", ["\\Seen"], None, reader)
    _, rows = await store.reader_rows(box, OMAR)
    assert [row.mod_seq for row in rows] == [first.before_mod_seq, first.mod_seq, first.before_mod_seq]
    _, others = await store.reader_rows(box, LENA)
    assert {row.mod_seq for row in others} == {first.before_mod_seq}
    refused = await store.store_reader_flags(box, [1, 2], "add", ["\\Flagged"], first.before_mod_seq, reader)
    assert refused.modified == (2,)
    changes = await store.reader_changes(box, first.before_mod_seq, OMAR)
    assert [(row.uid, row.flags) for row in changes.rows] == [(1, FLAGGED), (2, SEEN)]
    assert [row.uid for row in (await store.reader_changes(box, first.before_mod_seq, LENA)).rows] == [1]
    assert [row.uid for row in (await store.changes(box, first.before_mod_seq)).rows] == [1]
    again = await store.store_reader_flags(box, [2], "add", ["\\Seen"], None, reader)
    assert again.mod_seq == again.before_mod_seq, "nothing changed"
    assert (await store.reader_changes(box, again.mod_seq, OMAR)).rows == ()
    with pytest.raises(NotFound):
        await store.reader_changes(box + 1000, 0, OMAR)
    with pytest.raises(NotFound):
        await store.reader_rows(box + 1000, OMAR)


async def test_what_readers_had_seen_goes_with_the_messages(store: MailStore) -> None:
    box = await filled(store)
    for reader in (OMAR, LENA):
        await store.store_reader_flags(box, [1, 2, 3, 4], "add", ["\\Seen"], None, Reader(reader, EVERY))
    await store.store_flags(box, [1, 2], "add", ["\\Deleted"])
    before = (await store.reader_changes(box, 0, OMAR)).mod_seq
    await store.expunge(box, None)
    assert (await store.reader_changes(box, before, OMAR)).vanished == (1, 2)
    target = await filled(store, 0, "Other")
    await store.copy(box, [3], target, move=True)
    assert await flags(store, box, OMAR) == [SEEN, 0]
    assert (await store.reader_unseen(box, OMAR), await store.reader_unseen(box, LENA)) == (1, 1)
    await store.delete_account(LENA)
    assert await store.reader_unseen(box, OMAR) == 1


async def test_a_message_comes_seen_by_its_sender(store: MailStore) -> None:
    box = await filled(store, 1)
    await store.append(box, [NewMessage(letter("two"), ("\\Flagged",), None, OMAR), NewMessage(letter("three"))])
    assert await flags(store, box, OMAR) == [0, SEEN | FLAGGED, 0]
    assert await flags(store, box) == [0, FLAGGED, 0]
    await store.replace(box, 1, box, NewMessage(letter("four"), (), None, LENA))
    assert await flags(store, box, LENA) == [FLAGGED, 0, SEEN]
    assert await flags(store, box) == [FLAGGED, 0, 0]


@pytest.mark.parametrize("move", [False, True])
async def test_copies_are_as_their_reader_saw_them(store: MailStore, *, move: bool) -> None:
    source, target = await filled(store, 3), await filled(store, 1, "Mine", OMAR)
    await store.store_flags(source, [1, 2], "add", ["\\Seen", "\\Flagged"])
    await store.store_reader_flags(source, [2, 3], "add", ["\\Seen"], None, Reader(OMAR, EVERY))
    copied = await store.copy_between(source, [1, 2, 3, 8], target, CopyReaders(OMAR, 0, EVERY), move=move)
    assert (copied.source_uids, copied.target_uids) == ((1, 2, 3), (2, 3, 4))
    assert await flags(store, target) == [0, FLAGGED, FLAGGED | SEEN, SEEN]
    info = await store.mailbox_by_id(target)
    assert info
    assert info.unseen == 2
    assert len(await flags(store, source)) == (0 if move else 3)


async def test_copies_into_anothers_mailbox_have_only_what_may_be_set_there(store: MailStore) -> None:
    source, target = await filled(store, 2, "Mine", OMAR), await filled(store, 1)
    await store.store_flags(source, [1], "add", ["\\Seen", "\\Flagged", "\\Deleted", "$Work"])
    await store.copy_between(source, [1, 2], target, CopyReaders(0, OMAR, flags_allowed("si")))
    assert await flags(store, target, OMAR) == [0, SEEN, 0]
    assert await flags(store, target) == [0, 0, 0]
    info = await store.mailbox_by_id(target)
    assert info
    assert (info.unseen, info.deleted) == (3, 0)
    await store.copy_between(source, [1], target, CopyReaders(0, OMAR, flags_allowed("wt")))
    assert (await flags(store, target, OMAR))[-1] & ~63 == 1 << 6, "the keyword comes along"
    assert (await flags(store, target, OMAR))[-1] & 63 == FLAGGED | DELETED


async def test_readers_are_told_by_the_mailboxs_notices(backends: MailBackends) -> None:
    box = await filled(backends.store)
    backends.told.clear()
    done = await backends.store.store_reader_flags(box, [1], "add", ["\\Seen"], None, Reader(OMAR, EVERY))
    await backends.store.set_acl(box, "anyone", "replace", "l")
    notices = [notice for committed in backends.told for notice in committed.mailboxes]
    assert [(notice.mailbox_id, notice.account_id, notice.mod_seq) for notice in notices] == [(box, OWNER, done.mod_seq)] * 2


# --- shared trees


@pytest.mark.parametrize("name", ["Shared", "Shared/News", "Other Users", "Other Users/x@example.com/y"])
async def test_names_under_which_one_sees_others_mailboxes_are_not_ones_own(store: MailStore, name: str) -> None:
    with pytest.raises(BadValue):
        await store.create(OWNER, name)
    await store.create(OWNER, "Work")
    with pytest.raises(BadValue):
        await store.rename(OWNER, "Work", name)
    await store.create(OWNER, "Shared files")
    await store.create(TREE, "Shared")


async def test_a_shared_tree_has_no_default_mailboxes(store: MailStore) -> None:
    assert await store.mailboxes(TREE) == []
    assert await store.mailbox(TREE, "INBOX") is None
    await store.create(TREE, "News/Company")
    assert [info.name for info in await store.mailboxes(TREE)] == ["News", "News/Company"]


async def test_mail_for_a_shared_mailbox_makes_it_below_the_rights_above(backends: MailBackends) -> None:
    store = backends.store
    above = await store.create(TREE, "archive")
    await store.set_acl(above.mailbox_id, "anyone", "replace", "lr")
    await backends.sink.commit(acceptance(letter(), to_mailbox(TREE, "archive/list"), to_mailbox(TREE, "archive")))
    await backends.sink.commit(acceptance(letter("two"), to_mailbox(TREE, "archive/list")))
    assert [(info.name, info.exists) for info in await store.mailboxes(TREE)] == [("archive", 1), ("archive/list", 2)]
    assert await shared_names(store, "anyone") == [("archive", "lr"), ("archive/list", "lr")]
    await store.delete_account(TREE)
    with pytest.raises(Temporary):
        await backends.sink.commit(acceptance(letter("three"), to_mailbox(TREE, "archive/list")))
    assert await store.mailboxes(TREE) == []
