"""Opening SQLite files: migrations, readers that are early, full disks, threads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from posthouse.backends.sqlite.database import (
    DatabaseThread,
    like_pattern,
    mail_errors,
    open_reader,
    open_writer,
    transaction,
    user_version,
)
from posthouse.base.errors import NoSpace, NotFound, Permanent, Temporary

FIRST = "CREATE TABLE word (text TEXT NOT NULL)"
SECOND = "ALTER TABLE word ADD COLUMN number INTEGER NOT NULL DEFAULT 7; INSERT INTO word (text) VALUES ('two')"


def words(connection: apsw.Connection) -> Sequence[object]:
    return connection.execute("SELECT text FROM word ORDER BY rowid").fetchall()


def test_a_file_is_brought_up_to_date_step_by_step_and_keeps_what_it_has(tmp_path: Path) -> None:
    first = open_writer(tmp_path / "x.db", [FIRST])
    first.execute("INSERT INTO word VALUES ('one')")
    first.close()
    second = open_writer(tmp_path / "x.db", [FIRST, SECOND])
    assert user_version(second) == 2
    assert words(second) == [("one",), ("two",)]
    second.close()
    again = open_writer(tmp_path / "x.db", [FIRST, SECOND])
    assert words(again) == [("one",), ("two",)]
    again.close()


def test_a_migration_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    with pytest.raises(Temporary):
        open_writer(tmp_path / "x.db", [FIRST, "CREATE TABLE other (x); CREATE TABLE word (x)"])
    kept = open_writer(tmp_path / "x.db", [FIRST])
    assert user_version(kept) == 1
    assert kept.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'other'").get == 0
    kept.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    open_writer(tmp_path / "x.db", [FIRST, SECOND]).close()
    with pytest.raises(Permanent):
        open_writer(tmp_path / "x.db", [FIRST])
    with pytest.raises(Temporary):
        open_reader(tmp_path / "x.db", [FIRST])


def test_readers_wait_for_the_file_and_its_schema_and_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(Temporary):
        open_reader(tmp_path / "x.db", [FIRST])
    assert not (tmp_path / "x.db").exists()
    writer = open_writer(tmp_path / "x.db", [FIRST])
    with pytest.raises(Temporary):
        open_reader(tmp_path / "x.db", [FIRST, SECOND])
    reader = open_reader(tmp_path / "x.db", [FIRST])
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("INSERT INTO word VALUES ('x')")
    writer.execute("INSERT INTO word VALUES ('seen')")
    assert words(reader) == [("seen",)]
    reader.close()
    writer.close()


@pytest.mark.parametrize(("asked", "number"), [("FULL", 2), ("NORMAL", 1)])
def test_the_journal_is_a_wal_with_the_asked_durability(tmp_path: Path, asked: str, number: int) -> None:
    connection = open_writer(tmp_path / "x.db", [FIRST], synchronous=asked)  # type: ignore[arg-type]
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == number
    assert connection.pragma("foreign_keys") == 1
    connection.close()


def test_a_file_that_is_no_database_is_temporary_trouble(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"certainly not a database file" * 100)
    with pytest.raises(Temporary) as trouble:
        open_writer(tmp_path / "x.db", [FIRST])
    assert "x.db" not in trouble.value.public


def test_a_full_disk_is_no_space_and_nothing_of_the_unit_stays(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "x.db", [FIRST])
    connection.execute("INSERT INTO word VALUES ('kept')")
    connection.pragma("max_page_count", 10)
    with pytest.raises(NoSpace), mail_errors(), transaction(connection):
        for _ in range(100):
            connection.execute("INSERT INTO word VALUES (?)", ("x" * 3000,))
    assert words(connection) == [("kept",)]
    assert not connection.in_transaction
    with transaction(connection):
        connection.execute("INSERT INTO word VALUES ('more')")
    assert words(connection) == [("kept",), ("more",)]
    connection.close()


async def test_work_that_raises_is_rolled_back_and_the_thread_goes_on(tmp_path: Path) -> None:
    database = DatabaseThread(lambda: open_writer(tmp_path / "x.db", [FIRST]), "test")

    def bad(db: apsw.Connection) -> None:
        db.execute("INSERT INTO word VALUES ('lost')")
        raise NotFound("no such thing")

    with pytest.raises(NotFound):
        await database.write(bad)
    with pytest.raises(Temporary):
        await database.write(lambda db: db.execute("INSERT INTO nothing VALUES (1)"))
    await database.write(lambda db: db.execute("INSERT INTO word VALUES ('kept')"))
    assert await database.run(words) == [("kept",)]
    database.close()


async def test_work_runs_in_the_order_it_was_given(tmp_path: Path) -> None:
    database = DatabaseThread(lambda: open_writer(tmp_path / "x.db", [FIRST]), "test")
    pieces = [database.write(lambda db, n=number: db.execute("INSERT INTO word VALUES (?)", (str(n),))) for number in range(20)]  # type: ignore[misc]
    await asyncio.gather(*pieces)
    assert await database.run(words) == [(str(number),) for number in range(20)]
    database.close()


def test_closing_a_thread_that_never_opened_its_file_makes_none(tmp_path: Path) -> None:
    DatabaseThread(lambda: open_writer(tmp_path / "x.db", [FIRST]), "test").close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("glob", "text"), [("a*", "abc"), ("a?c", "abc"), ("a\\*", "a\\b"), ("a_c", "a_c"), ("a%", "a%"), ("*", ""), ("**b", "ab")]
)
def test_like_patterns_match_what_the_globs_match(glob: str, text: str) -> None:
    assert _like(glob, text)


@pytest.mark.parametrize(("glob", "text"), [("a_c", "abc"), ("a%", "abc"), ("", "a"), ("a?", "a"), ("\\*", "x"), ("a*c", "ab")])
def test_like_patterns_match_nothing_else(glob: str, text: str) -> None:
    assert not _like(glob, text)


def _like(glob: str, text: str) -> bool:
    return bool(apsw.Connection(":memory:").execute("SELECT ? LIKE ? ESCAPE '\\'", (text, like_pattern(glob))).get)
