"""What interfaces/scripts.py promises, held against every backend, and against the way by which workers write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from posthouse.backends.memory.scripts import MemoryScripts
from posthouse.backends.sqlite.directory import SqliteDirectory
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter, open_directory_file
from posthouse.backends.sqlite.scripts import SqliteScripts
from posthouse.backends.sqlite.scripts_writer import CALL, RemoteScriptsWriter, SqliteScriptsWriter, handler
from posthouse.base.errors import AlreadyExists, BadValue, NotFound, Permanent
from posthouse.interfaces.scripts import Scripts, ScriptsWriter
from posthouse.model.address import Address
from posthouse.model.script import MAX_OWNER_BYTES, MAX_SCRIPTS, SYSTEM, Memory, ScriptOwner

JANE = ScriptOwner("user", 7)
DOMAIN = ScriptOwner("domain", 3)


@dataclass(frozen=True)
class Pair:
    """Both sides of one backend."""

    read: Scripts
    write: ScriptsWriter


@pytest.fixture(params=["memory", "sqlite", "remote"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    if request.param == "memory":
        memory = MemoryScripts()
        yield Pair(memory, memory)
        return
    database = open_directory_file(tmp_path / "directory.db")
    reader, local = SqliteScripts(tmp_path / "directory.db"), SqliteScriptsWriter(database)
    handle = handler(local)

    async def call(kind: str, payload: Any) -> Any:
        """As the gate does it: through msgpack both ways."""
        assert kind == CALL
        answer = await handle(msgspec.msgpack.decode(msgspec.msgpack.encode(payload)))
        return msgspec.msgpack.decode(msgspec.msgpack.encode(answer))

    yield Pair(reader, local if request.param == "sqlite" else RemoteScriptsWriter(call))
    reader.close()
    database.close()


async def names(store: Pair, owner: ScriptOwner) -> list[str]:
    return [script.name for script in await store.read.scripts(owner)]


async def test_a_script_is_kept_inactive_and_then_given_another_text(store: Pair) -> None:
    made = await store.write.put_script(JANE, "main", "keep;", 5.0)
    assert (made.name, made.text, made.active, made.position, made.changed_at) == ("main", "keep;", False, 0, 5.0)
    await store.write.activate(JANE, "main")
    changed = await store.write.put_script(JANE, "main", "discard;", 6.0)
    assert (changed.text, changed.active, changed.changed_at) == ("discard;", True, 6.0)
    assert await store.read.script(JANE, "main") == changed
    assert await store.read.script(ScriptOwner("user", 8), "main") is None
    assert await store.read.script(DOMAIN, "main") is None


async def test_a_user_has_one_active_script(store: Pair) -> None:
    for name in ("a", "b"):
        await store.write.put_script(JANE, name, "keep;", 1.0)
        await store.write.activate(JANE, name)
        assert [script.name for script in await store.read.active(JANE)] == [name]
    await store.write.deactivate_all(JANE)
    assert list(await store.read.active(JANE)) == []
    with pytest.raises(NotFound):
        await store.write.activate(JANE, "c")


async def test_a_domain_may_have_several_active_scripts_in_an_order(store: Pair) -> None:
    for owner in (DOMAIN, SYSTEM):
        for name in ("a", "b", "c"):
            await store.write.put_script(owner, name, f"# {name}", 1.0)
            await store.write.activate(owner, name)
        await store.write.activate(owner, "b", on=False)
        assert [script.name for script in await store.read.active(owner)] == ["a", "c"]
        await store.write.move_script(owner, "c", 0)
        assert await names(store, owner) == ["c", "a", "b"]
        assert [script.name for script in await store.read.active(owner)] == ["c", "a"]
        await store.write.move_script(owner, "c", 99)
        assert [script.position for script in await store.read.scripts(owner)] == [0, 1, 2]
        assert await names(store, owner) == ["a", "b", "c"]
        with pytest.raises(NotFound):
            await store.write.move_script(owner, "x", 0)


async def test_an_active_script_keeps_its_state_when_renamed_and_is_not_deleted(store: Pair) -> None:
    for name in ("a", "b"):
        await store.write.put_script(JANE, name, "keep;", 1.0)
    await store.write.activate(JANE, "a")
    await store.write.rename_script(JANE, "a", "Urlaub ü")
    assert [script.name for script in await store.read.active(JANE)] == ["Urlaub ü"]
    with pytest.raises(AlreadyExists):
        await store.write.rename_script(JANE, "b", "Urlaub ü")
    with pytest.raises(NotFound):
        await store.write.rename_script(JANE, "a", "c")
    with pytest.raises(BadValue):
        await store.write.rename_script(JANE, "b", "two\nlines")
    with pytest.raises(Permanent) as caught:
        await store.write.delete_script(JANE, "Urlaub ü")
    assert caught.value.imap_code == "ACTIVE"
    await store.write.delete_script(JANE, "b")
    with pytest.raises(NotFound):
        await store.write.delete_script(JANE, "b")
    assert await names(store, JANE) == ["Urlaub ü"]


@pytest.mark.parametrize("name", ["", "  ", "a\r\nb", "x" * 513, "nul\0"])
async def test_a_name_that_is_none_is_refused(store: Pair, name: str) -> None:
    with pytest.raises(BadValue):
        await store.write.put_script(JANE, name, "keep;", 1.0)


async def test_scripts_have_quotas(store: Pair) -> None:
    with pytest.raises(BadValue):
        await store.write.put_script(JANE, "big", "#" * ((1 << 20) + 1), 1.0)
    large = "#" * (1 << 20)
    for number in range(MAX_OWNER_BYTES >> 20):
        await store.write.put_script(JANE, f"s{number}", large, 1.0)
    await store.write.put_script(JANE, "s0", large, 2.0)
    with pytest.raises(Permanent) as caught:
        await store.write.put_script(JANE, "one more", "keep;", 1.0)
    assert caught.value.imap_code == "OVERQUOTA"
    for number in range(MAX_SCRIPTS):
        await store.write.put_script(DOMAIN, f"s{number}", "keep;", 1.0)
    with pytest.raises(Permanent) as caught:
        await store.write.put_script(DOMAIN, "one more", "keep;", 1.0)
    assert caught.value.imap_code == "OVERQUOTA"


async def test_memories_end(store: Pair) -> None:
    await store.write.remember(7, [Memory("vacation", "k", 100.0), Memory("duplicate", "k", 50.0)])
    assert await store.read.remembered(7, "vacation", "k", 99.0)
    assert not await store.read.remembered(7, "vacation", "k", 100.0)
    assert not await store.read.remembered(7, "duplicate", "k", 60.0)
    assert not await store.read.remembered(8, "vacation", "k", 1.0)
    await store.write.remember(7, [Memory("vacation", "k", 200.0)])
    assert await store.write.expire_memories(150.0) == 1
    assert await store.read.remembered(7, "vacation", "k", 150.0)


async def test_word_lists_are_kept_by_name(store: Pair) -> None:
    assert await store.read.word_list("corporate") is None
    await store.write.put_word_list("corporate", "10 secret\n")
    await store.write.put_word_list("adult", "x")
    await store.write.put_word_list("corporate", "20 secret\n")
    found = await store.read.word_list("corporate")
    assert found is not None
    assert found.text == "20 secret\n"
    assert [each.name for each in await store.read.word_lists()] == ["adult", "corporate"]
    await store.write.delete_word_list("adult")
    with pytest.raises(NotFound):
        await store.write.delete_word_list("adult")


async def test_text_beyond_the_first_plane_comes_back(store: Pair) -> None:
    await store.write.put_script(SYSTEM, "odd", "# \U0001f4ee", 1.0)
    found = await store.read.script(SYSTEM, "odd")
    assert found is not None
    assert found.text == "# \U0001f4ee"


async def test_scripts_go_with_their_account_and_domain(tmp_path: Path) -> None:
    database = open_directory_file(tmp_path / "directory.db")
    directory, writer = SqliteDirectoryWriter(database), SqliteScriptsWriter(database)
    reader, accounts = SqliteScripts(tmp_path / "directory.db"), SqliteDirectory(tmp_path / "directory.db")
    domain = await directory.add_domain("example.test")
    jane = Address.parse("jane@example.test")
    account = await directory.add_account(jane, full_name="", role="user", secret="", scram="")
    owners = ScriptOwner("user", account.account_id), ScriptOwner("domain", domain.domain_id)
    for owner in owners:
        await writer.put_script(owner, "main", "keep;", 1.0)
    await writer.remember(account.account_id, [Memory("vacation", "k", 100.0)])
    await directory.delete_account(jane)
    await directory.delete_domain("example.test")
    assert [list(await reader.scripts(owner)) for owner in owners] == [[], []]
    assert not await reader.remembered(account.account_id, "vacation", "k", 1.0)
    for each in (reader, accounts, database):
        each.close()
