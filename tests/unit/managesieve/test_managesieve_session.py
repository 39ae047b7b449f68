"""ManageSieve dialogues against the real session: connections over transports in memory, scripts in memory."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from posthouse.backends.memory.scripts import MemoryScripts
from posthouse.model.script import ScriptOwner
from posthouse.protocols.sasl import choose_client, make_scram
from posthouse.servers.connection import Connection
from posthouse.servers.managesieve import ManageSieveServer
from support.imap_dialogue import LOGIN, PASSWORD, MemoryTransport, World

TURNS = 5_000
GREETING_END = b'OK "Posthouse ready"\r\n'


def token(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PLAIN = f'AUTHENTICATE "PLAIN" "{token(chr(0) + LOGIN + chr(0) + PASSWORD)}"'


class Client:
    """One client and the server's end of its connection."""

    def __init__(self, house: House, address: str) -> None:
        self.transport = MemoryTransport(address)
        self.connection = Connection("managesieve", house.world.sweeper, lambda _connection: None)
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)
        self.connection.client_address = address
        self.task = asyncio.create_task(house.server.handle(self.connection))
        self.taken = 0

    async def until(self, *ends: bytes) -> bytes:
        """What came, up to a line that begins with one of ``ends``."""
        for _ in range(TURNS):
            new = bytes(self.transport.sent[self.taken :])
            at = 0
            while (end := new.find(b"\n", at)) >= 0:
                if new[at:].startswith(ends):
                    self.taken += end + 1
                    return new[: end + 1]
                at = end + 1
            if self.transport.closed and not new:
                break
            await asyncio.sleep(0)
        raise AssertionError(f"the server said {bytes(self.transport.sent[self.taken :])!r}")

    async def say(self, text: str | bytes) -> bytes:
        """A command and its whole answer."""
        self.connection.data_received((text.encode() if isinstance(text, str) else text) + b"\r\n")
        return await self.until(b"OK", b"NO", b"BYE")

    async def ended(self) -> bool:
        for _ in range(TURNS):
            if self.transport.closed:
                return True
            await asyncio.sleep(0)
        return False


