"""Sessions of the administration protocol over a real loopback socket, operations run through a real control socket (ADM-3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from posthouse.admin.context import Context
from posthouse.backends.memory.counters import MemoryCounters
from posthouse.backends.memory.locks import MemoryLocks
from posthouse.base.clock import ManualClock
from posthouse.directory.authenticate import Authenticator
from posthouse.model.session import Service, TlsFacts
from posthouse.model.settings import Settings
from posthouse.pipeline.driver import Driver
from posthouse.servers.adminline import AdminServer
from posthouse.servers.connection import Connection
from posthouse.servers.control import ControlServer
from posthouse.servers.services import Services
from support.operations import QuickHasher, populated, run


class StreamConnection:
    """What the server asks of a Connection, over asyncio's streams."""

    service: Service = "admin"
    client_port = 1
    server_address = "127.0.0.1"
    server_port = 10143

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str, tls: TlsFacts | None) -> None:
        self._reader, self._writer = reader, writer
        self.client_address = client
        self.tls = tls

    async def read(self, timeout_s: float) -> bytes:
        return await asyncio.wait_for(self._reader.read(65_536), timeout_s)

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


class Client:
    """Sends lines, reads replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def line(self) -> str:
        async with asyncio.timeout(60):
            return (await self.reader.readline()).decode()

    async def ask(self, request: str) -> list[str]:
        """The reply's lines without CRLF, the last one ends it."""
        self.writer.write(request.encode() + b"\r\n")
        tag = request.split()[0]
        lines = []
        while True:
            line = (await self.line()).removesuffix("\r\n")
            lines.append(line)
            if not line or line.startswith((f"{tag} OK", f"{tag} NO")):
                return lines


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def context() -> Context:
    return await populated()


async def no_wait(_: float) -> None:
    return None


def services(context: Context, control_path: Path) -> Services:
    settings: Callable[[], Settings] = lambda: context.configuration._settings  # type: ignore[attr-defined]  # noqa: E731
    counters = MemoryCounters(context.clock)
    return Services(
        node_name="mx.example.test",
        settings=settings,
        tls_context=lambda: None,
        clock=context.clock,
        ids=context.ids,
        directory=context.directory,
        authenticator=Authenticator(context.directory, QuickHasher(), counters, settings, context.clock, no_wait, b"k" * 32),
        store=context.store,
        sink=context.sink,
        traces=context.traces,
        bus=context.bus,
        counters=counters,
        driver=cast(Driver, None),  # administration never sends mail through the path
        locks=MemoryLocks(),
        control_path=str(control_path),
    )


@pytest.fixture
async def connect(context: Context, tmp_path: Path) -> AsyncIterator[Connect]:
    path = tmp_path / "control.sock"
    steward = ControlServer(context, path)
    await steward.start()
    server = AdminServer(services(context, path), "admin")
    peer: dict[str, object] = {"client": "127.0.0.1", "tls": None}
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = StreamConnection(reader, writer, cast(str, peer["client"]), cast("TlsFacts | None", peer["tls"]))
        await server.handle(cast(Connection, connection))
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]

    async def make(login: str = "", *, client: str = "127.0.0.1", tls: TlsFacts | None = None) -> Client:
        peer.update(client=client, tls=tls)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        made = Client(reader, writer)
        assert await made.line() == "* OK mx.example.test admind 0.1.0\r\n"
        if login:
            assert (await made.ask(f"0 LOGIN {login}@example.test {login}-secret"))[-1].startswith("0 OK")
        return made

    make.server = server  # type: ignore[attr-defined]
    yield make
    for writer in writers:
        writer.close()
    listener.close()
    await listener.wait_closed()
    await steward.close()


@pytest.mark.spec_part("ADM-3")
async def test_login_gives_one_line_with_the_session_id(connect: Connect) -> None:
    client = await connect()
    lines = await client.ask("tag LOGIN ada@example.test ada-secret")
    assert len(lines) == 2
    word, tag, session_id = lines[0].split()
    assert (word, tag, len(session_id)) == ("*", "tag", 26)
    assert lines[1].startswith("tag OK")


async def test_version_and_logout(connect: Connect) -> None:
    client = await connect()
    assert await client.ask("a VERSION") == ["a OK 0.1.0"]
    assert await client.ask("b logout") == ["b OK"]
    assert await client.line() == ""


@pytest.mark.parametrize(
    "login", ["ada@example.test wrong", "nobody@example.test x", "jane@example.test jane-secret", "ada@example.test"]
)
async def test_wrong_passwords_and_plain_users_are_refused(connect: Connect, login: str) -> None:
    client = await connect()
    assert (await client.ask(f"1 LOGIN {login}"))[-1].startswith("1 NO")
    assert (await client.ask("2 USER LIST"))[-1] == "2 NO log in first"


async def test_too_many_failures_end_the_connection(connect: Connect) -> None:
    client = await connect()
    for _ in range(5):
        assert (await client.ask("1 LOGIN ada@example.test wrong"))[-1].startswith("1 NO")
    assert await client.line() == ""


