"""The indexer: newest first, documents last, and it gets over crashes, damage, other stores and hopeless contents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import apsw
import pytest

from posthouse.backends.document_reader import DocumentReader
from posthouse.backends.sqlite import search_indexer
from posthouse.backends.sqlite.search_indexer import Indexer
from posthouse.backends.sqlite.search_schema import wish_anew, wished_anew
from posthouse.backends.sqlite.textindex import SqliteTextIndex
from posthouse.base.errors import Temporary
from posthouse.formats.text.documents import Kind, Unreadable
from posthouse.interfaces.textindex import Term
from posthouse.mailstore import envelope
from posthouse.model.mailbox import NewMessage
from posthouse.model.settings import SearchSettings
from support import documents as make
from support.mail_backends import MailBackends, acceptance, letter, mail_backends, to_mailbox, to_queue

ACCOUNT = 7


class SlowReader(DocumentReader):
    """Notes what it is asked for, and cannot read any of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Kind] = []

    def text(self, kind: Kind, octets: bytes) -> str:
        self.asked.append(kind)
        raise Unreadable("not today")


@dataclass
class Place:
    """A mail store on SQLite with a folder for its index."""

    backends: MailBackends
    folder: Path
    mailbox_id: int
    settings: SearchSettings = field(default_factory=SearchSettings)

    @property
    def path(self) -> Path:
        return self.folder / "search.db"

    async def add(self, *contents: bytes) -> list[int]:
        uids = (await self.backends.store.append(self.mailbox_id, [NewMessage(content) for content in contents])).uids
        return list(uids)

    async def remove(self, *uids: int) -> None:
        await self.backends.store.store_flags(self.mailbox_id, uids, "add", ["\\Deleted"])
        await self.backends.store.expunge(self.mailbox_id, uids)

    def indexer(
        self, reader: DocumentReader | None = None, shown: Callable[[bytes], Sequence[str]] = envelope.texts
    ) -> Indexer:
        made = Indexer(self.folder / "mail.db", self.path, shown, settings=lambda: self.settings, reader=reader)
        made.open()
        return made

    async def found(self, text: str) -> set[int] | None:
        with closing(SqliteTextIndex(self.path, self.folder / "mail.db")) as index:
            uids = await index.may_match(self.mailbox_id, Term("text", text))
        return None if uids is None else set(uids)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with closing(apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            return cast(list[tuple[object, ...]], db.execute(sql).fetchall())


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with mail_backends("sqlite", tmp_path) as backends:
        box = await backends.store.mailbox(ACCOUNT, "INBOX")
        assert box is not None
        yield Place(backends, tmp_path, box.mailbox_id)


def finish(indexer: Indexer) -> int:
    """Does all there is; gives how many steps it took."""
    steps = 0
    while indexer.step():
        steps += 1
    return steps


async def test_new_mail_is_indexed_before_the_old_mail_of_a_fresh_index(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_indexer, "BATCH_BODIES", 2)
    old = await place.add(*(letter(f"old{number}") for number in range(6)))
    with closing(place.indexer()) as indexer:
        assert indexer.step()  # takes note of where it begins, and the newest two
        (new,) = await place.add(letter("brand-new"))
        assert indexer.step()
        assert await place.found("brand-new") == {new, *old[:4]}
        finish(indexer)
        assert await place.found("brand-new") == {new}
        assert await place.found("old0") == {old[0]}


async def test_documents_wait_until_all_messages_are_indexed(place: Place) -> None:
    reader = SlowReader()
    with closing(place.indexer(reader)) as indexer:
        await place.add(*(make.letter((make.PDF, "x.pdf", make.pdf("x")), body=f"n{number}") for number in range(3)))
        assert indexer.step()
        assert reader.asked == []
        assert len(place.rows("SELECT * FROM due")) == 3
        assert finish(indexer) == 3
        assert reader.asked == ["pdf"] * 3
        assert place.rows("SELECT * FROM due") == []


async def test_documents_are_not_read_when_the_setting_says_so(place: Place) -> None:
    place.settings = SearchSettings(documents=False)
    reader = SlowReader()
    with closing(place.indexer(reader)) as indexer:
        (uid,) = await place.add(make.letter((make.PDF, "plan.pdf", make.pdf("x"))))
        finish(indexer)
        assert reader.asked == []
        assert await place.found("plan.pdf") == {uid}


async def test_a_large_message_in_a_file_is_indexed(place: Place) -> None:
    with closing(place.indexer()) as indexer:
        large, _ = await place.add(letter("large", 300_000) + b"needle\r\n", letter("small"))
        finish(indexer)
        assert await place.found("needle") == {large}


async def test_mail_on_its_way_elsewhere_is_not_indexed_but_found_if_it_comes_into_a_mailbox(place: Place) -> None:
    content = letter("outbound")
    await place.backends.sink.commit(acceptance(content, to_queue()))
    with closing(place.indexer()) as indexer:
        finish(indexer)
        assert place.rows("SELECT why FROM unread") == [("in no mailbox",)]
        await place.backends.sink.commit(acceptance(content, to_mailbox(ACCOUNT)))
        finish(indexer)
        assert await place.found("outbound") == {1}


async def test_what_the_store_has_no_more_leaves_the_index(place: Place) -> None:
    await place.add(letter("keep"), letter("drop"), make.letter((make.DOCX, "a.docx", make.docx("secret"))))
    with closing(place.indexer()) as indexer:
        finish(indexer)
        assert indexer.sweep() == 0
        await place.remove(2, 3)
        reclaimed(place, left=1)
        assert indexer.sweep() == 2
        assert [len(place.rows(f"SELECT id FROM {table}_docsize")) for table in ("head", "body", "word")] == [1, 1, 1]
        assert place.rows("SELECT * FROM attached") == []
        assert place.rows("SELECT * FROM body_terms WHERE term = 'ret'") == []
        assert await place.found("keep") == {1}


def reclaimed(place: Place, left: int) -> None:
    """Returns once the store's own upkeep has taken away what nothing names."""
    with closing(apsw.Connection(str(place.folder / "mail.db"), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        db.set_busy_timeout(1000)
        for _ in range(1_000_000):
            if db.execute("SELECT count(*) FROM body").fetchone() == (left,):
                return
    raise AssertionError("the bodies were not reclaimed")


async def test_it_goes_on_where_it_was_killed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_indexer, "BATCH_BODIES", 2)
    uids = await place.add(*(letter(f"text{number}") for number in range(9)))
    for _ in range(3):  # closed between two steps, as a kill would leave it
        with closing(place.indexer()) as indexer:
            assert indexer.step()
    with closing(place.indexer()) as indexer:
        assert finish(indexer) == 2
    for number, uid in enumerate(uids):
        assert await place.found(f"text{number}") == {uid}


class Killed(BaseException):
    """As if the process had been killed in the middle of a batch."""


async def test_a_content_that_kills_the_indexer_again_and_again_is_left_to_be_read_by_searches(place: Place) -> None:
    with closing(place.indexer()) as indexer:
        finish(indexer)
    uids = await place.add(*(letter(f"text{number}") for number in range(10)))

    def shown(octets: bytes) -> list[str]:
        if b"text6" in octets:
            raise Killed
        return envelope.texts(octets)

    lives = 0
    while True:
        lives += 1
        assert lives < 30
        with closing(place.indexer(shown=shown)) as indexer:
            try:
                finish(indexer)
            except Killed:
                continue
            break
    for number in (0, 5, 6, 7, 9):
        assert await place.found(f"text{number}") == {uids[number], uids[6]}
    assert place.rows("SELECT why FROM unread") == [("trouble",)]


async def test_a_content_that_cannot_be_understood_is_left_to_be_read_by_searches(place: Place) -> None:
    def shown(octets: bytes) -> list[str]:
        raise ValueError("a defect of ours")

    (uid,) = await place.add(letter("x"))
    with closing(place.indexer(shown=shown)) as indexer:
        finish(indexer)
    assert await place.found("anything") == {uid}


@pytest.mark.parametrize("damage", [b"garbage" * 1000, b"", None])
async def test_a_damaged_or_lost_index_is_made_anew_and_searches_go_on(place: Place, damage: bytes | None) -> None:
    (uid,) = await place.add(letter("treasure"))
    with closing(place.indexer()) as indexer:
        finish(indexer)
    with closing(SqliteTextIndex(place.path, place.folder / "mail.db")) as index:
        term = Term("text", "treasure")
        assert await index.may_match(place.mailbox_id, term) == frozenset({uid})
        for path in place.folder.glob("search.db*"):
            path.unlink()
        if damage is not None:
            place.path.write_bytes(damage)
        assert await index.may_match(place.mailbox_id, term) is None
        assert await index.with_documents([1]) == frozenset()
        assert await index.document_text(1) == ""
        assert (await index.status()).indexed == 0
        with closing(place.indexer()) as indexer:
            finish(indexer)
        assert await index.may_match(place.mailbox_id, term) == frozenset({uid})
        assert await index.may_match(place.mailbox_id, Term("text", "nowhere")) == frozenset()


async def test_pages_of_a_damaged_index_are_noticed(place: Place) -> None:
    await place.add(*(letter(f"text{number}") for number in range(300)))
    with closing(place.indexer()) as indexer:
        finish(indexer)
    octets = bytearray(place.path.read_bytes())
    octets[8192:] = b"\xa5" * (len(octets) - 8192)
    place.path.write_bytes(octets)
    assert await place.found("text7") is None
    with closing(place.indexer()) as indexer:
        finish(indexer)
    assert await place.found("text77") == {78}


async def test_an_index_of_another_store_is_thrown_away(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    await place.add(*(letter(f"ours{number}") for number in range(3)))
    with closing(place.indexer()) as indexer:
        finish(indexer)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    async with mail_backends("sqlite", elsewhere) as backends:
        box = await backends.store.mailbox(ACCOUNT, "INBOX")
        assert box is not None
        other = Place(backends, elsewhere, box.mailbox_id)
        await other.add(letter("theirs0"), letter("theirs1"), letter("theirs2"))
        (elsewhere / "search.db").write_bytes(place.path.read_bytes())
        with closing(other.indexer()) as indexer:
            finish(indexer)
        assert await other.found("ours1") == set()
        assert await other.found("theirs1") == {2}


async def test_an_index_that_is_ahead_of_its_store_is_thrown_away(place: Place) -> None:
    await place.add(letter("one"))
    with closing(place.indexer()) as indexer:
        finish(indexer)
    with closing(apsw.Connection(str(place.path))) as db:
        db.execute("UPDATE progress SET high = 1000, mark = x''")
    with closing(place.indexer()) as indexer:
        finish(indexer)
        (new,) = await place.add(letter("two"))
        finish(indexer)
    assert await place.found("two") == {new}


async def test_cleared_it_begins_again(place: Place) -> None:
    (uid,) = await place.add(make.letter((make.DOCX, "a.docx", make.docx("wombat"))))
    with closing(place.indexer()) as indexer:
        finish(indexer)
        indexer.clear()
        assert await place.found("wombat") is None
        finish(indexer)
        assert await place.found("wombat") == {uid}


async def test_a_wish_for_a_new_index_is_told_at_once_and_survives_the_death_of_the_indexer(place: Place) -> None:
    (uid,) = await place.add(make.letter((make.DOCX, "a.docx", make.docx("wombat"))))
    with closing(place.indexer()) as indexer, closing(SqliteTextIndex(place.path, place.folder / "mail.db")) as index:
        finish(indexer)
        assert (await index.status()).waiting == 0
        wish_anew(place.path)
        assert (await index.status()).waiting > 0, "nobody may take the old index for the new one"
    with closing(place.indexer()) as indexer:
        assert place.rows("SELECT count(*) FROM head_docsize") == [(1,)], "the old one, still"
        indexer.step()
        assert not wished_anew(place.path)
        assert place.rows("SELECT count(*) FROM attached") == [(0,)], "begun anew: documents come last"
        finish(indexer)
        assert await place.found("wombat") == {uid}


async def test_a_wish_that_cannot_be_written_down_is_answered(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="wish"):
        wish_anew(tmp_path / "not there" / "search.db")


async def test_it_does_not_begin_without_a_mail_database(tmp_path: Path) -> None:
    with closing(Indexer(tmp_path / "mail.db", tmp_path / "search.db", envelope.texts)) as indexer, pytest.raises(Temporary):
        indexer.open()


async def test_the_index_is_readable_by_its_owner_only(place: Place) -> None:
    with closing(place.indexer()) as indexer:
        finish(indexer)
        assert {path.stat().st_mode & 0o777 for path in place.folder.glob("search.db*")} == {0o600}


async def test_a_question_too_broad_is_not_answered(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.backends.sqlite.textindex.MAX_FOUND", 5)
    await place.add(*(letter(f"text{number}") for number in range(10)))
    with closing(place.indexer()) as indexer:
        finish(indexer)
    assert await place.found("text") is None
    assert await place.found("text7") == {8}


async def test_a_question_that_takes_too_long_is_not_answered(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.backends.sqlite.textindex.MAX_QUESTION_S", -1.0)
    monkeypatch.setattr("posthouse.backends.sqlite.textindex._PROGRESS_STEPS", 1)
    await place.add(*(letter(f"text{number}") for number in range(10)))
    with closing(place.indexer()) as indexer:
        finish(indexer)
    assert await place.found("text") is None


async def test_more_unread_contents_than_are_worth_naming_give_no_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.backends.sqlite.textindex.MAX_FOUND", 2)
    place.settings = SearchSettings(text_chars=1_000)
    await place.add(*(letter(f"long{number}", 5_000) for number in range(3)))
    with closing(place.indexer()) as indexer:
        finish(indexer)
    assert await place.found("nowhere") is None


@pytest.mark.parametrize("limit", [0, 1_000_000])
async def test_both_ways_to_the_uids_agree(place: Place, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr("posthouse.backends.sqlite.textindex.MAX_BY_BODY", limit)
    await place.add(*(letter(f"text{number % 3}, {number}") for number in range(30)))
    with closing(place.indexer()) as indexer:
        finish(indexer)
    await place.remove(4)
    (new,) = await place.add(letter("fresh"))
    assert await place.found("text0") == {uid for uid in range(1, 31, 3) if uid != 4} | {new}
