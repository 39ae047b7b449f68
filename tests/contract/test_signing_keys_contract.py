"""What interfaces/signing_keys.py promises, held against every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.memory.signing_keys import MemorySigningKeys
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter, open_directory_file
from posthouse.backends.sqlite.signing_keys import SqliteSigningKeys, SqliteSigningKeysWriter
from posthouse.base.errors import AlreadyExists, NotFound
from posthouse.interfaces.directory import DirectoryWriter
from posthouse.interfaces.signing_keys import SigningKeys, SigningKeysWriter
from posthouse.model.signing_key import SigningKey

KEY = SigningKey("example.test", "s1", "rsa-sha256", "next", "PUBLIC", 10.0, b"private")


@dataclass(frozen=True)
class Sides:
    """One backend."""

    read: SigningKeys
    write: SigningKeysWriter
    directory: DirectoryWriter


@pytest.fixture(params=["memory", "sqlite"])
async def keys(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sides]:
    if request.param == "memory":
        directory = MemoryDirectory()
        memory = MemorySigningKeys(directory)
        sides = Sides(memory, memory, directory)
        await directory.add_domain("example.test")
        yield sides
        return
    database = open_directory_file(tmp_path / "directory.db")
    reader = SqliteSigningKeys(tmp_path / "directory.db")
    writer = SqliteDirectoryWriter(database)
    await writer.add_domain("example.test")
    yield Sides(reader, SqliteSigningKeysWriter(database), writer)
    reader.close()
    database.close()


async def test_a_key_is_kept_with_its_private_part(keys: Sides) -> None:
    await keys.write.add_signing_key(KEY)
    [found] = await keys.read.signing_keys("example.test")
    assert (found, found.private_key) == (KEY, b"private")
    assert list(await keys.read.signing_keys()) == [KEY]
    assert list(await keys.read.signing_keys("example.org")) == []


async def test_only_active_keys_sign_and_changes_are_seen_at_once(keys: Sides) -> None:
    await keys.write.add_signing_key(KEY)
    await keys.write.add_signing_key(replace(KEY, selector="s2", state="active"))
    assert [key.selector for key in await keys.read.active_keys("example.test")] == ["s2"]
    await keys.write.change_signing_keys("example.test", [("s1", "active"), ("s2", "retired")], at=20.0)
    [active] = await keys.read.active_keys("example.test")
    assert (active.selector, active.changed_at) == ("s1", 20.0)
    await keys.write.delete_signing_key("example.test", "s1")
    assert list(await keys.read.active_keys("example.test")) == []


async def test_a_change_happens_whole_or_not_at_all(keys: Sides) -> None:
    await keys.write.add_signing_key(KEY)
    with pytest.raises(NotFound):
        await keys.write.change_signing_keys("example.test", [("s1", "active"), ("nothing", "retired")], at=20.0)
    assert [key.state for key in await keys.read.signing_keys()] == ["next"]


async def test_what_is_not_there_or_there_already_is_said(keys: Sides) -> None:
    await keys.write.add_signing_key(KEY)
    with pytest.raises(AlreadyExists):
        await keys.write.add_signing_key(KEY)
    with pytest.raises(NotFound):
        await keys.write.add_signing_key(replace(KEY, domain="nowhere.test"))
    with pytest.raises(NotFound):
        await keys.write.delete_signing_key("example.test", "s9")


async def test_keys_do_not_show_their_secret() -> None:
    assert "private" not in repr(KEY)
