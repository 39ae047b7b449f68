"""Logins: who gets in, what strangers can learn, and that nobody can be locked out by somebody else."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog

from posthouse.backends.memory.counters import MemoryCounters
from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.sqlite.directory import SqliteDirectory
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter, open_directory_file
from posthouse.base.clock import ManualClock
from posthouse.base.errors import MailError, Temporary
from posthouse.base.metrics import REGISTRY
from posthouse.directory.authenticate import SCRAM_ITERATIONS, Authenticator, LoginFailed
from posthouse.directory.passwords import hash_password
from posthouse.interfaces.directory import Directory
from posthouse.model.address import Address
from posthouse.model.session import Session
from posthouse.model.settings import Settings
from posthouse.protocols.sasl import make_scram

JANE = Address("jane", "example.com")
HOME, AWAY, ATTACKER = "192.0.2.1", "198.51.100.7", "203.0.113.9"


class PlainHasher:
    """Counts what it is asked; "secret" is the password in plain text."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.gate: asyncio.Event | None = None
        self.failure: MailError | None = None

    async def hash(self, password: str) -> str:
        return f"plain:{password}"

    async def verify(self, secret: str, password: str) -> bool:
        self.asked.append((secret, password))
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return secret == f"plain:{password}"


def session(client_address: str = HOME) -> Session:
    """A fresh IMAP connection from there."""
    return Session("imap", client_address, 40_000, "192.0.2.25", 143, 0.0)


@dataclass
class World:
    """An authenticator with all that it stands on; ``slept`` are the delays it asked for."""

    directory: Directory
    settings: Settings = field(default_factory=Settings)
    clock: ManualClock = field(default_factory=ManualClock)
    hasher: PlainHasher = field(default_factory=PlainHasher)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counters = MemoryCounters(self.clock)
        self.authenticator = self.another()

    def another(self) -> Authenticator:
        """As another process of the same node would have it."""
        return Authenticator(
            self.directory, self.hasher, self.counters, lambda: self.settings, self.clock, self._sleep, b"k" * 32
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def attempt(self, login: str = "jane@example.com", password: str = "right", client: str = HOME) -> float | None:
        """None when it was let in, otherwise the delay of the refusal."""
        self.slept.clear()
        try:
            await self.authenticator.password(login, password, session(client))
        except LoginFailed:
            return sum(self.slept)
        return None

    def set(self, key: str, value: float | str) -> None:
        self.settings = self.settings.with_value(key, value)


async def populated(directory: MemoryDirectory | SqliteDirectoryWriter) -> None:
    await directory.add_domain("example.com")
    for local in ("jane", "bob"):
        await directory.add_account(Address(local, "example.com"), full_name="", role="user", secret="plain:right", scram="")


@pytest.fixture
async def directory() -> MemoryDirectory:
    made = MemoryDirectory()
    await populated(made)
    return made


@pytest.fixture
def world(directory: MemoryDirectory) -> World:
    return World(directory)


def logins(result: str) -> float:
    return REGISTRY.get_sample_value("posthouse_logins_total", {"service": "imap", "result": result}) or 0.0


async def test_the_right_password_opens_the_account_and_marks_the_session(world: World) -> None:
    before, connection = logins("ok"), session()
    account = await world.authenticator.password("JANE@Example.com", "right", connection)
    assert (connection.account, connection.account_id) == ("jane@example.com", account.account_id)
    assert account.address == JANE
    assert logins("ok") == before + 1
    assert world.slept == []


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("jane@example.com", "wrong"),
        ("jane@example.com", ""),
        ("jane@example.com", "right" + "x" * 2000),
        ("nobody@example.com", "right"),
        ("jane@elsewhere.example", "right"),
        ("jane", "right"),
        ("", "right"),
        ("@", "right"),
        ("jane@example.com@example.com", "right"),
        ("x" * 100_000 + "@example.com", "right"),
        ("j\udcff@example.com", "r\udcff"),
    ],
)
async def test_every_refusal_looks_the_same_and_costs_one_hash(world: World, login: str, password: str) -> None:
    before, connection = logins("failed"), session()
    with pytest.raises(LoginFailed) as refusal:
        await world.authenticator.password(login, password, connection)
    assert (refusal.value.code, refusal.value.enhanced) == (535, "5.7.8")
    assert refusal.value.imap_code == "AUTHENTICATIONFAILED"
    assert refusal.value.public == "Authentication credentials invalid"
    assert (connection.account, connection.account_id) == ("", 0)
    assert len(world.hasher.asked) == 1
    assert world.slept == [1.0]
    assert logins("failed") == before + 1


