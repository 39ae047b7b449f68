"""Look-ups in a file that somebody else writes: what is committed is seen by the next turn of the loop, by all who share it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from posthouse.backends.sqlite.database import open_writer
from posthouse.backends.sqlite.reading import Reading
from posthouse.base.errors import Temporary

MIGRATIONS = ("CREATE TABLE number (value INTEGER)",)


async def test_a_commit_is_a_change_in_the_next_turn_and_is_asked_for_once_a_turn(tmp_path: Path) -> None:
    writer, reading = open_writer(tmp_path / "some.db", MIGRATIONS), Reading(tmp_path / "some.db", MIGRATIONS)
    before = reading.changes()
    writer.execute("INSERT INTO number VALUES (1)")
    assert reading.changes() == before
    await asyncio.sleep(0)
    assert reading.changes() == before + 1
    await asyncio.sleep(0)
    assert reading.changes() == before + 1
    reading.close()
    writer.close()


async def test_what_comes_from_outside_after_a_commit_is_handled_in_a_later_turn(tmp_path: Path) -> None:
    """However the turns fall: a session that reads octets which were sent after a commit sees it."""
    writer, reading = open_writer(tmp_path / "some.db", MIGRATIONS), Reading(tmp_path / "some.db", MIGRATIONS)
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, peer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            before = reading.changes()
            peer.write(b"%d %d\n" % (int(line), reading.db.execute("SELECT count(*) FROM number").get))
            assert reading.changes() == before
        peer.close()
        served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, peer = await asyncio.open_connection(*server.sockets[0].getsockname())
    known = reading.changes()
    for number in range(1, 200):
        reading.changes()
        writer.execute("INSERT INTO number VALUES (?)", (number,))
        peer.write(b"%d\n" % number)
        assert await reader.readline() == b"%d %d\n" % (number, number)
        assert reading.changes() > known
        known = reading.changes()
    peer.close()
    await served.wait()
    server.close()
    reading.close()
    writer.close()


async def test_after_closing_everything_counts_as_changed(tmp_path: Path) -> None:
    writer, reading = open_writer(tmp_path / "some.db", MIGRATIONS), Reading(tmp_path / "some.db", MIGRATIONS)
    before = reading.changes()
    reading.close()
    assert reading.changes() > before
    reading.close()
    reading.close()
    writer.close()


async def test_a_shared_one_is_taken_as_it_is_and_a_path_gets_one_of_its_own(tmp_path: Path) -> None:
    shared = Reading(tmp_path / "some.db", MIGRATIONS)
    assert Reading.of(shared, MIGRATIONS) is shared
    own = Reading.of(tmp_path / "some.db", MIGRATIONS)
    assert own is not shared
    assert own.path == shared.path


async def test_a_file_that_is_not_there_yet_defers_and_is_found_later(tmp_path: Path) -> None:
    reading = Reading(tmp_path / "some.db", MIGRATIONS)
    with pytest.raises(Temporary):
        reading.changes()
    open_writer(tmp_path / "some.db", MIGRATIONS).close()
    assert reading.changes() == 1
    reading.close()