class House:
    """A world with scripts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.scripts = MemoryScripts()
        world.services = replace(world.services, scripts=self.scripts, scripts_writer=self.scripts)
        self.server = ManageSieveServer(world.services, "managesieve")
        self.clients: list[Client] = []

    async def connect(self, address: str = "127.0.0.1", *, login: bool = True) -> Client:
        client = Client(self, address)
        self.clients.append(client)
        self.greeting = await client.until(b"OK", b"BYE")
        if login:
            assert (await client.say(PLAIN)) == b'OK "Logged in"\r\n'
        return client

    async def stop(self) -> None:
        for client in self.clients:
            client.transport.close()
        await asyncio.gather(*(client.task for client in self.clients))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    world = World()
    salt = b"0123456789abcdef"
    stored, server = (base64.b64encode(key).decode() for key in make_scram(PASSWORD, salt, 4096))
    await world.start(scram=f"{base64.b64encode(salt).decode()}$4096${stored}${server}")
    made = House(world)
    yield made
    await made.stop()


async def test_the_greeting_tells_what_there_is(house: House) -> None:
    await house.connect(login=False)
    lines = house.greeting.decode().splitlines()
    assert lines[0].startswith('"IMPLEMENTATION" "Posthouse ')
    assert '"SASL" "PLAIN LOGIN SCRAM-SHA-256"' in lines
    assert '"VERSION" "1.0"' in lines
    assert '"NOTIFY" "mailto"' in lines
    assert '"MAXREDIRECTS" "5"' in lines
    sieve = next(line for line in lines if line.startswith('"SIEVE"'))
    assert " fileinto " in sieve
    assert "vnd.posthouse.filter" in sieve
    assert "vnd.posthouse.policy" not in sieve


async def test_strangers_off_loopback_get_no_password_mechanism_in_clear(house: House) -> None:
    client = await house.connect("192.0.2.1", login=False)
    assert b'"SASL" ""\r\n' in house.greeting
    assert await client.say(PLAIN) == b'NO (ENCRYPT-NEEDED) "That mechanism is not available"\r\n'
    assert await client.say('AUTHENTICATE "DIGEST-MD5"') == b'NO "That mechanism is not available"\r\n'
    assert (await client.say("STARTTLS")).startswith(b"NO ")


async def test_scripts_are_put_listed_fetched_renamed_and_deleted(house: House) -> None:
    client = await house.connect()
    assert await client.say("LISTSCRIPTS") == b"OK\r\n"
    assert await client.say('PUTSCRIPT "main" {5+}\r\nkeep;') == b"OK\r\n"
    assert await client.say('PUTSCRIPT "other" "discard;"') == b"OK\r\n"
    assert await client.say('SETACTIVE "main"') == b"OK\r\n"
    assert await client.say("LISTSCRIPTS") == b'"main" ACTIVE\r\n"other"\r\nOK\r\n'
    assert await client.say('GETSCRIPT "main"') == b"{5}\r\nkeep;\r\nOK\r\n"
    assert await client.say('DELETESCRIPT "main"') == b"NO (ACTIVE) \"the script 'main' is active\"\r\n"
    assert await client.say('RENAMESCRIPT "main" "first"') == b"OK\r\n"
    assert (await client.say('RENAMESCRIPT "first" "other"')).startswith(b"NO (ALREADYEXISTS) ")
    assert await client.say('SETACTIVE ""') == b"OK\r\n"
    assert await client.say('DELETESCRIPT "first"') == b"OK\r\n"
    for command in ('GETSCRIPT "first"', 'DELETESCRIPT "first"', 'SETACTIVE "first"', 'RENAMESCRIPT "first" "x"'):
        assert (await client.say(command)).startswith(b"NO (NONEXISTENT) "), command
    owner = ScriptOwner("user", house.world.account_id)
    assert [script.name for script in await house.scripts.scripts(owner)] == ["other"]


async def test_a_wrong_script_is_refused_with_its_place_and_not_kept(house: House) -> None:
    client = await house.connect()
    for command in ('PUTSCRIPT "bad" ', "CHECKSCRIPT "):
        answer = await client.say(command + "{14+}\r\nkeep;\r\nnonsens")
        assert answer == b"NO \"line 2, column 1: expected an argument, ';' or '{', not the end of the script\"\r\n" or (
            answer.startswith(b'NO "line 2, column')
        )
    policy = 'require "vnd.posthouse.policy"; quarantine "x";'
    assert b"there is no extension" in await client.say(f"CHECKSCRIPT {{{len(policy)}+}}\r\n{policy}")
    assert await client.say("LISTSCRIPTS") == b"OK\r\n"
    assert await client.say('CHECKSCRIPT "keep;"') == b"OK\r\n"
    large = "# " + "x" * 20_000
    assert await client.say(f"CHECKSCRIPT {{{len(large)}+}}\r\n{large}") == b"OK\r\n"


async def test_there_is_space_or_not(house: House) -> None:
    client = await house.connect()
    assert await client.say('HAVESPACE "a" 1000') == b"OK\r\n"
    assert (await client.say('HAVESPACE "a" 1048577')).startswith(b"NO (QUOTA/MAXSIZE) ")
    for number in range(100):
        await client.say(f'PUTSCRIPT "s{number}" "keep;"')
    assert (await client.say('HAVESPACE "one more" 5')).startswith(b"NO (QUOTA/MAXSCRIPTS) ")
    assert await client.say('HAVESPACE "s5" 5') == b"OK\r\n"
    assert (await client.say('PUTSCRIPT "one more" "keep;"')).startswith(b"NO (QUOTA) ")


async def test_a_user_sees_only_their_own(house: House) -> None:
    await house.scripts.put_script(ScriptOwner("user", 999), "theirs", "keep;", 1.0)
    await house.scripts.put_script(ScriptOwner("system"), "site", "keep;", 1.0)
    client = await house.connect()
    assert await client.say("LISTSCRIPTS") == b"OK\r\n"
    assert (await client.say('GETSCRIPT "theirs"')).startswith(b"NO (NONEXISTENT)")


@pytest.mark.parametrize("offered", [["SCRAM-SHA-256"], ["LOGIN"], ["PLAIN"]])
async def test_every_mechanism_works_without_initial_response(house: House, offered: list[str]) -> None:
    client = await house.connect(login=False)
    machine = choose_client(offered, LOGIN, PASSWORD)
    assert machine is not None
    client.connection.data_received(f'AUTHENTICATE "{offered[0]}"\r\n'.encode())
    while True:
        line = await client.until(b'"', b"OK", b"NO")
        if not line.startswith(b'"'):
            break
        challenge = base64.b64decode(line.strip().strip(b'"'))
        answer = machine.step(challenge) if challenge else machine.initial()
        client.connection.data_received(b'"' + base64.b64encode(answer or b"") + b'"\r\n')
    assert line == b'OK "Logged in"\r\n'


async def test_a_wrong_password_is_no_login_and_too_many_end_it(house: House) -> None:
    client = await house.connect(login=False)
    wrong = f'AUTHENTICATE "PLAIN" "{token(chr(0) + LOGIN + chr(0) + "wrong")}"'
    for _ in range(4):
        assert (await client.say(wrong)).startswith(b"NO ")
    assert (await client.say(wrong)).startswith(b"BYE ")
    assert await client.ended()


async def test_a_broken_off_exchange_and_another_identity_are_refused(house: House) -> None:
    client = await house.connect(login=False)
    client.connection.data_received(b'AUTHENTICATE "PLAIN"\r\n')
    await client.until(b'""')
    assert (await client.say('"*"')) == b'NO "The exchange was broken off"\r\n'
    other = f'AUTHENTICATE "PLAIN" "{token("boss" + chr(0) + LOGIN + chr(0) + PASSWORD)}"'
    assert (await client.say(other)).startswith(b"NO ")
    assert await client.say(PLAIN) == b'OK "Logged in"\r\n'


async def test_unauthenticate_goes_back_to_the_beginning(house: House) -> None:
    client = await house.connect()
    assert f'"OWNER" "{LOGIN}"\r\n'.encode() in await client.say("CAPABILITY")
    assert await client.say("UNAUTHENTICATE") == b"OK\r\n"
    assert await client.say("LISTSCRIPTS") == b'NO "Authenticate first"\r\n'
    assert await client.say(PLAIN) == b'OK "Logged in"\r\n'


async def test_draining_ends_sessions_at_once_and_greets_nobody(house: House) -> None:
    client = await house.connect()
    house.server.drain()
    assert (await client.until(b"BYE")) == b'BYE (TRYLATER) "Service shutting down"\r\n'
    assert await client.ended()
    late = Client(house, "127.0.0.1")
    house.clients.append(late)
    assert (await late.until(b"BYE", b"OK")).startswith(b"BYE")


async def test_logout_says_goodbye(house: House) -> None:
    client = await house.connect()
    assert await client.say('NOOP "x"') == b'OK (TAG "x") "Done"\r\n'
    assert await client.say("LOGOUT") == b'OK "Logging out"\r\n'
    assert await client.ended()
