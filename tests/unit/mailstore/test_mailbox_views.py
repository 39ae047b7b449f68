"""Snapshots are shared, advanced, bounded; comparing them and stepping through changes tell the same."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.base.clock import ManualClock
from posthouse.base.errors import NotFound
from posthouse.mailstore.view import MailboxView
from posthouse.mailstore.views import MailboxViews
from posthouse.model.mailbox import Changes, MessageRow, NewMessage


def snapshot(count: int, mod_seq: int = 1) -> MailboxView:
    return MailboxView.of([MessageRow(uid, 0, 1) for uid in range(1, count + 1)], mod_seq, count + 1)


@given(
    st.sets(st.integers(1, 40)),
    st.sets(st.integers(1, 40)),
    st.sets(st.integers(1, 40)),
    st.integers(0, 5),
)
@settings(max_examples=200, deadline=None)
def test_advancing_gives_what_a_reload_would(first: set[int], changed: set[int], gone: set[int], added: int) -> None:
    old = MailboxView.of([MessageRow(uid, 0, 1) for uid in sorted(first)], 1, 41)
    rows = {uid: MessageRow(uid, 3 if uid in changed else 0, 2 if uid in changed else 1) for uid in first - gone}
    rows.update({41 + n: MessageRow(41 + n, 0, 2) for n in range(added)})
    told = tuple(row for _, row in sorted(rows.items()) if row.mod_seq == 2)
    new, delta = old.advanced(Changes(2, 41 + added, told, tuple(sorted(gone))))
    expected = MailboxView.of([row for _, row in sorted(rows.items())], 2, 41 + added)
    assert (new.uids, new.flags, new.mod_seqs) == (expected.uids, expected.flags, expected.mod_seqs)
    assert (new.mod_seq, new.uid_next) == (2, 41 + added)
    assert delta == old.delta_to(new)
    assert list(old.uids) == sorted(first) and not any(old.flags)
    ghosts = new.with_ghosts(old, delta.gone)
    assert list(ghosts.uids) == sorted({*first, *new.uids})
    assert list(ghosts.without(delta.gone).uids) == list(new.uids)


def test_many_removals_at_once() -> None:
    old = snapshot(1000)
    gone = tuple(range(1, 1001, 3))
    new, _ = old.advanced(Changes(2, 1001, (), gone))
    assert list(new.uids) == [uid for uid in range(1, 1001) if uid % 3 != 1]
    assert len(new.flags) == len(new.mod_seqs) == len(new.uids)


def test_an_advance_costs_far_less_than_a_reload() -> None:
    rows = [MessageRow(uid, 0, 1) for uid in range(1, 20_001)]
    started = time.process_time()
    for _ in range(5):
        old = MailboxView.of(rows, 1, 20_001)
    reload_s = time.process_time() - started
    changes = Changes(2, 20_002, (MessageRow(500, 1, 2), MessageRow(20_001, 0, 2)), (7,))
    started = time.process_time()
    for _ in range(5):
        old.advanced(changes)
    assert (time.process_time() - started) * 5 < reload_s


async def test_sessions_share_one_load() -> None:
    store = MemoryMailStore(clock=ManualClock())
    info = await store.create(1, "box")
    await store.append(info.mailbox_id, [NewMessage(b"x")] * 3)
    views = MailboxViews(store)
    found = await asyncio.gather(*(views.current(info.mailbox_id, 2) for _ in range(50)))
    assert len({id(view) for view in found}) == 1
    assert views.rows < 100


async def test_old_entries_make_room() -> None:
    store = MemoryMailStore(clock=ManualClock())
    boxes = [await store.create(1, f"box{n}") for n in range(10)]
    views = MailboxViews(store, max_rows=300)
    for info in boxes:
        await store.append(info.mailbox_id, [NewMessage(b"x")] * 30)
        await views.current(info.mailbox_id, 2)
        assert views.rows <= 300
    views.forget(boxes[-1].mailbox_id)
    views.forget(boxes[-1].mailbox_id)
    assert 0 < views.rows <= 220


async def test_a_deleted_mailbox_has_no_view() -> None:
    store = MemoryMailStore(clock=ManualClock())
    info = await store.create(1, "box")
    views = MailboxViews(store)
    await views.current(info.mailbox_id, 1)
    await store.delete(1, "box")
    with pytest.raises(NotFound):
        await views.current(info.mailbox_id, 9)
    assert views.rows == 0
