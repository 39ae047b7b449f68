"""Packed flags: whatever is added, stored and removed, the blocks say what a plain dictionary says, at every width."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.backends.sqlite import flag_blocks, flag_changes
from posthouse.backends.sqlite.blob_files import BlobFiles
from posthouse.backends.sqlite.database import open_writer
from posthouse.backends.sqlite.mail_schema import MIGRATIONS, open_mail_writer
from posthouse.backends.sqlite.uid_sets import EVERYTHING, to_ranges
from posthouse.backends.sqlite.work import Work
from posthouse.base.clock import ManualClock
from posthouse.base.errors import Temporary
from posthouse.interfaces.sharing import FlagAction
from posthouse.model.flags import changed_flags
from posthouse.model.mailbox import DELETED, SEEN
from posthouse.model.message_rows import MessageRow, MessageRows

BOX = 7
KEYWORD = 1 << 40
LATE = 1 << 33
flags = st.sampled_from([0, SEEN, SEEN | DELETED, 4, KEYWORD, KEYWORD | SEEN])
States = dict[int, tuple[int, int]]


@contextmanager
def working() -> Iterator[Work]:
    with TemporaryDirectory() as folder:
        connection = open_mail_writer(Path(folder) / "mail.db")
        yield Work(connection, ManualClock(), BlobFiles(Path(folder)))
        connection.close()


def states(work: Work, mailbox_id: int = BOX) -> States:
    return {uid: (bits, mod_seq) for uid, bits, mod_seq in flag_blocks.all_rows(work.all, mailbox_id)}


class Model:
    """The plain truth beside the blocks."""

    def __init__(self, work: Work) -> None:
        self.work, self.states, self.next_uid, self.mod_seq = work, dict[int, tuple[int, int]](), 1, 1

    def add(self, new: list[int], skip: int) -> None:
        self.next_uid += skip
        self.mod_seq += 1
        rows = [(self.next_uid + place, bits, self.mod_seq) for place, bits in enumerate(new)]
        flag_changes.add(self.work, BOX, rows)
        self.next_uid += len(new)
        self.states.update((uid, (bits, mod_seq)) for uid, bits, mod_seq in rows)

    def store(self, uids: list[int], action: FlagAction, bits: int, unchanged_since: int | None) -> None:
        done = flag_changes.store(self.work, BOX, to_ranges(uids), action, bits, self.mod_seq + 1, unchanged_since)
        rows: States = {}
        modified, changes, unseen, deleted = [], 0, 0, 0
        for uid in sorted(set(uids) & self.states.keys()):
            old, at = self.states[uid]
            if unchanged_since is not None and at > unchanged_since:
                modified.append(uid)
                continue
            new = changed_flags(old, action, bits)
            rows[uid] = (new, at if new == old else self.mod_seq + 1)
            changes += new != old
            unseen += (old & SEEN) - (new & SEEN)
            deleted += ((new & DELETED) - (old & DELETED)) // DELETED
        assert {uid: (bits, mod_seq) for uid, bits, mod_seq in done.rows} == rows
        assert (done.modified, done.changes, done.unseen, done.deleted) == (modified, changes, unseen, deleted)
        self.states.update(rows)
        self.mod_seq += bool(changes)

    def remove(self, uids: list[int]) -> None:
        flag_changes.remove(self.work, BOX, to_ranges(uids))
        for uid in uids:
            self.states.pop(uid, None)


steps = st.one_of(
    st.tuples(st.just("add"), st.lists(flags, min_size=1, max_size=300), st.sampled_from([0, 0, 5, 700])),
    st.tuples(
        st.just("store"),
        st.lists(st.integers(1, 1500), max_size=60) | st.just(list(range(1, 1000))),
        st.sampled_from(["add", "remove", "replace"]),
        flags,
        st.none() | st.integers(1, 6),
    ),
    st.tuples(st.just("remove"), st.lists(st.integers(1, 1500), max_size=60) | st.just(list(range(100, 600)))),
    st.tuples(st.just("late")),
)


@given(st.lists(steps, max_size=12))
@settings(max_examples=120, deadline=None)
def test_blocks_say_what_a_dictionary_says(moves: list[tuple[object, ...]]) -> None:
    with working() as work:
        flag_changes.add(work, BOX - 1, [(1, 0, 1)])
        flag_changes.add(work, BOX + 1, [(1, 0, 1)])
        model = Model(work)
        for name, *values in moves:
            if name == "late":
                model.mod_seq += LATE
            else:
                getattr(model, str(name))(*values)
            assert states(work) == model.states
            half = model.mod_seq // 2
            newer = {uid for uid, (_, mod_seq) in model.states.items() if mod_seq > half}
            assert set(flag_blocks.changed_rows(work.all, BOX, half).uids) == newer
        odd = [uid for uid in model.states if uid % 2]
        assert list(flag_blocks.chosen_rows(work.all, BOX, to_ranges(odd)).uids) == odd
        assert states(work, BOX - 1) == states(work, BOX + 1) == {1: (0, 1)}


def test_the_last_uid_of_all_is_kept() -> None:
    with working() as work:
        flag_changes.add(work, BOX, [(flag_blocks.LAST_UID - 1, 1, 5), (flag_blocks.LAST_UID, 2, 5)])
        assert states(work) == {flag_blocks.LAST_UID - 1: (1, 5), flag_blocks.LAST_UID: (2, 5)}
        flag_changes.remove(work, BOX, EVERYTHING)
        assert states(work) == {}


def test_a_thousand_flags_are_nine_rows_and_few_octets() -> None:
    with working() as work:
        flag_changes.add(work, BOX, [(uid, 0, 2) for uid in range(1, 1001)])
        [(rows, octets)] = work.all("SELECT count(*), sum(length(uids) + length(flags) + length(mod_seqs)) FROM flag_block", ())
        assert (rows, octets) == (8, 9000)


@pytest.mark.parametrize("columns", [(b"123", b"1", b"1234"), (b"1234", b"12", b"1234"), (b"1234", b"1", b"")])
def test_what_has_not_the_form_is_not_taken_for_flags(columns: tuple[bytes, bytes, bytes]) -> None:
    with pytest.raises(Temporary, match="cannot be read"):
        flag_blocks.unpacked([columns])


def test_rows_are_a_sequence() -> None:
    rows = MessageRows.of([(1, 0, 5), (4, KEYWORD, LATE)])
    assert list(rows) == [MessageRow(1, 0, 5), MessageRow(4, KEYWORD, LATE)] == [rows[0], rows[-1]]
    assert MessageRows.of(rows) is rows
    assert MessageRows.unpacked(rows.packed()) == rows == (MessageRow(1, 0, 5), MessageRow(4, KEYWORD, LATE))
    assert rows[1:] == rows.at([1]) == [(4, KEYWORD, LATE)] and rows != [MessageRow(1, 0, 5)] and rows != 5
    assert hash(rows) == hash(MessageRows.of(list(rows))) and "uid=4" in repr(rows)


def test_a_database_from_before_blocks_is_taken_over_with_its_flags(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    before = open_writer(path, MIGRATIONS[:2])
    rows = {(1, uid): (uid % 32, uid + 1) for uid in range(1, 400, 3)}
    rows |= {(2, 5): (KEYWORD, LATE), (2, flag_blocks.LAST_UID): (SEEN, 3)}
    values = [(*key, *state, 1, 10, 0.0, 0.0) for key, state in rows.items()]
    before.executemany("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    before.close()
    connection = open_mail_writer(path)
    work = Work(connection, ManualClock(), BlobFiles(tmp_path))
    assert states(work, 1) == {uid: state for (mailbox_id, uid), state in rows.items() if mailbox_id == 1}
    assert states(work, 2) == {5: (KEYWORD, LATE), flag_blocks.LAST_UID: (SEEN, 3)}
    assert [row[0] for row in flag_blocks.changed_rows(work.all, 1, 390)] == [391, 394, 397]
    assert work.all("SELECT * FROM message WHERE mailbox_id = 2 AND uid = 5", ()) == [(2, 5, 1, 10, 0.0, 0.0)]
    connection.close()


@pytest.mark.parametrize("span", [(1, 1000), (100, 300), (127, 128), (5, 9), (128, 255), (990, 5000), (2000, 3000)])
def test_one_range_over_many_blocks_is_stored_in_one_go_and_says_the_same(span: tuple[int, int]) -> None:
    with working() as work:
        model = Model(work)
        model.add([0] * 1000, 0)
        uids = list(range(span[0], span[1] + 1))
        steps: list[tuple[FlagAction, int]] = [("add", SEEN), ("add", SEEN), ("remove", SEEN), ("replace", DELETED | 4)]
        for action, bits in [*steps, steps[0]]:
            model.store(uids, action, bits, None)
            assert states(work) == model.states
        model.store(list(range(1, 1001)), "add", SEEN, None)
        assert states(work) == model.states, "some had it already"
