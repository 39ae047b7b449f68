"""Administrators who log in as users: who may act as whom, where, in which forms; and what the others learn by trying."""

from __future__ import annotations

import pytest
import structlog

from posthouse.backends.memory.counters import MemoryCounters
from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.base.clock import ManualClock
from posthouse.base.errors import MailError
from posthouse.directory import acting
from posthouse.directory.authenticate import Authenticator, LoginFailed, MayNotAct
from posthouse.model.account import Role
from posthouse.model.address import Address
from posthouse.model.session import Service, Session
from posthouse.model.settings import Settings
from posthouse.protocols.sasl import server_machine
from posthouse.servers.sasl import exchange
from support.operations import QuickHasher

PEOPLE: tuple[tuple[str, Role], ...] = (
    ("root@example.com", "administrator"),
    ("boss@example.com", "domain-administrator"),
    ("other@example.com", "domain-administrator"),
    ("help@example.com", "help-desk"),
    ("jane@example.com", "user"),
    ("omar@example.org", "user"),
    ("two*words@example.com", "user"),
)


class World:
    def __init__(self) -> None:
        self.directory = MemoryDirectory()
        self.settings = Settings()
        clock = ManualClock()
        self.slept: list[float] = []
        self.authenticator = Authenticator(
            self.directory, QuickHasher(), MemoryCounters(clock), lambda: self.settings, clock, self._sleep, b"k" * 32
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def login(self, login: str, password: str, authzid: str = "", service: Service = "imap") -> tuple[str, Session]:
        """The address that was opened, and the session."""
        session = Session(service, "192.0.2.1", 4000, "192.0.2.2", 143, 0.0)
        account = await self.authenticator.password(login, password, session, authzid)
        assert session.account == str(account.address)
        assert session.account_id == account.account_id
        return str(account.address), session


@pytest.fixture
async def world() -> World:
    made = World()
    for name in ("example.com", "example.org"):
        await made.directory.add_domain(name)
    for text, role in PEOPLE:
        secret = f"quick:{text.partition('@')[0]}-secret"
        await made.directory.add_account(Address.parse(text), full_name="", role=role, secret=secret, scram="")
    return made


FORMS = (("{user}*{admin}", ""), ("#{user}#{admin}#", ""), ("{admin}", "{user}"))


@pytest.mark.parametrize(("login", "authzid"), FORMS)
@pytest.mark.parametrize("service", acting.SERVICES)
async def test_an_administrator_opens_a_users_mailboxes_in_each_form(
    world: World, login: str, authzid: str, service: Service
) -> None:
    names = {"user": "omar@example.org", "admin": "root@example.com"}
    with structlog.testing.capture_logs() as logs:
        opened, _ = await world.login(login.format(**names), "root-secret", authzid.format(**names), service)
    assert opened == "omar@example.org"
    assert [(each["event"], each["administrator"], each["user"]) for each in logs] == [
        ("acting as a user", "root@example.com", "omar@example.org")
    ]


@pytest.mark.parametrize(("login", "authzid"), FORMS)
@pytest.mark.parametrize(
    ("admin", "user", "allowed"),
    [
        ("root", "boss@example.com", True),
        ("boss", "jane@example.com", True),
        ("boss", "omar@example.org", False),
        ("boss", "root@example.com", False),
        ("boss", "other@example.com", False),
        ("boss", "help@example.com", False),
        ("help", "jane@example.com", False),
        ("jane", "root@example.com", False),
        ("jane", "omar@example.org", False),
        ("root", "nobody@example.com", False),
        ("root", "jane@elsewhere.test", False),
        ("root", "not an address", False),
    ],
)
async def test_who_may_act_as_whom(world: World, login: str, authzid: str, admin: str, user: str, *, allowed: bool) -> None:
    names = {"user": user, "admin": f"{admin}@example.com"}
    try:
        opened, _ = await world.login(login.format(**names), f"{admin}-secret", authzid.format(**names))
    except LoginFailed as error:
        assert not allowed
        assert isinstance(error, MayNotAct)
        assert (error.public, error.imap_code) == ("Acting as this user is not allowed", "AUTHORIZATIONFAILED")
    else:
        assert allowed
        assert opened == user


@pytest.mark.parametrize(("login", "authzid"), FORMS)
async def test_the_users_own_password_and_a_wrong_one_open_nothing(world: World, login: str, authzid: str) -> None:
    names = {"user": "jane@example.com", "admin": "root@example.com"}
    for password in ("jane-secret", "wrong", ""):
        with pytest.raises(LoginFailed) as refused:
            await world.login(login.format(**names), password, authzid.format(**names))
        assert not isinstance(refused.value, MayNotAct)
    assert len(world.slept) == 3


@pytest.mark.parametrize("service", ["smtp", "submission", "submissions", "lmtp", "admin", "admins"])
@pytest.mark.parametrize(("login", "authzid"), FORMS)
async def test_nobody_sends_or_administers_in_anothers_name(world: World, login: str, authzid: str, service: Service) -> None:
    names = {"user": "jane@example.com", "admin": "root@example.com"}
    with pytest.raises(LoginFailed):
        await world.login(login.format(**names), "root-secret", authzid.format(**names), service)


async def test_a_disabled_administrator_and_a_disabled_user_are_out(world: World) -> None:
    await world.directory.change_account(Address.parse("jane@example.com"), enabled=False)
    with pytest.raises(MayNotAct):
        await world.login("jane@example.com*root@example.com", "root-secret")
    await world.directory.change_account(Address.parse("root@example.com"), enabled=False)
    with pytest.raises(LoginFailed) as refused:
        await world.login("omar@example.org*root@example.com", "root-secret")
    assert not isinstance(refused.value, MayNotAct)


async def test_a_role_that_is_taken_away_is_gone_at_once_even_with_the_password_remembered(world: World) -> None:
    await world.login("jane@example.com*root@example.com", "root-secret")
    await world.directory.change_account(Address.parse("root@example.com"), role="user")
    with pytest.raises(MayNotAct):
        await world.login("jane@example.com*root@example.com", "root-secret")


async def test_an_account_with_a_star_in_its_name_is_just_that(world: World) -> None:
    opened, _ = await world.login("two*words@example.com", "two*words-secret")
    assert opened == "two*words@example.com"
    opened, _ = await world.login("two*words@example.com*root@example.com", "root-secret")
    assert opened == "two*words@example.com"


async def test_forms_do_not_nest(world: World) -> None:
    for login, authzid in (
        ("jane@example.com*boss@example.com*root@example.com", ""),
        ("jane@example.com*root@example.com", "omar@example.org"),
        ("##jane@example.com#root@example.com##", ""),
        ("*root@example.com", ""),
        ("jane@example.com*", ""),
        ("##", ""),
        ("#", ""),
        ("*", ""),
    ):
        with pytest.raises(LoginFailed):
            await world.login(login, "root-secret", authzid)


async def test_acting_as_oneself_is_no_acting(world: World) -> None:
    world.settings = world.settings.with_value("auth.default_domain", "example.com")
    for login, authzid in (("jane@example.com", "jane"), ("jane", "JANE@example.com")):
        opened, _ = await world.login(login, "jane-secret", authzid, "submission")
        assert opened == "jane@example.com"
    opened, _ = await world.login("jane*root", "root-secret")
    assert opened == "jane@example.com"


async def test_sasl_plain_carries_the_authorisation_identity_and_login_the_other_forms(world: World) -> None:
    async def sasl(name: str, *messages: bytes) -> str:
        session = Session("imap", "192.0.2.1", 4000, "192.0.2.2", 143, 0.0)
        machine = server_machine(name)
        assert machine is not None
        queue = list(messages)

        async def respond(_: bytes) -> bytes:
            return queue.pop(0)

        account = await exchange(machine, None, authenticator=world.authenticator, session=session, respond=respond)
        return str(account.address)

    assert await sasl("PLAIN", b"jane@example.com\0root@example.com\0root-secret") == "jane@example.com"
    assert await sasl("LOGIN", b"jane@example.com*root@example.com", b"root-secret") == "jane@example.com"
    assert await sasl("LOGIN", b"#jane@example.com#root@example.com#", b"root-secret") == "jane@example.com"
    with pytest.raises(MailError):
        await sasl("PLAIN", b"root@example.com\0jane@example.com\0jane-secret")
