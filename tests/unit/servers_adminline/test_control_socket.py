"""The control socket: operations asked for over a Unix socket, by the right user only (ADM-1)."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from posthouse.admin.context import Context
from posthouse.protocols.control import Answer, Request, encode
from posthouse.servers import control
from posthouse.servers.control import ControlClient, ControlServer
from support.operations import populated


@pytest.fixture
async def context() -> Context:
    return await populated()


@pytest.fixture
async def path(context: Context, tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "run" / "control.sock"
    server = ControlServer(context, path)
    await server.start()
    yield path
    await server.close()


async def ask(path: Path, *words: str, **more: object) -> Answer:
    client = ControlClient(str(path))
    try:
        return await client.ask(Request(list(words), **more))  # type: ignore[arg-type]
    finally:
        client.close()


async def test_results_come_for_people_programs_and_the_protocol(path: Path) -> None:
    assert (await ask(path, "domain", "list")).text.splitlines()[0].split() == ["DOMAIN", "CATCH", "ALL", "ENABLED"]
    assert (await ask(path, "domain", "show", "example.org", face="program")).value == {
        "domain": "example.org",
        "catch_all": "",
        "enabled": True,
    }
    assert (await ask(path, "user", "list", "j*", face="protocol")).lines == [["jane@example.test", "Jane"]]


async def test_errors_come_as_usage_or_failure_with_one_text(path: Path) -> None:
    assert (await ask(path, "user", "fly")).kind == "usage"
    failed = await ask(path, "domain", "add", "example.org")
    assert (failed.kind, failed.code) == ("failed", "ALREADYEXISTS")


async def test_a_worker_asks_on_behalf_of_an_account_with_that_accounts_role(path: Path, context: Context) -> None:
    asked = await ask(path, "domain", "add", "new.test", who="omar@example.test", role="domain-administrator")
    assert asked.code == "NOPERM"
    await ask(path, "domain", "add", "new.test", who="ada@example.test", via="protocol 192.0.2.1")
    entry = (await context.configuration.audited())[0]
    assert (entry.who, entry.via) == ("ada@example.test", "protocol 192.0.2.1")


async def test_the_shells_user_is_who_the_kernel_says(path: Path, context: Context) -> None:
    await ask(path, "domain", "add", "new.test")
    assert (await context.configuration.audited())[0].who == control.user_name(os.getuid())


async def test_only_the_owner_can_reach_the_socket(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_other_users_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "peer_uid", lambda _: os.getuid() + 12_345)
    answer = await ask(path, "domain", "list")
    assert answer.kind == "failed"
    assert "only root" in answer.text


async def test_one_connection_serves_many_operations(path: Path) -> None:
    client = ControlClient(str(path))
    for _ in range(3):
        assert (await client.ask(Request(["domain", "list"]))).kind == "done"
    client.close()


async def test_garbage_and_overlong_frames_end_the_connection(path: Path) -> None:
    for data in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x03abc"):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(data)
        assert await reader.read() == b""
        writer.close()
    assert (await ask(path, "domain", "list")).kind == "done"


async def test_a_fault_in_an_operation_is_answered_without_its_cause(path: Path, context: Context) -> None:
    async def broken() -> list[str]:
        raise RuntimeError("secret cause")

    server = ControlServer(replace(context, checker=broken), path.with_name("other.sock"))
    await server.start()
    answer = await ask(path.with_name("other.sock"), "store", "check")
    await server.close()
    assert answer.kind == "failed"
    assert "secret" not in answer.text


async def test_a_stale_socket_file_is_replaced_and_long_paths_work(context: Context, tmp_path: Path) -> None:
    path = tmp_path / ("d" * 120) / "control.sock"
    path.parent.mkdir()
    path.touch()
    server = ControlServer(context, path)
    await server.start()
    assert (await ask(path, "domain", "list")).kind == "done"
    await server.close()
    assert not path.exists()


async def test_a_begun_operation_is_finished_though_its_asker_leaves(path: Path, context: Context) -> None:
    _, writer = await asyncio.open_unix_connection(str(path))
    writer.write(encode(Request(["user", "add", "late@example.test"], given={"password": "x"})))
    await writer.drain()
    writer.close()

    async def added() -> bool:
        return any("late@example.test" in entry.arguments for entry in await context.configuration.audited())

    async with asyncio.timeout(60):
        while not await added():
            await asyncio.sleep(0)
