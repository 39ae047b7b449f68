"""Quotas, undelete, annotations and expiry of both mail stores: what ``interfaces.usage`` and ``model.quota`` promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from posthouse.base.errors import MailError, NotFound, Permanent, Temporary
from posthouse.mailstore.expire import expire_all
from posthouse.mailstore.restore import Choice, purge, restore
from posthouse.model.expiry import ENTRY, Expiry
from posthouse.model.limits import Allowance
from posthouse.model.mailbox import MailboxInfo, NewMessage
from posthouse.model.quota import DUE, TOLD
from posthouse.model.rights import CopyReaders
from posthouse.model.undelete import SHADOW
from support.mail_backends import KINDS, MailBackends, acceptance, letter, mail_backends, new, to_mailbox, to_queue

ME, OTHER, DOMAIN = 1, 2, 9
SIZE = len(letter("x"))


class Granted:
    """What the accounts may use, to be changed by the test."""

    def __init__(self) -> None:
        self.now = Allowance(domain_id=DOMAIN, warning_percent=90, grace_percent=10, grace_s=100.0, undelete_bytes=1 << 20)

    async def of(self, _account_id: int) -> Allowance:
        return self.now

    def set(self, **changes: int) -> None:
        self.now = replace(self.now, **changes)  # type: ignore[arg-type]


@pytest.fixture
def granted() -> Granted:
    return Granted()


@pytest.fixture(params=KINDS)
async def backends(request: pytest.FixtureRequest, tmp_path: Path, granted: Granted) -> AsyncIterator[MailBackends]:
    async with mail_backends(request.param, tmp_path, allowances=granted.of) as made:
        await made.store.mailboxes(ME)
        await made.store.mailboxes(OTHER)
        yield made


async def box(backends: MailBackends, name: str = "INBOX", account: int = ME) -> MailboxInfo:
    found = await backends.store.mailbox(account, name)
    assert found is not None, name
    return found


async def add(backends: MailBackends, *texts: str, name: str = "INBOX", account: int = ME) -> list[int]:
    messages = [NewMessage(letter(text), ("\\Deleted",)) for text in texts]
    return list((await backends.store.append((await box(backends, name, account)).mailbox_id, messages)).uids)


async def deliver(backends: MailBackends, *accounts: int) -> None:
    await backends.sink.commit(acceptance(letter("x"), *(to_mailbox(account) for account in accounts)))


async def refused(awaitable: object) -> MailError:
    with pytest.raises(MailError) as caught:
        await awaitable  # type: ignore[misc]
    return caught.value


# --- sums


async def test_sums_follow_every_change(backends: MailBackends) -> None:
    await add(backends, "x", "y")
    await deliver(backends, ME)
    usage = await backends.store.usage(ME)
    assert (usage.size_bytes, usage.messages, usage.mailboxes) == (3 * SIZE, 3, 6)
    await backends.store.delete(ME, "Archive")
    await backends.store.expunge((await box(backends)).mailbox_id, None)
    usage = await backends.store.usage(ME)
    assert (usage.messages, usage.mailboxes, usage.deleted_messages, usage.deleted_bytes) == (1, 5, 2, 2 * SIZE)
    assert (await backends.store.usage(OTHER)).messages == 0


async def test_a_domain_sums_over_its_users(backends: MailBackends, granted: Granted) -> None:
    await add(backends, "x")
    await backends.store.belong([(ME, DOMAIN), (OTHER, DOMAIN)])
    await deliver(backends, ME, OTHER)
    assert (await backends.store.domain_usage(DOMAIN)).messages == 3
    granted.set(domain_quota_messages=4)
    await add(backends, "y")
    assert (await refused(add(backends, "z", account=OTHER))).imap_code == "OVERQUOTA"
    await backends.store.delete_account(ME)
    assert (await backends.store.domain_usage(DOMAIN)).messages == 1
    await add(backends, "z", account=OTHER)


async def test_recounting_finds_nothing_wrong(backends: MailBackends) -> None:
    await add(backends, "x", "y")
    await backends.store.belong([(ME, DOMAIN)])
    assert await backends.store.recount() == 0
    assert (await backends.store.domain_usage(DOMAIN)).size_bytes == 2 * SIZE


# --- limits


async def test_appending_stops_at_the_quota(backends: MailBackends, granted: Granted) -> None:
    granted.set(quota_bytes=2 * SIZE)
    await add(backends, "x", "y")
    error = await refused(add(backends, "z"))
    assert (error.code, error.enhanced, error.imap_code) == (552, "5.2.2", "OVERQUOTA")
    granted.set(quota_bytes=0, quota_messages=2)
    assert (await refused(add(backends, "z"))).imap_code == "OVERQUOTA"
    assert (await box(backends)).exists == 2


async def test_moving_within_an_account_is_free_and_copying_is_not(backends: MailBackends, granted: Granted) -> None:
    [uid] = await add(backends, "x")
    granted.set(quota_messages=1)
    source, trash = await box(backends), await box(backends, "Trash")
    assert (await refused(backends.store.copy(source.mailbox_id, [uid], trash.mailbox_id))).imap_code == "OVERQUOTA"
    await backends.store.copy(source.mailbox_id, [uid], trash.mailbox_id, move=True)
    assert (await box(backends, "Trash")).exists == 1
    await backends.store.rename(ME, "Trash", "Bin")


async def test_moving_to_someone_else_counts_for_them(backends: MailBackends, granted: Granted) -> None:
    [uid] = await add(backends, "x")
    await add(backends, "y", account=OTHER)
    granted.set(quota_messages=1)
    source, target = await box(backends), await box(backends, account=OTHER)
    error = await refused(backends.store.copy(source.mailbox_id, [uid], target.mailbox_id, move=True))
    assert error.imap_code == "OVERQUOTA"
    readers = CopyReaders(source=0, target=ME, mask=-1)
    error = await refused(backends.store.copy_between(source.mailbox_id, [uid], target.mailbox_id, readers, move=True))
    assert error.imap_code == "OVERQUOTA"


async def test_mailboxes_are_limited_with_their_parents(backends: MailBackends, granted: Granted) -> None:
    granted.set(quota_mailboxes=8)
    await backends.store.create(ME, "a")
    assert (await refused(backends.store.create(ME, "b/c"))).imap_code == "OVERQUOTA"
    assert (await refused(backends.store.rename(ME, "a", "b/c/d"))).imap_code == "OVERQUOTA"
    await backends.store.create(ME, "a/b")


async def test_mail_goes_past_the_quota_by_the_grace_for_the_grace_time(backends: MailBackends, granted: Granted) -> None:
    granted.set(quota_messages=10, grace_percent=20)
    for _ in range(12):
        await deliver(backends, ME)
    error = await refused(deliver(backends, ME))
    assert isinstance(error, Temporary)
    assert (error.code, error.enhanced) == (452, "4.2.2")
    granted.now = replace(granted.now, permanent=True)
    assert isinstance(await refused(deliver(backends, ME)), Permanent)
    inbox = await box(backends)
    await backends.store.expunge(inbox.mailbox_id, [1], unmarked=True)
    backends.clock.advance(99.0)
    await deliver(backends, ME)
    await backends.store.expunge(inbox.mailbox_id, [2], unmarked=True)
    backends.clock.advance(2.0)
    assert (await refused(deliver(backends, ME))).code == 552, "the grace time is over"
    await backends.store.expunge(inbox.mailbox_id, [3, 4], unmarked=True)
    await deliver(backends, ME)
    assert (await box(backends)).exists == 10


async def test_a_full_mailbox_does_not_take_others_mail_away(backends: MailBackends, granted: Granted) -> None:
    await add(backends, "x")
    granted.set(quota_messages=1, grace_percent=0)
    await deliver(backends, ME, OTHER)
    assert (await box(backends)).exists == 2
    assert (await box(backends, account=OTHER)).exists == 1
    assert (await refused(deliver(backends, ME))).code == 452
    await backends.sink.commit(acceptance(letter("x"), to_mailbox(ME), to_queue(), trace_id="T2"))
    assert (await box(backends)).exists == 3


async def test_notices_of_the_node_come_into_a_full_mailbox(backends: MailBackends, granted: Granted) -> None:
    await add(backends, "x")
    granted.set(quota_messages=1, grace_percent=0)
    notice = acceptance(letter("n"), to_mailbox(ME))
    await backends.sink.commit(replace(notice, sender=replace(notice.sender, address=None)))
    assert (await box(backends)).exists == 2


async def test_a_warning_is_due_once_for_each_crossing(backends: MailBackends, granted: Granted) -> None:
    granted.set(quota_messages=10)
    await add(backends, *"abcdefgh")
    assert await backends.store.warnings_due(5) == []
    await deliver(backends, ME)
    assert await backends.store.warnings_due(5) == [ME]
    assert (await backends.store.standing(ME)).warning == DUE
    await backends.store.warned(ME)
    await deliver(backends, ME)
    assert await backends.store.warnings_due(5) == []
    assert (await backends.store.standing(ME)).warning == TOLD
    await backends.store.expunge((await box(backends)).mailbox_id, [1, 2, 3, 4], unmarked=True)
    await add(backends, "x", "y", "z")
    assert await backends.store.warnings_due(5) == [ME]


async def test_a_tree_of_mailboxes_has_a_quota_of_its_own(backends: MailBackends) -> None:
    await backends.store.create(ME, "Work/2026")
    await backends.store.limit_tree((await box(backends, "Work")).mailbox_id, 0, 2)
    await add(backends, "x", name="Work/2026")
    [uid, other] = await add(backends, "y", "z")
    inbox, work, year = await box(backends), await box(backends, "Work"), await box(backends, "Work/2026")
    await backends.store.copy(inbox.mailbox_id, [uid], work.mailbox_id, move=True)
    for target in (work, year):
        error = await refused(backends.store.copy(inbox.mailbox_id, [other], target.mailbox_id, move=True))
        assert error.imap_code == "OVERQUOTA"
    assert (await refused(add(backends, "x", name="Work"))).imap_code == "OVERQUOTA"
    await backends.store.copy(work.mailbox_id, [1], year.mailbox_id, move=True)
    await backends.store.create(ME, "Other")
    await add(backends, "x", name="Other")
    assert (await refused(backends.store.rename(ME, "Other", "Work/Other"))).imap_code == "OVERQUOTA"
    await backends.sink.commit(acceptance(letter("x"), to_mailbox(ME, "Work/2026")))
    assert ((await box(backends)).exists, (await box(backends, "Work/2026")).exists) == (2, 2), "mail goes to INBOX"
    [tree] = await backends.store.trees(ME)
    assert (tree.root, tree.quota_messages, tree.messages, tree.size_bytes) == ("Work", 2, 2, 2 * SIZE)
    await backends.store.limit_tree(work.mailbox_id, 0, 0)
    assert list(await backends.store.trees(ME)) == []
    with pytest.raises(NotFound):
        await backends.store.limit_tree(424242, 1, 1)


# --- undelete


async def test_what_is_expunged_comes_to_the_shadow_with_all_it_had(backends: MailBackends) -> None:
    inbox = await box(backends)
    message = NewMessage(letter("x"), ("\\Deleted", "\\Seen", "red"), 77.0)
    await backends.store.append(inbox.mailbox_id, [message, new("y")])
    backends.clock.advance(10.0)
    assert await backends.store.expunge(inbox.mailbox_id, None) == [1]
    shadow = await box(backends, f"{SHADOW}/INBOX")
    assert (shadow.exists, shadow.unseen, shadow.deleted, shadow.keywords) == (1, 0, 0, ("red",))
    [fact] = await backends.store.facts(shadow.mailbox_id, [1])
    assert (fact.received_at, fact.saved_at) == (77.0, backends.clock.now())
    assert await backends.store.content(fact.body_id) == letter("x")
    root = await box(backends, SHADOW)
    assert not root.selectable


async def test_moving_back_restores_and_expunging_in_the_shadow_is_final(backends: MailBackends) -> None:
    await add(backends, "x", "y")
    inbox = await box(backends)
    await backends.store.expunge(inbox.mailbox_id, None)
    shadow = await box(backends, f"{SHADOW}/INBOX")
    await backends.store.copy(shadow.mailbox_id, [1], inbox.mailbox_id, move=True)
    assert (await box(backends)).exists == 1
    await backends.store.store_flags(shadow.mailbox_id, [2], "add", ["\\Deleted"])
    assert await backends.store.expunge(shadow.mailbox_id, None) == [2]
    usage = await backends.store.usage(ME)
    assert (usage.messages, usage.deleted_messages) == (1, 0)


async def test_a_deleted_mailbox_is_restored_by_renaming(backends: MailBackends) -> None:
    await backends.store.create(ME, "Work/2026")
    await add(backends, "x", "y", name="Work/2026")
    await add(backends, "z", name="Work")
    await backends.store.delete(ME, "Work/2026")
    await backends.store.delete(ME, "Work")
    assert await backends.store.mailbox(ME, "Work") is None
    await backends.store.rename(ME, f"{SHADOW}/Work", "Work")
    assert ((await box(backends, "Work")).exists, (await box(backends, "Work/2026")).exists) == (1, 2)
    usage = await backends.store.usage(ME)
    assert (usage.messages, usage.mailboxes, usage.deleted_messages) == (3, 8, 0)


async def test_restoring_counts_against_the_quota(backends: MailBackends, granted: Granted) -> None:
    await backends.store.create(ME, "Work")
    await add(backends, "x", "y", name="Work")
    await backends.store.delete(ME, "Work")
    granted.set(quota_messages=1)
    assert (await refused(backends.store.rename(ME, f"{SHADOW}/Work", "Work"))).imap_code == "OVERQUOTA"
    shadow, inbox = await box(backends, f"{SHADOW}/Work"), await box(backends)
    error = await refused(backends.store.copy(shadow.mailbox_id, [1, 2], inbox.mailbox_id, move=True))
    assert error.imap_code == "OVERQUOTA"
    await backends.store.copy(shadow.mailbox_id, [1], inbox.mailbox_id, move=True)


async def test_nothing_is_put_into_the_shadow_tree_from_outside(backends: MailBackends) -> None:
    await add(backends, "x", "y")
    inbox = await box(backends)
    await backends.store.expunge(inbox.mailbox_id, [1])
    shadow = await box(backends, f"{SHADOW}/INBOX")
    for awaitable in (
        backends.store.create(ME, f"{SHADOW}/mine"),
        backends.store.rename(ME, "Archive", f"{SHADOW}/Archive"),
        backends.store.append(shadow.mailbox_id, [new("z")]),
        backends.store.copy(inbox.mailbox_id, [2], shadow.mailbox_id),
    ):
        assert (await refused(awaitable)).imap_code == "NOPERM"
    await backends.sink.commit(acceptance(letter("d"), to_mailbox(ME, f"{SHADOW}/INBOX")))
    assert ((await box(backends)).exists, (await box(backends, f"{SHADOW}/INBOX")).exists) == (2, 1)


async def test_when_deleted_messages_are_too_many_the_oldest_go_until_a_tenth_is_free(
    backends: MailBackends, granted: Granted
) -> None:
    granted.set(undelete_bytes=20 * SIZE)
    inbox = await box(backends)
    for _ in range(10):
        for name in ("INBOX", "Trash"):
            await add(backends, "x", name=name)
            backends.clock.advance(1.0)
            await backends.store.expunge((await box(backends, name)).mailbox_id, None)
    assert (await backends.store.usage(ME)).deleted_messages == 20
    await add(backends, "x")
    backends.clock.advance(1.0)
    await backends.store.expunge(inbox.mailbox_id, None)
    assert (await backends.store.usage(ME)).deleted_messages == 18
    first = [
        (await backends.store.rows((await box(backends, f"{SHADOW}/{name}")).mailbox_id))[1][0].uid
        for name in ("INBOX", "Trash")
    ]
    assert first == [3, 2], "the three oldest, in turn, are gone"


async def test_without_undelete_what_is_expunged_is_gone(backends: MailBackends, granted: Granted) -> None:
    granted.set(undelete_bytes=0)
    await add(backends, "x")
    await backends.store.expunge((await box(backends)).mailbox_id, None)
    await backends.store.delete(ME, "Archive")
    assert await backends.store.mailbox(ME, SHADOW) is None
    assert (await backends.store.usage(ME)).deleted_messages == 0


async def test_a_deleted_account_leaves_nothing(backends: MailBackends) -> None:
    await add(backends, "x")
    await backends.store.expunge((await box(backends)).mailbox_id, None)
    await backends.store.delete_account(ME)
    usage = await backends.store.usage(ME)
    assert (usage.messages, usage.mailboxes, usage.deleted_messages) == (0, 0, 0)


async def test_restoring_many_mailboxes_makes_those_that_are_gone(backends: MailBackends) -> None:
    await backends.store.create(ME, "Work/2026")
    await add(backends, "a", "b", name="Work/2026")
    await add(backends, "c", "d")
    await backends.store.expunge((await box(backends)).mailbox_id, [1])
    await backends.store.delete(ME, "Work/2026")
    since = backends.clock.now() + 5
    backends.clock.advance(10.0)
    await backends.store.expunge((await box(backends)).mailbox_id, [2])
    assert await restore(backends.store, ME, Choice(since=since)) == 1
    assert await restore(backends.store, ME, Choice("Work")) == 2
    assert (await box(backends, "Work/2026")).exists == 2
    assert await restore(backends.store, ME, Choice("INBOX", uids={1})) == 1
    assert (await box(backends)).exists == 2
    with pytest.raises(NotFound):
        await restore(backends.store, ME, Choice("Nowhere"))


async def test_purging_drops_for_good(backends: MailBackends) -> None:
    await add(backends, "a", "b", "c")
    await backends.store.expunge((await box(backends)).mailbox_id, None)
    assert await purge(backends.store, ME, Choice("INBOX", uids={2})) == 1
    assert await purge(backends.store, ME, Choice()) == 2
    assert (await backends.store.usage(ME)).deleted_bytes == 0


# --- annotations and expiry


async def test_annotations_are_kept_by_mailbox_and_owner(backends: MailBackends) -> None:
    inbox = (await box(backends)).mailbox_id
    await backends.store.annotate(inbox, 0, [("/shared/b", b"2"), ("/shared/a", b"1\0")])
    await backends.store.annotate(inbox, ME, [("/private/a", b"mine")])
    await backends.store.annotate(0, ME, [("/private/s", b"server")])
    assert list(await backends.store.annotations(inbox, 0)) == [("/shared/a", b"1\0"), ("/shared/b", b"2")]
    assert list(await backends.store.annotations(inbox, OTHER)) == []
    await backends.store.annotate(inbox, 0, [("/shared/b", None), ("/shared/none", None)])
    assert list(await backends.store.annotations(inbox, 0)) == [("/shared/a", b"1\0")]
    assert list(await backends.store.annotations(0, ME)) == [("/private/s", b"server")]
    await backends.store.delete_account(ME)
    assert list(await backends.store.annotations(0, ME)) == list(await backends.store.annotations(inbox, 0)) == []


async def test_annotations_are_limited_and_set_whole_or_not_at_all(backends: MailBackends) -> None:
    inbox = (await box(backends)).mailbox_id
    many = [(f"/shared/{number:03}", b"x") for number in range(101)]
    error = await refused(backends.store.annotate(inbox, 0, many))
    assert error.imap_code == "METADATA TOOMANY"
    assert list(await backends.store.annotations(inbox, 0)) == []
    with pytest.raises(NotFound):
        await backends.store.annotate(424242, 0, [("/shared/a", b"1")])


async def test_messages_expire_by_age_reading_and_number(backends: MailBackends) -> None:
    day = 86_400.0
    inbox = await box(backends)
    await add(backends, *"abcd")
    await backends.store.store_flags(inbox.mailbox_id, [1, 3], "add", ["\\Seen"])
    backends.clock.advance(10 * day)
    await add(backends, *"ef")
    now = backends.clock.now()

    async def expired(expiry: Expiry) -> list[int]:
        return list(await backends.store.expired(inbox.mailbox_id, expiry, now, 100))

    assert await expired(Expiry(days=9)) == [1, 2, 3, 4]
    assert await expired(Expiry(days=10)) == []
    assert await expired(Expiry(days=9, only="read")) == [1, 3]
    assert await expired(Expiry(days=9, only="unread")) == [2, 4]
    assert await expired(Expiry(keep=3)) == [1, 2, 3]
    assert await expired(Expiry(keep=6)) == await expired(Expiry(keep=60)) == []
    assert await expired(Expiry(days=9, keep=1)) == [1, 2, 3, 4, 5]


async def test_expiry_goes_through_all_mailboxes_and_through_undelete(backends: MailBackends, granted: Granted) -> None:
    day = 86_400.0
    await add(backends, "a", name="Trash")
    await add(backends, "b", name="Junk Mail")
    await add(backends, "c", name="Sent")
    await add(backends, "d", name="INBOX", account=OTHER)
    await backends.store.annotate((await box(backends, "Junk Mail")).mailbox_id, 0, [(ENTRY, b"days=30")])
    await backends.store.annotate((await box(backends, "Sent")).mailbox_id, 0, [(ENTRY, b"not ours")])
    await backends.store.annotate((await box(backends, account=OTHER)).mailbox_id, 0, [(ENTRY, b"keep=1 days=1")])
    backends.clock.advance(3 * day)
    assert await expire_all(backends.store, granted.of, backends.clock.now()) == 1
    granted.set(expire_trash_days=2, expire_junk_days=2)
    assert await expire_all(backends.store, granted.of, backends.clock.now()) == 1, "a mailbox's own policy wins"
    assert (await box(backends, f"{SHADOW}/Trash")).exists == 1
    assert (await box(backends, f"{SHADOW}/INBOX", OTHER)).exists == 1
    assert await expire_all(backends.store, granted.of, backends.clock.now()) == 0
