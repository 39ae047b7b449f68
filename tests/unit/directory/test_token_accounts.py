"""Whose account a token opens: that of its user, slowed and counted like any login (INB-3, DIR-7)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from posthouse.backends.memory.counters import MemoryCounters
from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.base.clock import ManualClock
from posthouse.base.errors import Temporary
from posthouse.directory.authenticate import Authenticator, LoginFailed, LoginHooks, MayNotAct
from posthouse.interfaces.tokens import TokenRefused
from posthouse.model.account import Role
from posthouse.model.address import Address
from posthouse.model.session import Service, Session
from posthouse.model.settings import Settings
from support.operations import QuickHasher


class Verifier:
    """``for-LOGIN`` is a token that holds."""

    async def login(self, token: str) -> str:
        if token == "away":
            raise Temporary("away", code=454)
        if not token.startswith("for-"):
            raise TokenRefused("expired")
        return token.removeprefix("for-")


@dataclass
class World:
    directory: MemoryDirectory = field(default_factory=MemoryDirectory)
    settings: Settings = field(default_factory=Settings)
    slept: list[float] = field(default_factory=list)
    barred: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        clock = ManualClock()
        hooks = LoginHooks(barred=self._barred, tokens=Verifier())
        counters = MemoryCounters(clock)
        self.authenticator = Authenticator(
            self.directory, QuickHasher(), counters, lambda: self.settings, clock, self._sleep, b"k" * 32, hooks
        )

    async def _barred(self, account_id: int) -> bool:
        return account_id in self.barred

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def log_in(self, claimed: str, token: str, *, as_others: bool = True, service: Service = "imap") -> str:
        session = Session(service, "192.0.2.1", 40_000, "192.0.2.25", 143, 0.0)
        account = await self.authenticator.token(claimed, token, session, as_others=as_others)
        assert (session.account, session.account_id) == (str(account.address), account.account_id)
        return session.account


@pytest.fixture
async def world() -> World:
    made = World()
    await made.directory.add_domain("example.com")
    roles: dict[str, Role] = {"jane": "user", "bob": "user", "root": "administrator"}
    for local, role in roles.items():
        await made.directory.add_account(Address(local, "example.com"), full_name="", role=role, secret="", scram="")
    return made


async def test_a_token_opens_its_users_account(world: World) -> None:
    for claimed in ("", "jane@example.com", "JANE@Example.com"):
        for as_others in (True, False):
            assert await world.log_in(claimed, "for-jane@example.com", as_others=as_others) == "jane@example.com"
    assert world.slept == []


@pytest.mark.parametrize(
    ("claimed", "token"),
    [
        ("jane@example.com", "bad"),
        ("", "bad"),
        ("bob@example.com", "for-jane@example.com"),
        ("nobody@example.com", "for-nobody@example.com"),
        ("not an address", "for-jane@example.com"),
        ("", "for-jane@elsewhere.test"),
        ("", "for-not an address"),
        ("", "for-"),
    ],
)
async def test_others_are_refused_slowed_and_the_token_is_not_logged(world: World, claimed: str, token: str) -> None:
    with capture_logs() as logs, pytest.raises(LoginFailed):
        await world.log_in(claimed, token, as_others=False)
    assert world.slept == [world.settings.auth.failure_delay_s]
    assert [each["event"] for each in logs] == ["login failed"]
    assert token not in str(logs) or token == "bad" or claimed


async def test_disabled_and_held_accounts_stay_out(world: World) -> None:
    await world.directory.change_account(Address("bob", "example.com"), enabled=False)
    jane = await world.directory.account(Address("jane", "example.com"))
    assert jane is not None
    world.barred.add(jane.account_id)
    for user in ("bob", "jane"):
        with pytest.raises(LoginFailed):
            await world.log_in("", f"for-{user}@example.com")


async def test_acting_by_a_token_is_for_administrators_and_where_users_data_are(world: World) -> None:
    assert await world.log_in("jane@example.com", "for-root@example.com") == "jane@example.com"
    with pytest.raises(MayNotAct):
        await world.log_in("bob@example.com", "for-jane@example.com")
    with pytest.raises(MayNotAct):
        await world.log_in("jane@example.com", "for-root@example.com", service="submission")


async def test_an_issuer_that_is_away_costs_nobody_a_failure(world: World) -> None:
    results = await asyncio.gather(*(world.log_in("jane@example.com", "away") for _ in range(20)), return_exceptions=True)
    assert all(isinstance(each, Temporary) for each in results)
    assert await world.log_in("", "for-jane@example.com") and world.slept == []
