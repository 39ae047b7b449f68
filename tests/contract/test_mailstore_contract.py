"""What interfaces/mailstore.py promises, held against the store in memory and the one on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.base.errors import AlreadyExists, BadValue, NotFound, Permanent
from posthouse.formats.mime import summarise
from posthouse.interfaces.mailstore import MailStore
from posthouse.model.flags import flag_names
from posthouse.model.mailbox import DEFAULT_MAILBOXES, DELETED, FLAGGED, SEEN, MailboxInfo, NewMessage
from support.mail_backends import KINDS, MailBackends, acceptance, letter, mail_backends, new, texts, to_mailbox

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


async def filled(store: MailStore, count: int = 5) -> int:
    """The id of an INBOX with messages 1 to ``count``."""
    box = await inbox(store)
    await store.append(box.mailbox_id, [new(f"m{number}") for number in range(1, count + 1)])
    return box.mailbox_id


async def names(store: MailStore) -> list[str]:
    return [info.name for info in await store.mailboxes(ACCOUNT)]


# --- mailboxes


async def test_an_account_without_mailboxes_shows_the_default_ones(store: MailStore) -> None:
    found = await store.mailboxes(ACCOUNT)
    assert {(info.name, info.special_use) for info in found} == set(DEFAULT_MAILBOXES)
    assert found[0].name == "INBOX"
    assert [info.name for info in found][1:] == sorted(info.name for info in found[1:])
    assert all(info.subscribed and info.exists == 0 and info.uid_next == 1 and info.mod_seq >= 1 for info in found)
    assert await store.mailboxes(ACCOUNT) == found
    assert list(await store.subscriptions(8)) == [info.name for info in found]


async def test_inbox_is_found_in_any_case_and_other_names_only_as_they_are(store: MailStore) -> None:
    lower, upper = await store.mailbox(ACCOUNT, "inbox"), await store.mailbox(ACCOUNT, "INBOX")
    assert lower == upper is not None
    assert await store.mailbox(ACCOUNT, "drafts") is None
    assert await store.mailbox(ACCOUNT, "no//such") is None


async def test_create_makes_missing_parents_and_unique_identifiers(store: MailStore) -> None:
    made = await store.create(ACCOUNT, "a/b/c", "\\Archive")
    assert (made.name, made.special_use, made.subscribed) == ("a/b/c", "\\Archive", False)
    assert {"a", "a/b", "a/b/c"} <= set(await names(store))
    found = await store.mailboxes(ACCOUNT)
    assert len({info.mailbox_id for info in found}) == len({info.object_id for info in found}) == len(found)
    assert len({info.uid_validity for info in found}) == len(found)
    assert await store.mailbox_by_id(made.mailbox_id) == made


async def test_create_refuses_what_exists_and_bad_names_and_too_many(store: MailStore) -> None:
    await store.create(ACCOUNT, "x/")
    with pytest.raises(AlreadyExists):
        await store.create(ACCOUNT, "x")
    with pytest.raises(AlreadyExists):
        await store.create(ACCOUNT, "Inbox")
    for bad in ("", "/", "a//b", "/a", "a\x00b", "a%b", "a*", "1/2/3/4/5/6", "x" * 2000, "\ud800"):
        with pytest.raises(BadValue):
            await store.create(ACCOUNT, bad)
    with pytest.raises(Permanent) as error:
        for number in range(30):
            await store.create(ACCOUNT, f"n{number}")
    assert error.value.imap_code == "LIMIT"
    assert len(await names(store)) == 20


async def test_names_are_the_same_in_composed_and_decomposed_form(store: MailStore) -> None:
    await store.create(ACCOUNT, "Entwu\u0308rfe")
    found = await store.mailbox(ACCOUNT, "Entw\u00fcrfe")
    assert found and found.name == "Entw\u00fcrfe"


async def test_delete_frees_the_name_and_a_new_mailbox_has_another_uid_validity(store: MailStore) -> None:
    old = await store.create(ACCOUNT, "x")
    await store.append(old.mailbox_id, [new("lost")])
    await store.delete(ACCOUNT, "x")
    assert await store.mailbox(ACCOUNT, "x") is None
    assert await store.mailbox_by_id(old.mailbox_id) is None
    with pytest.raises(NotFound):
        await store.rows(old.mailbox_id)
    with pytest.raises(NotFound):
        await store.append(old.mailbox_id, [new("late")])
    fresh = await store.create(ACCOUNT, "x")
    assert fresh.uid_validity > old.uid_validity and fresh.mailbox_id != old.mailbox_id and fresh.exists == 0


async def test_delete_with_children_leaves_a_name_that_cannot_be_selected(store: MailStore) -> None:
    child = await store.create(ACCOUNT, "p/c")
    parent = await store.mailbox(ACCOUNT, "p")
    assert parent
    await store.append(parent.mailbox_id, [new("gone")])
    await store.delete(ACCOUNT, "p")
    name = await store.mailbox(ACCOUNT, "p")
    assert name and not name.selectable and name.exists == 0
    assert await store.mailbox_by_id(parent.mailbox_id) is None
    assert await store.mailbox_by_id(child.mailbox_id) == child
    with pytest.raises(NotFound):
        await store.rows(name.mailbox_id)
    with pytest.raises(Permanent):
        await store.delete(ACCOUNT, "p")
    again = await store.create(ACCOUNT, "p")
    assert again.selectable and again.uid_validity > parent.uid_validity
    await store.delete(ACCOUNT, "p/c")
    await store.delete(ACCOUNT, "p")
    assert "p" not in await names(store)


async def test_delete_refuses_inbox_and_unknown_names(store: MailStore) -> None:
    with pytest.raises(Permanent):
        await store.delete(ACCOUNT, "inbox")
    for name in ("nope", "a//b"):
        with pytest.raises(NotFound):
            await store.delete(ACCOUNT, name)


async def test_rename_moves_a_whole_tree_and_keeps_its_identity(store: MailStore) -> None:
    child = await store.create(ACCOUNT, "a/b")
    await store.create(ACCOUNT, "ab")
    await store.append(child.mailbox_id, [new("kept")])
    await store.rename(ACCOUNT, "a", "new/place")
    assert {"new", "new/place", "new/place/b", "ab"} <= set(await names(store))
    assert not {"a", "a/b"} & set(await names(store))
    moved = await store.mailbox(ACCOUNT, "new/place/b")
    assert moved and (moved.mailbox_id, moved.uid_validity, moved.object_id, moved.exists) == (
        child.mailbox_id,
        child.uid_validity,
        child.object_id,
        1,
    )


async def test_rename_refuses_what_cannot_be(store: MailStore) -> None:
    await store.create(ACCOUNT, "a/b/c")
    with pytest.raises(NotFound):
        await store.rename(ACCOUNT, "nope", "x")
    with pytest.raises(AlreadyExists):
        await store.rename(ACCOUNT, "a", "Sent")
    with pytest.raises(AlreadyExists):
        await store.rename(ACCOUNT, "a", "a")
    with pytest.raises(BadValue):
        await store.rename(ACCOUNT, "a", "a/d")
    with pytest.raises(BadValue):
        await store.rename(ACCOUNT, "a", "x//y")
    with pytest.raises(BadValue):  # the children would be too deep
        await store.rename(ACCOUNT, "a", "1/2/3/4")
    assert {"a", "a/b", "a/b/c"} <= set(await names(store))


async def test_renaming_inbox_moves_its_messages_and_leaves_it_empty(store: MailStore) -> None:
    mailbox_id = await filled(store, 3)
    await store.create(ACCOUNT, "INBOX/sub")
    await store.store_flags(mailbox_id, [2], "add", ["\\Seen", "word"])
    await store.rename(ACCOUNT, "INBOX", "old/mail")
    box = await inbox(store)
    assert (box.mailbox_id, box.exists, box.size_bytes, box.unseen) == (mailbox_id, 0, 0, 0)
    assert (await store.changes(mailbox_id, 1)).vanished == (1, 2, 3)
    moved = await store.mailbox(ACCOUNT, "old/mail")
    assert moved and (moved.exists, moved.unseen, moved.keywords) == (3, 2, ("word",))
    assert await texts(store, moved.mailbox_id) == [letter("m1"), letter("m2"), letter("m3")]
    assert "INBOX/sub" in await names(store)


async def test_subscriptions_are_names_and_outlive_mailboxes(store: MailStore) -> None:
    await store.create(ACCOUNT, "x")
    await store.subscribe(ACCOUNT, "x", on=True)
    await store.subscribe(ACCOUNT, "never/made", on=True)
    await store.subscribe(ACCOUNT, "x", on=True)
    await store.subscribe(ACCOUNT, "Trash", on=False)
    await store.delete(ACCOUNT, "x")
    names = list(await store.subscriptions(ACCOUNT))
    assert {"x", "never/made", "INBOX"} <= set(names) and "Trash" not in names
    trash = await store.mailbox(ACCOUNT, "Trash")
    assert trash and not trash.subscribed
    again = await store.create(ACCOUNT, "x")
    assert again.subscribed


async def test_subscriptions_are_bounded(store: MailStore) -> None:
    with pytest.raises(Permanent) as error:
        for number in range(100):
            await store.subscribe(ACCOUNT, f"s{number}", on=True)
    assert error.value.imap_code == "LIMIT"
    assert len(await store.subscriptions(ACCOUNT)) == 40


async def test_a_deleted_account_has_nothing_and_gets_nothing(store: MailStore) -> None:
    mailbox_id = await filled(store)
    (fact, *_) = await store.facts(mailbox_id, [1])
    await store.delete_account(ACCOUNT)
    assert list(await store.mailboxes(ACCOUNT)) == []
    assert list(await store.subscriptions(ACCOUNT)) == []
    assert await store.mailbox_by_id(mailbox_id) is None
    for refused in (store.create(ACCOUNT, "x"), store.subscribe(ACCOUNT, "x", on=True)):
        with pytest.raises(NotFound):
            await refused
    assert await store.mailbox(8, "INBOX")
    await store.delete_account(ACCOUNT)
    assert fact.uid == 1


# --- messages


async def test_appended_messages_come_back_with_all_that_was_said_of_them(backends: MailBackends) -> None:
    store = backends.store
    box = await inbox(store)
    first, second = letter("one"), letter("two", 5000)
    done = await store.append(
        box.mailbox_id, [NewMessage(first, ("\\Seen", "\\flagged", "Work"), 12345.0), NewMessage(second, ("WORK", "\\Deleted"))]
    )
    assert (done.uid_validity, list(done.uids), done.before_mod_seq) == (box.uid_validity, [1, 2], 0)
    info, rows = await store.rows(box.mailbox_id)
    assert list(done.rows) == list(rows) and done.mod_seq == info.mod_seq
    assert [row.uid for row in rows] == [1, 2]
    assert [flag_names(row.flags, info.keywords) for row in rows] == [
        ("\\Flagged", "\\Seen", "Work"),
        ("\\Deleted", "Work"),
    ]
    assert (info.exists, info.unseen, info.deleted, info.uid_next) == (2, 1, 1, 3)
    assert info.size_bytes == len(first) + len(second)
    assert info.mod_seq > box.mod_seq and {row.mod_seq for row in rows} == {info.mod_seq}
    one, two = await store.facts(box.mailbox_id, [2, 1, 99, 1])
    summary = summarise(first)
    assert (one.uid, one.size_bytes, one.received_at) == (1, len(first), 12345.0)
    assert (two.received_at, one.saved_at, two.saved_at) == (backends.clock.now(),) * 3
    assert (one.envelope, one.body, one.bodystructure) == (summary.envelope, summary.body, summary.bodystructure)
    assert one.object_id != two.object_id
    assert await store.content(one.body_id) == first
    assert await store.content(two.body_id) == second


async def test_one_content_is_stored_once(backends: MailBackends) -> None:
    store = backends.store
    box, other = await inbox(store), await store.mailbox(8, "INBOX")
    assert other
    await store.append(box.mailbox_id, [new("same"), new("same")])
    await backends.sink.commit(acceptance(letter("same"), to_mailbox(8), to_mailbox(9)))
    facts = [*await store.facts(box.mailbox_id, [1, 2]), *await store.facts(other.mailbox_id, [1])]
    assert len({fact.body_id for fact in facts}) == 1 and len({fact.object_id for fact in facts}) == 1


async def test_a_large_content_comes_back_whole(store: MailStore) -> None:
    box = await inbox(store)
    large = letter("large", 1 << 20)
    await store.append(box.mailbox_id, [NewMessage(large), NewMessage(large), new("small")])
    facts = await store.facts(box.mailbox_id, [1, 2, 3])
    assert [fact.size_bytes for fact in facts] == [len(large), len(large), len(letter("small"))]
    assert await store.content(facts[0].body_id) == large
    assert facts[0].body_id == facts[1].body_id


async def test_bad_keywords_are_refused_whole(store: MailStore) -> None:
    box = await inbox(store)
    for flags in (("\\Nonsense",), ("two words",), ("",), tuple(f"k{number}" for number in range(60))):
        with pytest.raises(BadValue):
            await store.append(box.mailbox_id, [new("good"), NewMessage(letter("bad"), flags)])
        with pytest.raises(BadValue):
            await store.store_flags(box.mailbox_id, [1], "add", flags)
    assert await inbox(store) == box


async def test_an_empty_append_changes_nothing(store: MailStore) -> None:
    box = await inbox(store)
    done = await store.append(box.mailbox_id, [])
    assert (done.uid_validity, list(done.uids)) == (box.uid_validity, [])
    assert await inbox(store) == box


async def test_an_append_to_a_name_finds_out_that_the_mailbox_has_another_one_now(store: MailStore) -> None:
    await inbox(store)
    box = await store.create(ACCOUNT, "Work")
    assert (await store.append(box.mailbox_id, [NewMessage(b"one")], name="Work")).uids == [1]
    await store.rename(ACCOUNT, "Work", "Done")
    for content in (b"one", b"two"):
        with pytest.raises(NotFound):
            await store.append(box.mailbox_id, [NewMessage(content)], name="Work")
    assert list((await store.append(box.mailbox_id, [NewMessage(b"two")])).uids) == [2]


async def test_content_that_never_was_is_not_found(store: MailStore) -> None:
    await inbox(store)
    with pytest.raises(NotFound):
        await store.content(424242)
    for call in (store.rows(424242), store.changes(424242, 0), store.expunge(424242, None)):
        with pytest.raises(NotFound):
            await call


@pytest.mark.parametrize(
    ("action", "flags", "expected"),
    [
        ("add", ["\\Seen"], SEEN | FLAGGED),
        ("remove", ["\\Flagged", "unknown"], 0),
        ("replace", ["\\Deleted"], DELETED),
        ("replace", [], 0),
        ("add", [], FLAGGED),
    ],
)
async def test_flags_are_added_removed_and_replaced(store: MailStore, action: str, flags: list[str], expected: int) -> None:
    mailbox_id = await filled(store, 3)
    await store.store_flags(mailbox_id, [2], "add", ["\\Flagged"])
    changed = await store.store_flags(mailbox_id, [2, 77], action, flags)  # type: ignore[arg-type]
    assert [(row.uid, row.flags) for row in changed.rows] == [(2, expected)]
    info, rows = await store.rows(mailbox_id)
    assert rows[1] == changed.rows[0] and changed.mod_seq == info.mod_seq
    assert (info.unseen, info.deleted) == (3 - bool(expected & SEEN), bool(expected & DELETED))
    assert info.keywords == ()


async def test_only_real_changes_raise_the_mod_sequence(store: MailStore) -> None:
    mailbox_id = await filled(store, 3)
    first = await store.store_flags(mailbox_id, [1], "add", ["\\Seen"])
    again = await store.store_flags(mailbox_id, [1, 2], "add", ["\\Seen"])
    assert again.mod_seq == first.mod_seq + 1
    assert [row.mod_seq for row in again.rows] == [first.mod_seq, again.mod_seq]
    nothing = await store.store_flags(mailbox_id, range(1, 3), "add", ["\\Seen"])
    assert nothing.rows == again.rows and nothing.mod_seq == again.mod_seq


async def test_unchanged_since_spares_what_changed_meanwhile(store: MailStore) -> None:
    mailbox_id = await filled(store, 4)
    before = (await inbox(store)).mod_seq
    await store.store_flags(mailbox_id, [2, 4], "add", ["\\Flagged"])
    changed = await store.store_flags(mailbox_id, [1, 2, 3, 4], "add", ["\\Seen"], before)
    assert [(row.uid, row.flags) for row in changed.rows] == [(1, SEEN), (3, SEEN)]
    assert changed.modified == (2, 4)
    _, rows = await store.rows(mailbox_id)
    assert [row.flags for row in rows] == [SEEN, FLAGGED, SEEN, FLAGGED]


async def test_keywords_belong_to_the_mailbox_and_are_compared_without_case(store: MailStore) -> None:
    mailbox_id = await filled(store, 2)
    await store.store_flags(mailbox_id, [1], "add", ["$Junk", "Later"])
    await store.store_flags(mailbox_id, [2], "add", ["later"])
    info, rows = await store.rows(mailbox_id)
    assert info.keywords == ("$Junk", "Later")
    assert flag_names(rows[1].flags, info.keywords) == ("Later",)
    await store.store_flags(mailbox_id, [1, 2], "remove", ["LATER"])
    assert [row.flags for row in (await store.rows(mailbox_id))[1]] == [1 << 6, 0]


async def test_expunge_takes_only_marked_messages_among_the_given(store: MailStore) -> None:
    mailbox_id = await filled(store, 6)
    await store.store_flags(mailbox_id, [1, 3, 4, 6], "add", ["\\Deleted"])
    assert list(await store.expunge(mailbox_id, [1, 2, 3])) == [1, 3]
    box = await inbox(store)
    assert (box.exists, box.deleted, box.unseen, box.uid_next) == (4, 2, 4, 7)
    assert list(await store.expunge(mailbox_id, None)) == [4, 6]
    assert list(await store.expunge(mailbox_id, None)) == []
    info, rows = await store.rows(mailbox_id)
    assert [row.uid for row in rows] == [2, 5]
    assert info.size_bytes == len(letter("m2")) + len(letter("m5"))
    assert list((await store.append(mailbox_id, [new("next")])).uids) == [7]


async def test_changes_tell_what_happened_since(store: MailStore) -> None:
    mailbox_id = await filled(store, 5)
    start = (await inbox(store)).mod_seq
    assert await store.changes(mailbox_id, start) == await store.changes(mailbox_id, start + 100)
    await store.store_flags(mailbox_id, [4, 2], "add", ["\\Deleted"])
    middle = (await inbox(store)).mod_seq
    await store.expunge(mailbox_id, [4])
    await store.append(mailbox_id, [new("m6")])
    since = await store.changes(mailbox_id, start)
    assert [row.uid for row in since.rows] == [2, 6] and since.vanished == (4,)
    assert (since.mod_seq, since.uid_next) == ((await inbox(store)).mod_seq, 7)
    later = await store.changes(mailbox_id, middle)
    assert [row.uid for row in later.rows] == [6] and later.vanished == (4,)


async def test_copies_share_content_and_keep_flags_and_dates(store: MailStore) -> None:
    box, target = await inbox(store), await store.create(ACCOUNT, "there")
    await store.append(target.mailbox_id, [NewMessage(letter("before"), ("zeta", "alpha"))])
    messages = [NewMessage(letter(f"c{number}"), ("\\Seen", "alpha"), 100.0 + number) for number in range(3)]
    await store.append(box.mailbox_id, messages)
    copied = await store.copy(box.mailbox_id, [3, 1, 55], target.mailbox_id)
    assert copied.uid_validity == target.uid_validity
    assert (copied.source_uids, copied.target_uids) == ((1, 3), (2, 3))
    info, rows = await store.rows(target.mailbox_id)
    assert [flag_names(row.flags, info.keywords) for row in rows[1:]] == [("\\Seen", "alpha")] * 2
    assert (info.exists, info.unseen) == (3, 1)
    there, here = await store.facts(target.mailbox_id, [2, 3]), await store.facts(box.mailbox_id, [1, 3])
    assert [fact.body_id for fact in there] == [fact.body_id for fact in here]
    assert [fact.received_at for fact in there] == [100.0, 102.0]
    assert [fact.object_id for fact in there] == [fact.object_id for fact in here]
    assert (await inbox(store)).exists == 3


async def test_moves_take_messages_away_without_deleting_flags(store: MailStore) -> None:
    mailbox_id = await filled(store, 4)
    target = await store.create(ACCOUNT, "there")
    moved = await store.copy(mailbox_id, range(2, 4), target.mailbox_id, move=True)
    assert (moved.source_uids, moved.target_uids) == ((2, 3), (1, 2))
    assert [row.uid for row in (await store.rows(mailbox_id))[1]] == [1, 4]
    assert (await store.changes(mailbox_id, 1)).vanished == (2, 3)
    assert await texts(store, target.mailbox_id) == [letter("m2"), letter("m3")]
    nothing = await store.copy(mailbox_id, [77], target.mailbox_id, move=True)
    assert (nothing.source_uids, nothing.target_uids) == ((), ())


async def test_copy_and_move_within_one_mailbox(store: MailStore) -> None:
    mailbox_id = await filled(store, 2)
    copied = await store.copy(mailbox_id, [1, 2], mailbox_id)
    assert copied.target_uids == (3, 4)
    moved = await store.copy(mailbox_id, range(1, 100), mailbox_id, move=True)
    assert (moved.source_uids, moved.target_uids) == ((1, 2, 3, 4), (5, 6, 7, 8))
    info, rows = await store.rows(mailbox_id)
    assert [row.uid for row in rows] == [5, 6, 7, 8] and info.exists == 4 and info.unseen == 4
    assert await texts(store, mailbox_id) == [letter(text) for text in ("m1", "m2", "m1", "m2")]


async def test_copy_to_a_missing_mailbox_changes_nothing(store: MailStore) -> None:
    mailbox_id = await filled(store, 2)
    before = await store.rows(mailbox_id)
    with pytest.raises(NotFound):
        await store.copy(mailbox_id, [1], 424242, move=True)
    assert await store.rows(mailbox_id) == before


async def test_uids_may_be_any_set_in_any_order(store: MailStore) -> None:
    mailbox_id = await filled(store, 30)
    odd = list(range(29, 0, -2))
    changed = await store.store_flags(mailbox_id, odd + odd, "add", ["\\Deleted"])
    assert [row.uid for row in changed.rows] == sorted(odd)
    assert [fact.uid for fact in await store.facts(mailbox_id, [9, 3, 4, 1000, 3])] == [3, 4, 9]
    assert list(await store.facts(mailbox_id, [])) == []
    assert (await store.store_flags(mailbox_id, [], "add", ["\\Seen"])).rows == ()
    assert list(await store.expunge(mailbox_id, [])) == []
    assert list(await store.expunge(mailbox_id, odd)) == sorted(odd)


async def test_whole_large_mailboxes_are_read_consistently(store: MailStore) -> None:
    box = await inbox(store)
    await store.append(box.mailbox_id, [new("many")] * 1500)
    info, rows = await store.rows(box.mailbox_id)
    assert info.exists == 1500 and [row.uid for row in rows] == list(range(1, 1501))
    changes = await store.changes(box.mailbox_id, 1)
    assert changes.rows == tuple(rows) and changes.mod_seq == info.mod_seq


async def test_every_change_is_told_with_the_state_after_it(backends: MailBackends) -> None:
    store = backends.store
    box = await inbox(store)
    backends.told.clear()
    await store.append(box.mailbox_id, [new("x", "\\Deleted")])
    await store.expunge(box.mailbox_id, None)
    other = await store.create(ACCOUNT, "other")
    await store.delete(ACCOUNT, "other")
    said = [(notice.mailbox_id, notice.mod_seq) for told in backends.told for notice in told.mailboxes]
    assert (box.mailbox_id, box.mod_seq + 1) in said
    assert (box.mailbox_id, box.mod_seq + 2) in said
    assert (other.mailbox_id, 0) in said
    assert {notice.account_id for told in backends.told for notice in told.mailboxes} == {ACCOUNT}
