"""What a client is told must keep its message numbers and flags true, whatever others do (RFC 9051 §5.5, §7.5.1)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.base.clock import ManualClock
from posthouse.mailstore.selected import SelectedMailbox, Update
from posthouse.mailstore.views import MailboxViews
from posthouse.model.mailbox import MailboxInfo, NewMessage

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 3)),
        st.tuples(st.just("flag"), st.sets(st.integers(0, 12), min_size=1), st.sampled_from(["\\Seen", "\\Flagged", "Work"])),
        st.tuples(st.just("expunge"), st.sets(st.integers(0, 12), min_size=1)),
        st.tuples(st.just("own store"), st.sets(st.integers(0, 12), min_size=1), st.sampled_from(["\\Seen", "\\Answered"])),
        st.tuples(st.just("own append"), st.integers(1, 3), st.sampled_from(["\\Seen", "Work"])),
        st.tuples(st.just("sync"), st.booleans()),
        st.tuples(st.just("view")),
        st.tuples(st.just("forget")),
    ),
    max_size=25,
)


@dataclass
class NaiveClient:
    """A client that does exactly what it is told: a list of messages by number."""

    uids: list[int | None]
    flags: dict[int, int] = field(default_factory=dict)

    def hear(self, update: Update, *, expunge: bool) -> None:
        assert expunge or not update.expunged
        for number in update.expunged:
            del self.uids[number - 1]
        if update.exists is not None:
            assert update.exists > len(self.uids)
            self.uids += [None] * (update.exists - len(self.uids))

    def look(self, uids: list[int]) -> None:
        """FETCH 1:* UID: every number that it knew must still mean the same message."""
        assert len(uids) == len(self.uids)
        for mine, theirs in zip(self.uids, uids, strict=True):
            assert mine in (None, theirs)
        self.uids = list(uids)


async def _box(store: MemoryMailStore, account_id: int = 1) -> MailboxInfo:
    info = await store.mailbox(account_id, "INBOX")
    assert info is not None
    return info


async def _uids(store: MemoryMailStore, mailbox_id: int) -> list[int]:
    return [row.uid for row in (await store.rows(mailbox_id))[1]]


async def _listen(client: NaiveClient, selected: SelectedMailbox, *, expunge: bool) -> None:
    update = await selected.sync(expunge=expunge)
    client.hear(update, expunge=expunge)
    if update.changed:
        view = await selected.view()
        client.flags.update({view.uids[at]: view.flags[at] for at in update.changed})


async def _follow(steps: list[tuple[object, ...]], first: int, kept_rows: int) -> None:
    store = MemoryMailStore(clock=ManualClock())
    mailbox_id = (await _box(store)).mailbox_id
    if first:
        await store.append(mailbox_id, [NewMessage(b"Subject: x\r\n\r\n")] * first)
    views = MailboxViews(store, max_rows=kept_rows)
    selected = SelectedMailbox(store, views, await _box(store), read_only=False)
    client = NaiveClient([None] * first)
    for step in [*steps, ("sync", True)]:
        uids = await _uids(store, mailbox_id)
        match step:
            case ("append", int(count)):
                await store.append(mailbox_id, [NewMessage(b"Subject: y\r\n\r\n")] * count)
            case ("flag", set(places), str(flag)):
                await store.store_flags(mailbox_id, [uids[at] for at in places if at < len(uids)], "add", [flag])
            case ("expunge", set(places)):
                chosen = [uids[at] for at in places if at < len(uids)]
                await store.store_flags(mailbox_id, chosen, "add", ["\\Deleted"])
                await store.expunge(mailbox_id, chosen)
            case ("own store", set(places), str(flag)):
                view = await selected.view()
                chosen = [view.uids[at] for at in places if at < len(view)]
                result = await store.store_flags(mailbox_id, chosen, "add", [flag])
                selected.applied(result, view)
                selected.mark_told([(row.uid, row.mod_seq) for row in result.rows])
                client.flags.update({row.uid: row.flags for row in result.rows})
                await _listen(client, selected, expunge=False)
            case ("own append", int(count), str(flag)):
                done = await store.append(mailbox_id, [NewMessage(b"Subject: z\r\n\r\n", (flag,))] * count)
                if selected.grown(done):
                    client.hear(Update(exists=selected.exists), expunge=False)
            case ("sync", bool(expunge)):
                await _listen(client, selected, expunge=expunge)
            case ("view",):
                view = await selected.view()
                client.look(list(view.uids))
                client.flags.update(dict(zip(view.uids, view.flags, strict=True)))
            case ("forget",):
                views.forget(mailbox_id)
        assert len(client.uids) == selected.exists
    view = await selected.view()
    client.look(list(view.uids))
    actual = {row.uid: row.flags for row in (await store.rows(mailbox_id))[1]}
    assert list(view.uids) == list(actual)
    assert list(view.flags) == list(actual.values())
    assert {uid: bits for uid, bits in client.flags.items() if uid in actual} == {
        uid: actual[uid] for uid in client.flags if uid in actual
    }


@given(STEPS, st.integers(0, 8), st.sampled_from([1, 1_000_000]))
@settings(max_examples=300, deadline=None)
def test_a_client_that_believes_what_it_is_told_is_right(steps: list[tuple[object, ...]], first: int, kept_rows: int) -> None:
    asyncio.run(_follow(steps, first, kept_rows))


async def test_opening_and_new_messages_need_no_rows() -> None:
    store = MemoryMailStore(clock=ManualClock())
    views = MailboxViews(store)
    selected = SelectedMailbox(store, views, await _box(store), read_only=False)
    await store.append(selected.mailbox_id, [NewMessage(b"x")] * 3)
    assert await selected.sync(expunge=True) == Update(exists=3)
    assert views.rows == 0


async def test_own_store_is_applied_without_asking_and_not_told_again() -> None:
    store = MemoryMailStore(clock=ManualClock())
    box = await _box(store)
    await store.append(box.mailbox_id, [NewMessage(b"x")] * 3)
    selected = SelectedMailbox(store, MailboxViews(store), await _box(store), read_only=False)
    view = await selected.view()
    result = await store.store_flags(box.mailbox_id, [2], "add", ["\\Seen"])
    selected.applied(result, view)
    assert list((await selected.view()).flags) == [0, 1, 0]
    assert await selected.sync(expunge=True) == Update()


async def test_own_append_is_known_without_asking_unless_something_happened_before_it() -> None:
    store = MemoryMailStore(clock=ManualClock())
    box = await _box(store)
    await store.append(box.mailbox_id, [NewMessage(b"x")] * 3)
    selected = SelectedMailbox(store, MailboxViews(store), await _box(store), read_only=False)
    assert selected.grown(await store.append(box.mailbox_id, [NewMessage(b"y", ("\\Seen",))]))
    assert selected.exists == 4
    assert list((await selected.view()).uids) == [1, 2, 3, 4]
    assert selected.grown(await store.append(box.mailbox_id, [NewMessage(b"z", ("\\Flagged",))] * 2))
    view = await selected.view()
    assert (list(view.uids), list(view.flags)) == ([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 4, 4])
    assert await selected.sync(expunge=True) == Update()
    assert not selected.grown(await store.append(box.mailbox_id, [NewMessage(b"new keyword", ("Work",))]))
    await selected.sync(expunge=True)
    await store.store_flags(box.mailbox_id, [1], "add", ["\\Seen"])
    assert not selected.grown(await store.append(box.mailbox_id, [NewMessage(b"late")]))
    assert await selected.sync(expunge=True) == Update(exists=8, changed=(0,))


async def test_a_deleted_mailbox_is_told_as_such() -> None:
    store = MemoryMailStore(clock=ManualClock())
    info = await store.create(1, "work")
    selected = SelectedMailbox(store, MailboxViews(store), info, read_only=False)
    await store.delete(1, "work")
    assert (await selected.sync(expunge=False)).deleted