async def test_passwords_in_clear_text_are_taken_from_loopback_only(connect: Connect, context: Context) -> None:
    client = await connect(client="192.0.2.7")
    assert await client.ask("1 LOGIN ada@example.test ada-secret") == ["1 NO passwords are not taken without TLS"]
    over_tls = await connect(client="192.0.2.7", tls=TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256"))
    assert (await over_tls.ask("1 LOGIN ada@example.test ada-secret"))[-1].startswith("1 OK")
    await run(context, "auth set plaintext on")
    allowed = await connect(client="192.0.2.7")
    assert (await allowed.ask("1 LOGIN ada@example.test ada-secret"))[-1].startswith("1 OK")


@pytest.mark.spec_part("ADM-3")
async def test_user_add_and_list_keep_their_old_forms(connect: Connect, context: Context) -> None:
    client = await connect("ada")
    assert await client.ask("1 DOMAIN SETCURRENT example.org") == ["1 OK"]
    assert (await client.ask('2 USER ADD bob "pass word" "Bob \\"B\\" Smith"')) == ["2 OK"]
    assert await client.ask('3 USER LIST "" "" ""') == ['* 3 "bob" "Bob \\"B\\" Smith"', '* 3 "mei" ""', "3 OK"]
    assert await client.ask('4 user list "b*" 0 1') == ['* 4 "bob" "Bob \\"B\\" Smith"', "4 OK"]
    (refused,) = await client.ask('5 USER ADD bob x "y"')
    assert refused.startswith("5 NO")
    assert "Already exists" in refused
    assert await client.ask('6 MAILBOX LIST % "" ""') == ['* 6 "user.bob"', '* 6 "user.mei"', "6 OK"]
    account = (await context.directory.accounts(pattern="bob@example.org"))[0]
    assert account.secret == "quick:pass word"


async def test_literals_carry_lines(connect: Connect, context: Context) -> None:
    client = await connect("ada")
    text = "smtp.max_recipients = 7\nimap.compress = off\n"
    lines = await client.ask(f"1 SETTING IMPORT {{{len(text)}+}}\r\n{text}")
    assert lines[-1] == "1 OK"
    assert (await context.configuration.load()).smtp.max_recipients == 7
    (head, *_) = await client.ask("2 SETTING EXPORT --changed")
    assert head == f"* 2 {{{len(text) - 1}}}"


async def test_requests_may_be_pipelined(connect: Connect) -> None:
    client = await connect()
    client.writer.write(b"1 LOGIN ada@example.test ada-secret\r\n2 DOMAIN LIST\r\n3 LOGOUT\r\n")
    async with asyncio.timeout(60):
        lines = (await client.reader.read(-1)).decode().splitlines()
    assert [line for line in lines if not line.startswith("*")] == ["1 OK User logged in", "2 OK", "3 OK"]


async def test_domain_administrators_work_in_their_domain(connect: Connect) -> None:
    client = await connect("omar")
    lines = await client.ask("1 USER LIST")
    assert lines == ['* 1 "ada" "Ada"', '* 1 "jane" "Jane"', '* 1 "omar" "Omar"', "1 OK"]
    assert (await client.ask("2 DOMAIN SETCURRENT example.org"))[-1].startswith("2 NO")
    assert (await client.ask("3 SMTP SET max_recipients 5"))[-1].startswith("3 NO")


async def test_a_role_that_is_taken_away_is_gone_at_once(connect: Connect, context: Context) -> None:
    client = await connect("ada")
    await run(context, "user set ada@example.test --role user")
    assert (await client.ask("1 USER LIST"))[-1].startswith("1 NO")
    assert await client.line() == ""


async def test_operations_are_audited_with_account_and_address(connect: Connect, context: Context) -> None:
    client = await connect("ada")
    await client.ask("1 DOMAIN ADD new.test")
    entry = (await context.configuration.audited())[0]
    assert (entry.who, entry.via, entry.operation) == ("ada@example.test", "protocol 127.0.0.1", "domain add")


async def test_long_lines_before_login_end_the_connection(connect: Connect) -> None:
    client = await connect()
    client.writer.write(b"1 LOGIN " + b"a" * 20_000)
    assert (await client.line()).startswith("* NO")
    assert await client.line() == ""


async def test_malformed_lines_are_answered(connect: Connect) -> None:
    client = await connect("ada")
    assert await client.ask('1 USER "LIST') == ["1 NO a quoted word does not end"]
    assert (await client.ask("2 USER LIST"))[-1] == "2 OK"


async def test_drain_ends_idle_sessions_at_once(connect: Connect) -> None:
    client = await connect("ada")
    connect.server.drain()  # type: ignore[attr-defined]
    assert await client.line() == ""


async def test_without_a_steward_operations_say_so(connect: Connect, tmp_path: Path) -> None:
    client = await connect("ada")
    (tmp_path / "control.sock").unlink()
    assert (await client.ask("1 USER LIST")) == ["1 NO operations cannot be run at this moment, try again later"]


async def test_attack_a_trickle_of_octets_does_not_hold_a_session_open(context: Context, connect: Connect) -> None:
    """An octet a minute kept one of the few places of administration for ever."""
    client = await connect()
    assert await client.ask("a VERSION") == ["a OK 0.1.0"]
    assert isinstance(context.clock, ManualClock)
    context.clock.advance(61)
    client.writer.write(b"1 LOG")
    assert await client.line() == ""
