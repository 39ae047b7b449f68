"""What interfaces/configuration.py promises, held against every backend; and what a kill leaves of the file."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posthouse.backends.memory.configuration import MemoryConfiguration
from posthouse.backends.sqlite.configuration import SqliteConfiguration, SqliteConfigurationReader
from posthouse.backends.sqlite.directory_writer import open_directory_file
from posthouse.base.errors import BadValue, NotFound
from posthouse.base.settings import Value
from posthouse.interfaces.configuration import AuditEntry, Configuration, SettingChange
from posthouse.model.settings import CATALOGUE, Settings


@pytest.fixture(params=["memory", "sqlite"])
def configuration(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Configuration]:
    if request.param == "memory":
        yield MemoryConfiguration()
        return
    database = open_directory_file(tmp_path / "directory.db")
    kept = SqliteConfiguration(tmp_path / "directory.db", database)
    yield kept
    kept.close()
    database.close()


async def test_a_fresh_node_has_the_defaults_at_version_zero(configuration: Configuration) -> None:
    assert await configuration.load() == Settings()


async def test_changes_put_together_are_one_version(configuration: Configuration) -> None:
    changes: list[tuple[str, Value]] = [
        ("smtp.max_errors", 7),
        ("smtp.relay_networks", ("192.0.2.0/24", "10.")),
        ("auth.plaintext", True),
        ("auth.failure_delay_s", 0.25),
        ("route.smart_host", "relay.example:587"),
    ]
    made = await configuration.put(changes, who="jane", at=5.0)
    assert made.version == 1
    assert [made.get(key) for key, _ in changes] == [value for _, value in changes]
    assert await configuration.load() == made
    again = await configuration.put([("SMTP.Max_Errors", 8)], who="bob", at=6.0)
    assert (again.version, again.smtp.max_errors, again.auth.plaintext) == (2, 8, True)
    assert await configuration.load() == again


async def test_one_bad_change_leaves_everything_as_it_was(configuration: Configuration) -> None:
    before = await configuration.put([("smtp.max_errors", 7)], who="jane", at=1.0)
    bad: list[tuple[type[Exception], str, Value]] = [
        (NotFound, "smtp.no_such", 1),
        (BadValue, "smtp.max_headers", 1),
        (BadValue, "smtp.max_headers", "many"),
        (BadValue, "smtp.starttls", "maybe"),
        (BadValue, "smtp.command_timeout_s", float("inf")),
        (BadValue, "smtp.command_timeout_s", float("nan")),
        (BadValue, "route.smart_host", "x\udc80"),
        (BadValue, "route.smart_host", "two\nlines"),
        (BadValue, "smtp.relay_networks", ("ok", "\x00")),
    ]
    for error, key, value in bad:
        with pytest.raises(error):
            await configuration.put([("smtp.max_errors", 9), (key, value)], who="jane", at=2.0)
    assert await configuration.load() == before
    assert len(await configuration.history()) == 1


async def test_no_changes_make_no_version(configuration: Configuration) -> None:
    assert await configuration.put([], who="jane", at=1.0) == Settings()
    assert await configuration.history() == []


async def test_history_tells_who_when_before_and_after_newest_first(configuration: Configuration) -> None:
    await configuration.put([("auth.plaintext", True), ("smtp.relay_domains", ("a.example", "b.example"))], who="jane", at=1.0)
    await configuration.put([("auth.plaintext", False)], who="bob", at=2.0)
    assert await configuration.history() == [
        SettingChange(2, 2.0, "bob", "auth.plaintext", "on", "off"),
        SettingChange(1, 1.0, "jane", "smtp.relay_domains", "", "a.example b.example"),
        SettingChange(1, 1.0, "jane", "auth.plaintext", "off", "on"),
    ]
    assert [change.version for change in await configuration.history(key="AUTH.plaintext")] == [2, 1]
    assert [change.version for change in await configuration.history(limit=1)] == [2]
    assert await configuration.history(key="imap.max_line_bytes") == []


async def test_audit_entries_come_back_newest_first(configuration: Configuration) -> None:
    entries = [AuditEntry(float(n), "jane", "shell", "user add", f"bob{n}@example.com", "ok") for n in range(3)]
    for entry in entries:
        await configuration.audit(entry)
    assert await configuration.audited() == entries[::-1]
    assert await configuration.audited(limit=2) == entries[:0:-1]


async def test_every_default_can_be_put_and_loaded(configuration: Configuration) -> None:
    made = await configuration.put([(key, spec.default) for key, spec in CATALOGUE.items()], who="x", at=0.0)
    assert made == await configuration.load()
    assert all(made.get(key) == spec.default for key, spec in CATALOGUE.items())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.text(max_size=20), max_size=5).map(tuple),
    number=st.integers() | st.floats(),
    text=st.text(max_size=50),
)
def test_whatever_is_taken_comes_back_the_same(tmp_path: Path, words: tuple[str, ...], number: int | float, text: str) -> None:
    async def check() -> None:
        database = open_directory_file(tmp_path / "fuzz.db")
        kept = SqliteConfiguration(tmp_path / "fuzz.db", database)
        changes: list[tuple[str, Value]] = [
            ("smtp.trusted_networks", words),
            ("queue.connection_keep_s", number),
            ("queue.max_retry_s", number),
            ("route.smart_host", text),
        ]
        for change in changes:
            try:
                made = await kept.put([change], who="x", at=0.0)
            except BadValue:
                continue
            assert await kept.load() == made
        kept.close()
        database.close()

    asyncio.run(check())


async def test_values_that_no_longer_fit_fall_back_to_their_defaults(tmp_path: Path) -> None:
    path = tmp_path / "directory.db"
    database = open_directory_file(path)
    rows = [
        ("smtp.max_errors", '"many"'),
        ("smtp.max_hops", "-3"),
        ("smtp.forgotten", "1"),
        ("imap.max_line_bytes", "{"),
        ("pop.idle_timeout_s", "700"),
    ]
    await database.write(lambda db: db.executemany("INSERT INTO setting VALUES (?, ?)", rows))
    reader = SqliteConfigurationReader(path)
    loaded = await reader.load()
    reader.close()
    database.close()
    assert loaded.pop.idle_timeout_s == 700.0
    assert (loaded.smtp, loaded.imap) == (Settings().smtp, Settings().imap)


def _put_until_killed(path: Path, told: Connection) -> None:
    async def write() -> None:
        kept = SqliteConfiguration(path, open_directory_file(path))
        version = (await kept.put([], who="", at=0.0)).version
        while True:
            changes: list[tuple[str, Value]] = [("smtp.max_errors", version + 2), ("smtp.max_hops", version + 10)]
            version = (await kept.put(changes, who="writer", at=float(version))).version
            told.send(version)

    asyncio.run(write())


def test_a_kill_while_writing_loses_no_acknowledged_setting_and_tears_none(tmp_path: Path) -> None:
    path = tmp_path / "directory.db"
    context = multiprocessing.get_context("spawn")
    acknowledged = 0
    for wanted in (3, 11, 29):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_put_until_killed, args=(path, theirs))
        process.start()
        theirs.close()
        for _ in range(wanted):
            acknowledged = ours.recv()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        try:
            while True:
                acknowledged = ours.recv()
        except EOFError:
            pass
        reader = SqliteConfigurationReader(path)
        loaded = asyncio.run(reader.load())
        reader.close()
        # The unit under way may have been committed just before its acknowledgement was lost.
        assert loaded.version in (acknowledged, acknowledged + 1)
        assert loaded.smtp.max_errors == loaded.version + 1
        assert loaded.smtp.max_hops == loaded.version + 9