async def test_an_account_without_a_password_opens_to_none(world: World, directory: MemoryDirectory) -> None:
    await directory.change_account(JANE, secret="")
    for password in ("", "right"):
        assert await world.attempt(password=password) is not None
    assert len(world.hasher.asked) == 2


async def test_disabled_accounts_and_domains_do_not_open(world: World, directory: MemoryDirectory) -> None:
    assert await world.attempt() is None
    await directory.change_account(JANE, enabled=False)
    assert await world.attempt() is not None
    await directory.change_account(JANE, enabled=True)
    assert await world.attempt() is None
    await directory.change_domain("example.com", enabled=False)
    assert await world.attempt() is not None


async def test_logins_without_a_domain_get_the_default_one(world: World) -> None:
    assert await world.attempt("jane") is not None
    world.set("auth.default_domain", "example.com")
    assert await world.attempt("jane") is None
    assert await world.attempt("jane@example.com") is None


async def test_a_right_password_is_remembered_and_hashed_again_after_its_time(world: World) -> None:
    for _ in range(10):
        assert await world.attempt() is None
    assert len(world.hasher.asked) == 1
    world.clock.advance(world.settings.auth.remember_s - 1)
    assert await world.attempt() is None
    assert len(world.hasher.asked) == 1
    world.clock.advance(2)
    assert await world.attempt() is None
    assert len(world.hasher.asked) == 2


async def test_nothing_is_remembered_when_the_time_is_zero(world: World) -> None:
    world.set("auth.remember_s", 0.0)
    assert [await world.attempt() for _ in range(3)] == [None, None, None]
    assert len(world.hasher.asked) == 3


async def test_failures_are_never_remembered(world: World) -> None:
    for _ in range(3):
        assert await world.attempt(password="wrong") is not None
    assert len(world.hasher.asked) == 3
    assert await world.attempt() is None


async def test_a_remembered_password_opens_no_other_account(world: World, directory: MemoryDirectory) -> None:
    await directory.change_account(Address("bob", "example.com"), secret="plain:other")
    assert await world.attempt() is None
    assert await world.attempt("bob@example.com") is not None


async def test_a_changed_password_is_forgotten_at_once_even_when_another_connection_changed_it(tmp_path: Path) -> None:
    database = open_directory_file(tmp_path / "directory.db")
    writer, reader = SqliteDirectoryWriter(database), SqliteDirectory(tmp_path / "directory.db")
    await populated(writer)
    world = World(reader)
    assert await world.attempt() is None
    await writer.change_account(JANE, secret="plain:new")
    assert await world.attempt() is not None
    assert await world.attempt(password="new") is None
    reader.close()
    database.close()


async def test_the_same_login_by_many_connections_at_once_costs_one_hash(world: World) -> None:
    world.hasher.gate = asyncio.Event()
    tasks = [asyncio.create_task(world.attempt()) for _ in range(20)]
    while not world.hasher.asked:
        await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    world.hasher.gate.set()
    assert await asyncio.gather(*tasks[1:]) == [None] * 19
    assert len(world.hasher.asked) == 1


async def test_an_overloaded_hasher_defers_and_counts_no_failure(world: World) -> None:
    world.hasher.failure = Temporary("busy")
    with pytest.raises(Temporary):
        await world.authenticator.password("jane@example.com", "right", session())
    assert world.slept == []
    world.hasher.failure = None
    assert await world.attempt(password="wrong") == 1.0


