"""What keeps the store sound and small: compression with what was learnt, scrubbing, room given back, old UIDs forgotten."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.backends.sqlite import learning, upkeep
from posthouse.backends.sqlite.coding import PLAIN, RAW
from posthouse.backends.sqlite.units_care import VANISHED_ROWS
from posthouse.base.errors import NotFound, Temporary
from support.cared_store import Cared, cared_store
from support.mail_backends import letter
from support.stored_mail import mail

DAY_S = 86_400.0
LARGE = letter("large") + random.Random(1).randbytes(200_000)


@pytest.fixture
async def cared(tmp_path: Path) -> AsyncIterator[Cared]:
    async with cared_store(tmp_path) as made:
        yield made


async def stored(cared: Cared, uid: int) -> tuple[int, int]:
    """Coding and length of a content."""
    found = cared.rows(f"SELECT coding, length(octets) FROM content WHERE body_id = {await cared.body_id(uid)}")
    coding, length = found[0]
    assert isinstance(coding, int) and isinstance(length, int)
    return coding, length


# --- compression


async def test_what_is_stored_is_smaller_and_reads_the_same(cared: Cared) -> None:
    (letter_one,) = mail(1, seed=1, size_bytes=60_000)
    (uid,) = await cared.append(letter_one)
    coding, length = await stored(cared, uid)
    assert coding == PLAIN and length < 0.7 * len(letter_one)
    assert await cared.store.content(await cared.body_id(uid)) == letter_one
    assert await cared.store.heads(cared.inbox, [uid]) == [(uid, letter_one[:16_384])]


async def test_the_setting_decides_for_new_messages_and_each_is_stored_once_however_it_came(cared: Cared) -> None:
    first, second = mail(2, seed=2)
    cared.compression = False
    (uid,) = await cared.append(first)
    cared.compression = True
    again, other = await cared.append(first, second)
    assert await cared.body_id(uid) == await cared.body_id(again)
    assert (await stored(cared, uid))[0] == RAW and (await stored(cared, other))[0] == PLAIN
    assert await cared.store.content(await cared.body_id(uid)) == first


async def learn(cared: Cared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "ENOUGH", 300)
    assert not await cared.care.learn()
    await cared.append(*mail(300, seed=3))
    assert await cared.care.learn()
    cared.store.packer._look()


async def test_a_dictionary_is_learnt_from_enough_mail_and_used_for_what_comes_then(
    cared: Cared, monkeypatch: pytest.MonkeyPatch
) -> None:
    (new,) = mail(1, seed=4)
    (before,) = await cared.append(new + b"before")
    await learn(cared, monkeypatch)
    (after,) = await cared.append(new + b"after")
    assert await stored(cared, before) > (PLAIN, 0)
    coding, length = await stored(cared, after)
    assert coding == 2 and length < 0.8 * (await stored(cared, before))[1]
    assert await cared.store.content(await cared.body_id(after)) == new + b"after"
    assert (await cared.care.space()).dictionaries == 1
    assert not await cared.care.learn()  # nothing new to learn from


async def test_compacting_encodes_older_messages_anew_and_a_dictionary_that_none_needs_goes(
    cared: Cared, monkeypatch: pytest.MonkeyPatch
) -> None:
    cared.compression = False
    (old,) = await cared.append(mail(1, seed=5)[0])
    cared.compression = True
    await learn(cared, monkeypatch)
    (first,) = await cared.append(mail(1, seed=6)[0])
    await cared.care._gate.call("add_dictionary", [cared.rows("SELECT octets FROM dictionary")[0][0]])
    assert {await stored(cared, old), await stored(cared, first)} > {(RAW, len(mail(1, seed=5)[0]))}
    await cared.care.compact()
    assert (await stored(cared, old))[0] == 3
    assert await cared.store.content(await cared.body_id(old)) == mail(1, seed=5)[0]
    cared.clock.advance(2 * DAY_S)
    assert await cared.care.scrub() == []
    numbers = {number for (number,) in cared.rows("SELECT dictionary_id FROM dictionary")}
    used = {number for (number,) in cared.rows("SELECT DISTINCT coding FROM content WHERE coding > 1")}
    assert used <= numbers <= used | {3}
    assert cared.problems() == ()


async def test_a_message_encoded_with_a_dictionary_that_is_gone_is_encoded_again(
    cared: Cared, monkeypatch: pytest.MonkeyPatch
) -> None:
    await learn(cared, monkeypatch)
    cared.damage("DELETE FROM dictionary")
    (uid,) = await cared.append(mail(1, seed=7)[0])
    assert (await stored(cared, uid))[0] == RAW
    assert await cared.store.content(await cared.body_id(uid)) == mail(1, seed=7)[0]


# --- scrubbing


async def test_a_scrub_finds_each_damaged_message_and_the_others_stay_readable(cared: Cared) -> None:
    uids = await cared.append(*mail(150, seed=8), LARGE)
    ids = [await cared.body_id(uid) for uid in uids]
    assert await cared.care.scrub() == []
    first = await cared.care.scrubbing()
    assert (first.running, first.damaged, first.finished_at) == (False, 0, int(cared.clock.now()))
    cared.damage("UPDATE content SET octets = substr(octets, 1, 500) WHERE body_id = ?", ids[3])
    cared.damage("DELETE FROM content WHERE body_id = ?", ids[100])
    (file,) = (file for file in (cared.path.parent / "blobs").rglob("*") if file.is_file())
    file.write_bytes(b"X" + file.read_bytes()[1:])
    found = await cared.care.scrub()
    assert [line.split(":")[0] for line in found] == [f"body {ids[at]}" for at in (3, 100, 150)]
    assert (await cared.care.scrubbing()).damaged == 3
    with pytest.raises(Temporary):
        await cared.store.content(ids[3])
    with pytest.raises(NotFound):
        await cared.store.content(ids[100])
    assert [await cared.store.content(ids[at]) for at in (2, 4, 99, 101)] == [mail(150, seed=8)[at] for at in (2, 4, 99, 101)]
    file.write_bytes(b"F" + file.read_bytes()[1:])  # put back from a backup
    assert len(await cared.care.scrub()) == 2


async def test_a_scrub_goes_on_where_it_was_interrupted(cared: Cared) -> None:
    uids = await cared.append(*mail(10, seed=9))
    ids = [await cared.body_id(uid) for uid in uids]
    for body_id in (ids[1], ids[8]):
        cared.damage("UPDATE content SET octets = zeroblob(50) WHERE body_id = ?", body_id)
    await cared.care._gate.call("note_values", [["scrub_next", ids[4]]])
    assert [line.split(":")[0] for line in await cared.care.scrub()] == [f"body {ids[8]}"]
    assert len(await cared.care.scrub()) == 2


async def test_a_message_that_is_deleted_during_a_scrub_is_not_damaged(cared: Cared) -> None:
    await cared.append(*mail(300, seed=10), flags=("\\Deleted",))
    scrub = asyncio.create_task(cared.care.scrub())
    await cared.store.expunge(cared.inbox, None)
    await cared.upkeep_done()
    assert await scrub == []


# --- room


async def test_free_room_is_given_back_by_compacting(cared: Cared) -> None:
    cared.compression = False
    await cared.append(*mail(1500, seed=11, size_bytes=8000), flags=("\\Deleted",))
    await cared.append(*mail(20, seed=12))
    await cared.store.expunge(cared.inbox, None)
    await cared.upkeep_done()
    before = await cared.care.space()
    assert before.free_bytes > 8 << 20
    assert await cared.care.compact() > 8 << 20
    after = await cared.care.space()
    assert after.free_bytes == 0 and after.database_bytes < before.database_bytes - (8 << 20)
    assert cared.problems() == ()


async def test_a_database_that_is_largely_empty_gets_smaller_by_itself(cared: Cared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "FREE_PAGES", 100)
    cared.compression = False
    await cared.append(*mail(600, seed=13, size_bytes=8000), flags=("\\Deleted",))
    await cared.store.expunge(cared.inbox, None)
    await cared.upkeep_done()
    space = await cared.care.space()
    assert space.free_bytes <= max(100 * 4096, space.database_bytes // 4)
    assert space.database_bytes < 2 << 20 and cared.problems() == ()


# --- what vanished


async def test_what_vanished_long_ago_is_forgotten_and_told_by_what_is_not_there(cared: Cared) -> None:
    await cared.append(*(letter(f"m{number}") for number in range(VANISHED_ROWS + 40)))
    start = (await cared.store.rows(cared.inbox))[0].mod_seq
    old = range(1, VANISHED_ROWS + 20)
    for uid in (1, 3, 4):
        await cared.store.expunge(cared.inbox, [uid], unmarked=True)
    await cared.store.expunge(cared.inbox, list(old[4:]), unmarked=True)
    middle = (await cared.store.rows(cared.inbox))[0].mod_seq
    cared.clock.advance(10 * DAY_S)
    await cared.store.expunge(cared.inbox, [VANISHED_ROWS + 30], unmarked=True)
    gone = {*old, VANISHED_ROWS + 30} - {2}
    assert set((await cared.store.changes(cared.inbox, start)).vanished) == gone
    assert await cared.care.forget_vanished(cared.clock.now() - 20 * DAY_S) == 0
    assert await cared.care.forget_vanished(cared.clock.now() - 5 * DAY_S) == len(gone) - 1
    assert await cared.care.forget_vanished(cared.clock.now() - 5 * DAY_S) == 0
    assert cared.rows("SELECT uid FROM vanished") == [(VANISHED_ROWS + 30,)]
    assert set((await cared.store.changes(cared.inbox, start)).vanished) == gone  # nothing more is missing
    assert (await cared.store.changes(cared.inbox, middle)).vanished == (VANISHED_ROWS + 30,)
    assert set((await cared.store.reader_changes(cared.inbox, start, 2)).vanished) == gone
    assert cared.problems() == ()