async def test_a_flood_from_one_network_leaves_the_hasher_to_others(world: World) -> None:
    world.hasher.gate = asyncio.Event()
    flood = [asyncio.create_task(world.attempt(password=f"guess{n}", client=f"2001:db8::{n:x}")) for n in range(250)]
    while len(world.hasher.asked) < 2:
        await asyncio.sleep(0)
    victim = asyncio.create_task(world.attempt(client=HOME))
    while ("plain:right", "right") not in world.hasher.asked:
        await asyncio.sleep(0)
    assert len(world.hasher.asked) == 3
    world.hasher.gate.set()
    assert await victim is None
    results = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(result, Temporary) for result in results) == 48
    assert len(world.hasher.asked) == 3 + 200
    world.hasher.asked.clear()
    assert await world.attempt(password="guess", client="2001:db8::1") is not None
    assert len(world.hasher.asked) == 1


async def test_delays_double_up_to_the_longest_and_end_with_the_window(world: World) -> None:
    assert [await world.attempt(password="wrong") for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    world.clock.advance(world.settings.auth.failure_memory_s + 1)
    assert await world.attempt(password="wrong") == 1.0


async def test_an_attacker_does_not_delay_the_victim_elsewhere(world: World) -> None:
    for number in range(200):
        await world.attempt(password="guess", client=f"203.0.113.{number}")
    for _ in range(20):
        await world.attempt(password="guess", client=ATTACKER)
    world.slept.clear()
    assert await world.attempt(client=HOME) is None
    assert sum(world.slept) <= 1.0
    assert await world.attempt(client=HOME) is None
    assert world.slept == []
    assert await world.attempt(password="typo", client=HOME) == 1.0


async def test_an_address_that_guesses_cannot_tell_a_hit_by_its_speed(world: World) -> None:
    for _ in range(5):
        await world.attempt(password="guess", client=ATTACKER)
    assert await world.attempt(client=ATTACKER) is None
    assert world.slept == [15.0]


async def test_the_owner_who_mistyped_is_let_in_at_once_from_an_address_of_theirs(world: World) -> None:
    assert await world.attempt(client=HOME) is None
    for _ in range(5):
        await world.attempt(password="typo", client=HOME)
    assert await world.attempt(client=HOME) is None
    assert world.slept == []
    assert await world.attempt(password="typo", client=HOME) == 1.0


async def test_one_address_trying_many_accounts_is_slowed_too(world: World) -> None:
    delays = [await world.attempt(f"user{number}@example.com", "guess", ATTACKER) for number in range(20)]
    assert delays[:11] == [1.0] * 11
    assert delays[-1] == 15.0


async def test_an_account_of_ones_own_does_not_clear_the_guesses_at_others(world: World) -> None:
    for number in range(20):
        await world.attempt(f"user{number}@example.com", "guess", ATTACKER)
        assert await world.attempt("bob@example.com", "right", ATTACKER) is None
    assert await world.attempt("jane@example.com", "guess", ATTACKER) == 15.0


async def test_a_whole_ipv6_network_of_one_site_counts_as_one_client(world: World) -> None:
    delays = [await world.attempt(password="x", client=f"2001:db8:0:1::{number:x}") for number in range(1, 4)]
    assert delays == [1.0, 2.0, 4.0]
    assert await world.attempt(password="x", client="2001:db8:0:2::1") == 1.0
    await world.attempt(password="x", client="::ffff:203.0.113.9")
    assert await world.attempt(password="x", client=ATTACKER) == 2.0


@pytest.mark.parametrize("client", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
async def test_this_machines_own_clients_wait_but_briefly(world: World, client: str) -> None:
    for _ in range(20):
        assert await world.attempt(password="x", client=client) == 1.0


async def test_failures_are_logged_with_everything_but_the_password(world: World) -> None:
    with structlog.testing.capture_logs() as lines:
        await world.attempt(password="hunter2")
        await world.attempt()
    assert [line["event"] for line in lines] == ["login failed"]
    assert lines[0]["login"] == "jane@example.com"
    assert lines[0]["client"] == HOME
    assert lines[0]["cause"] == "wrong password"
    assert "hunter2" not in repr(lines)


async def test_scram_gives_the_accounts_own_keys(world: World, directory: MemoryDirectory) -> None:
    secret, scram = await hash_password(world.hasher, "right")
    account = await directory.change_account(JANE, secret=secret, scram=scram)
    found = await world.authenticator.scram_secret("Jane@example.com")
    assert found.account == account
    assert found.iterations == SCRAM_ITERATIONS
    assert (found.stored_key, found.server_key) == make_scram("right", found.salt, found.iterations)


async def test_scram_makes_up_secrets_for_strangers_that_stay_the_same_in_every_process(world: World) -> None:
    first = await world.authenticator.scram_secret("nobody@example.com")
    assert await world.another().scram_secret("Nobody@example.com") == first
    assert first.account is None
    assert first.iterations == SCRAM_ITERATIONS
    assert (len(first.salt), len(first.stored_key), len(first.server_key)) == (16, 32, 32)
    others = [
        await world.authenticator.scram_secret(login) for login in ("other@example.com", "x\udcff", "", "jane@example.com")
    ]
    assert len({secret.salt for secret in others} | {first.salt}) == 5


@pytest.mark.parametrize("scram", ["", "x", "a$b$c$d", "YQ==$4096$!$YQ==", "YQ==$-1$YQ==$YQ==", "YQ==$²$YQ==$YQ=="])
async def test_an_account_with_no_usable_keys_looks_like_one_that_does_not_exist(
    world: World, directory: MemoryDirectory, scram: str
) -> None:
    await directory.change_account(JANE, scram=scram)
    found = await world.authenticator.scram_secret("jane@example.com")
    assert (len(found.salt), found.iterations) == (16, SCRAM_ITERATIONS)


async def test_a_proven_scram_exchange_logs_in_and_a_failed_one_is_slowed(world: World, directory: MemoryDirectory) -> None:
    account = await directory.change_account(JANE, scram=(await hash_password(world.hasher, "right"))[1])
    connection = session()
    assert await world.authenticator.scram_done("jane@example.com", account, connection, ok=True) == account
    assert connection.account_id == account.account_id
    for delay_s in (1.0, 2.0, 4.0):
        world.slept.clear()
        with pytest.raises(LoginFailed):
            await world.authenticator.scram_done("jane@example.com", account, session(ATTACKER), ok=False)
        assert world.slept == [delay_s]
    world.slept.clear()
    assert await world.attempt(password="x", client=ATTACKER) == 8.0


async def test_scram_refuses_what_changed_during_the_exchange(world: World, directory: MemoryDirectory) -> None:
    account = await directory.change_account(JANE, scram=(await hash_password(world.hasher, "right"))[1])
    await directory.change_account(JANE, scram=(await hash_password(world.hasher, "new"))[1])
    with pytest.raises(LoginFailed):
        await world.authenticator.scram_done("jane@example.com", account, session(), ok=True)
    account = await directory.change_account(JANE, enabled=False)
    with pytest.raises(LoginFailed):
        await world.authenticator.scram_done("jane@example.com", account, session(), ok=True)
    with pytest.raises(LoginFailed):
        await world.authenticator.scram_done("nobody@example.com", None, session(), ok=True)


async def test_an_account_without_keys_is_never_opened_by_scram(world: World, directory: MemoryDirectory) -> None:
    account = await directory.account(JANE)
    with pytest.raises(LoginFailed):
        await world.authenticator.scram_done("jane@example.com", account, session(), ok=True)


@pytest.mark.parametrize("password", ["", "x" * 1025, "line\nbreak", "nul\x00", "\udcff"])
async def test_passwords_that_clients_could_not_send_are_not_hashed(password: str) -> None:
    with pytest.raises(MailError):
        await hash_password(PlainHasher(), password)


async def test_stored_forms_of_one_password_differ_each_time() -> None:
    first, second = [await hash_password(PlainHasher(), "pässword") for _ in range(2)]
    assert first[1] != second[1]
    salt, iterations, stored_key, server_key = first[1].split("$")
    assert int(iterations) >= 4096
    keys = base64.b64decode(stored_key), base64.b64decode(server_key)
    assert keys == make_scram("pässword", base64.b64decode(salt), int(iterations))
