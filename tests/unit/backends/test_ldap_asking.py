"""Outside directories that fail, lie or are slow (RTE-2): failover, back-off, what is kept, and what no server can do to us."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from posthouse.backends.ldap.directory import LdapDirectory
from posthouse.backends.memory.outside_directory import MemoryLdapServers
from posthouse.base.clock import ManualClock
from posthouse.base.errors import Temporary
from posthouse.model.address import Address
from posthouse.model.outside import LdapServer, OutsideEntry, Tls
from posthouse.model.settings import LdapSettings
from posthouse.protocols.ldap import ber
from support.scripted_host import server_context
from support.scripted_ldap import BIND, EXTENDED, SEARCH, Attributes, ScriptedLdap, entry, message, result

JANE = Address.parse("jane@corp.test")
SECRET = "not for everybody"
JANES: Attributes = {"mail": [b"jane@corp.test"], "mailHost": [b"mx1.corp.test"], "objectClass": [b"person"]}


def knows_jane(base: bytes, encoded: bytes, names: list[str]) -> Sequence[tuple[bytes, Attributes]]:
    return [(b"cn=jane", JANES)] if b"jane@corp.test" in encoded or b"objectClass" in encoded else []


class Bench:
    """A directory over scripted servers, with a clock driven by hand."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.clock = ManualClock()
        self.settings = LdapSettings(connect_timeout_s=30, search_timeout_s=30, retry_s=10, retry_max_s=15)
        self.book = MemoryLdapServers()
        self.directory = LdapDirectory(self.book, lambda: self.settings, self.clock)

    async def server(self, **options: object) -> ScriptedLdap:
        made = ScriptedLdap(knows_jane, **options)  # type: ignore[arg-type]
        return await self._stack.enter_async_context(made)

    async def use(self, *urls: str, **options: object) -> None:
        server = LdapServer("corp", urls, "dc=corp", uses=("recipients", "routes", "groups"))
        await self.book.put_server(replace(server, **options))  # type: ignore[arg-type]

    async def jane(self) -> OutsideEntry | None:
        return await self.directory.find(JANE, "routes")

    async def trouble(self) -> str:
        with pytest.raises(Temporary) as caught:
            await self.jane()
        assert SECRET not in str(caught.value)
        return caught.value.cause


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        made = Bench(stack)
        yield made
        made.directory.close()


async def test_the_next_server_is_asked_when_one_fails_which_is_then_left_alone_for_a_while(bench: Bench) -> None:
    first, second = await bench.server(), await bench.server()
    bench.settings = replace(bench.settings, keep_s=0.0)
    await bench.use(first.url, second.url)
    assert await bench.jane()
    assert (first.searches, second.searches) == (1, 0)
    first.instead = lambda tag, number: message(0, result(0x78, 52, "going down"))
    assert await bench.jane(), "the second answers at once"
    assert (first.connections, second.searches) == (2, 1), "a kept connection may be old news: a fresh one is tried too"
    first.instead = lambda tag, number: None
    bench.clock.advance(9)
    assert await bench.jane()
    assert (first.connections, second.searches) == (2, 2), "the first is left alone"
    bench.clock.advance(2)
    assert await bench.jane()
    assert (first.connections, second.searches) == (3, 2), "and asked again afterwards"


async def test_when_all_are_dead_nobody_waits_for_them_again_and_again(bench: Bench) -> None:
    server = await bench.server()
    server.instead = lambda tag, number: b"\x00\x01\x02\x03\x04\x05"
    await bench.use(server.url, "ldap://127.0.0.1:1")
    cause = await bench.trouble()
    assert "no LDAP message" in cause or "length" in cause
    assert "ldap://127.0.0.1:1" in cause
    for _ in range(3):
        assert "left alone" in await bench.trouble()
    assert server.connections == 1
    server.instead = lambda tag, number: None
    bench.clock.advance(11)
    assert await bench.jane()


async def test_back_off_doubles_up_to_its_most(bench: Bench) -> None:
    server = await bench.server()
    server.instead = lambda tag, number: b"\x00\x01"
    await bench.use(server.url)
    for pause_s, tries in ((10, 1), (15, 2), (15, 3)):
        await bench.trouble()
        assert server.connections == tries
        bench.clock.advance(pause_s - 1)
        await bench.trouble()
        assert server.connections == tries
        bench.clock.advance(2)


async def test_a_server_that_hangs_is_given_up(bench: Bench) -> None:
    hanging, second = await bench.server(), await bench.server()
    hanging.hangs = True
    bench.settings = replace(bench.settings, search_timeout_s=1.0)
    await bench.use(hanging.url, second.url)
    assert await bench.jane()
    bench.settings = replace(bench.settings, connect_timeout_s=1.0, search_timeout_s=30)
    await bench.use(hanging.url, bind_dn="cn=us", password=SECRET)
    assert "no connection within 1 s" in await bench.trouble()


async def test_a_kept_connection_that_the_server_closed_is_made_anew(bench: Bench) -> None:
    server = await bench.server()
    bench.settings = replace(bench.settings, keep_s=0.0)
    await bench.use(server.url)
    for connections in (1, 2, 3):
        assert await bench.jane()
        assert server.connections == connections
        server.close_connections()
        for _ in range(connections % 2 * 50):  # with its end known, and as it comes
            await asyncio.sleep(0)


async def test_answers_are_kept_both_ways_for_their_time(bench: Bench) -> None:
    server = await bench.server()
    bench.settings = replace(bench.settings, keep_s=300.0, keep_unknown_s=60.0)
    await bench.use(server.url)
    nobody = Address.parse("nobody@corp.test")
    for advance_s, searches in ((0, 2), (59, 2), (2, 3), (238, 4), (2, 5)):
        bench.clock.advance(advance_s)
        assert await bench.jane()
        assert await bench.directory.find(nobody, "recipients") is None
        assert server.searches == searches, advance_s


async def test_what_is_kept_is_bounded(bench: Bench) -> None:
    server = await bench.server()
    bench.settings = replace(bench.settings, max_kept=10)
    await bench.use(server.url)
    for number in range(30):
        await bench.directory.find(Address.parse(f"x{number}@corp.test"), "routes")
    assert len(bench.directory._missing) == 10
    await bench.directory.find(Address.parse("x29@corp.test"), "routes")
    assert server.searches == 30
    await bench.directory.find(Address.parse("x0@corp.test"), "routes")
    assert server.searches == 31


async def test_who_tries_out_addresses_does_not_push_out_known_ones(bench: Bench) -> None:
    server = await bench.server()
    bench.settings = replace(bench.settings, max_kept=10)
    await bench.use(server.url)
    assert await bench.jane()
    for number in range(30):
        await bench.directory.find(Address.parse(f"x{number}@corp.test"), "routes")
    assert await bench.jane()
    assert server.searches == 31


async def test_a_connection_that_lay_idle_for_long_is_not_trusted(bench: Bench) -> None:
    server = await bench.server()
    bench.settings = replace(bench.settings, keep_s=0.0)
    await bench.use(server.url)
    for advance_s, connections in ((0, 1), (200, 1), (239, 1), (241, 2)):
        bench.clock.advance(advance_s)
        assert await bench.jane()
        assert server.connections == connections


@pytest.mark.parametrize(
    ("tls", "url", "begun"),
    [
        ("elsewhere", "ldap://127.0.0.1:389", False), ("elsewhere", "ldap://localhost", False),
        ("elsewhere", "ldap://[::1]", False), ("elsewhere", "ldap://10.0.0.1", True), ("elsewhere", "ldap://localhost.x", True),
        ("elsewhere", "ldap://ad.corp.test", True), ("off", "ldap://ad.corp.test", False), ("starttls", "ldap://[::1]", True),
        ("elsewhere", "ldaps://ad.corp.test", False),
    ],
)  # fmt: skip
def test_what_leaves_the_machine_is_encrypted_unless_set(tls: Tls, url: str, begun: bool) -> None:  # noqa: FBT001
    assert LdapServer("x", (url,), "dc=x", tls=tls).starts_tls(url) == begun


async def test_changed_servers_make_all_answers_forgotten(bench: Bench) -> None:
    server, other = await bench.server(), await bench.server()
    other.search = lambda base, encoded, names: []
    await bench.use(server.url)
    assert await bench.jane()
    await bench.use(other.url)
    assert await bench.jane() is None


async def test_the_same_question_is_asked_once_at_a_time_and_many_share_few_connections(bench: Bench) -> None:
    server = await bench.server()
    bench.settings = replace(bench.settings, connections=2)
    await bench.use(server.url)
    found = await asyncio.gather(*(bench.jane() for _ in range(50)))
    assert all(found)
    assert (server.searches, server.connections) == (1, 1)
    addresses = [Address.parse(f"x{number}@corp.test") for number in range(200)]
    await asyncio.gather(*(bench.directory.find(address, "routes") for address in addresses))
    assert server.searches == 201
    assert server.connections == 2


async def test_too_many_questions_at_once_fail_for_now(bench: Bench) -> None:
    server = await bench.server()
    bench.settings = replace(bench.settings, max_asked=20)
    await bench.use(server.url)
    addresses = [Address.parse(f"x{number}@corp.test") for number in range(30)]
    asked = await asyncio.gather(*(bench.directory.find(each, "routes") for each in addresses), return_exceptions=True)
    assert sum(isinstance(each, Temporary) for each in asked) == 10


async def test_who_goes_away_leaves_the_question_to_others(bench: Bench) -> None:
    server = await bench.server()
    await bench.use(server.url)
    tasks = [asyncio.create_task(bench.jane()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert await tasks[1] and await tasks[2]
    assert server.searches == 1


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        (lambda number: b"HTTP/1.1 400 Bad Request\r\n\r\n", "LDAP"),
        (lambda number: b"\x30\x84\x7f\xff\xff\xff", "too large"),
        (lambda number: b"\x30\x88" + b"\xff" * 8, "length"),
        (lambda number: b"\x30\x80" + b"\x00" * 40, "length"),
        (lambda number: message(number, entry(b"cn=jane", JANES)) * 50, "more entries than were asked for"),
        (lambda number: message(number, ber.element(0x73, ber.octets(b"ldap://x"))) * 5_000, "no end of references"),
        (lambda number: message(number, ber.element(0x64, b"\x04\x7f")), "ends after its parent"),
        (lambda number: message(0, result(0x78, 80, "bye\r\n\x1b[31m")), "ends the connection: other: bye"),
        (lambda number: message(number, result(0x65, 50, "no rights")), "insufficientAccessRights: no rights"),
        (lambda number: message(number, result(0x65, 10, "elsewhere")), "referral: elsewhere"),
        (lambda number: message(number, result(0x65, 32)), "is not there"),
    ],
)
async def test_a_server_that_lies_is_a_temporary_trouble_and_no_more(
    bench: Bench, lie: Callable[[int], bytes], told: str
) -> None:
    server = await bench.server()
    server.instead = lambda tag, number: lie(number) if tag == SEARCH else None
    await bench.use(server.url)
    cause = await bench.trouble()
    assert told in cause
    assert cause.isprintable()


async def test_an_answer_to_somebody_elses_question_is_not_taken(bench: Bench) -> None:
    server = await bench.server()
    server.instead = lambda tag, number: (
        message(number + 7, entry(b"cn=evil", JANES)) + message(number, result(0x65)) if tag == SEARCH else None
    )
    await bench.use(server.url)
    assert await bench.jane() is None


async def test_references_to_elsewhere_are_passed_over(bench: Bench) -> None:
    server = await bench.server()
    reference = ber.element(0x73, ber.octets(b"ldap://forest.corp.test/dc=other"))
    server.instead = lambda tag, number: (
        message(number, reference) + message(number, entry(b"cn=jane", JANES)) + message(number, result(0x65))
        if tag == SEARCH
        else None
    )
    await bench.use(server.url)
    assert (found := await bench.jane()) is not None
    assert found.host == "mx1.corp.test"


async def test_a_refused_login_is_told_without_the_password(bench: Bench) -> None:
    server = await bench.server()
    server.instead = lambda tag, number: message(number, result(0x61, 49)) if tag == BIND else None
    await bench.use(server.url, bind_dn="cn=us", password=SECRET)
    assert "login as cn=us: invalidCredentials" in await bench.trouble()
    assert server.searches == 0, "nothing is asked as nobody instead"
    assert SECRET not in repr(bench.book.servers())


@pytest.mark.parametrize("how", ["refused", "clear text behind it", "no certificate for it", "not trusted"])
async def test_the_password_is_not_said_where_tls_does_not_begin_as_it_should(bench: Bench, how: str) -> None:
    """Somebody in between who strips StartTLS, slips answers in before it (CVE-2011-0411's kind), or has a certificate of their
    own."""
    server = await bench.server()
    if how == "refused":
        server.instead = lambda tag, number: message(number, result(0x78, 2)) if tag == EXTENDED else None
    elif how == "clear text behind it":
        server.instead = lambda tag, number: (
            message(number, result(0x78)) + message(number + 1, result(0x61)) if tag == EXTENDED else None
        )
    verify = how != "no certificate for it"
    await bench.use(server.url, bind_dn="cn=us", password=SECRET, tls="starttls", verify=verify)
    if how == "not trusted":
        secure = await bench.server(context=server_context())
        await bench.use(secure.url.replace("ldap:", "ldaps:"), bind_dn="cn=us", password=SECRET)
        assert "certificate verify failed" in (await bench.trouble()).lower()
    else:
        if how == "no certificate for it":
            server.instead = lambda tag, number: message(number, result(0x78)) + b"\x15" if tag == EXTENDED else None
        assert "StartTLS" in await bench.trouble()
    assert BIND not in server.heard
    assert SECRET.encode() not in server.octets


async def test_a_certificate_that_cannot_be_checked_is_taken_only_where_that_is_set(bench: Bench) -> None:
    server = await bench.server(context=server_context())
    url = server.url.replace("ldap:", "ldaps:")
    await bench.use(url, verify=False)
    assert await bench.jane()
    await bench.use(url, ca_file="/nowhere/ca.pem")
    assert "/nowhere/ca.pem" in await bench.trouble()


async def test_active_directory_gives_long_groups_in_pieces(bench: Bench) -> None:
    """``member;range=0-1499`` (Microsoft, [MS-ADTS] 3.1.1.3.1.3.3): 3,100 members, each with its own entry."""
    server, pieces = await bench.server(), itertools.count()

    def search(base: bytes, encoded: bytes, names: list[str]) -> Sequence[tuple[bytes, Attributes]]:
        if base.startswith(b"cn=m"):
            return [(base, {"mail": [base[3:] + b"@corp.test"], "proxyAddresses": [b"SMTP:" + base[3:] + b"@corp.test"]})]
        if "member" in names or any(";range=" in name for name in names):
            next(pieces)
            start = next((int(name.partition("=")[2].partition("-")[0]) for name in names if ";range=" in name), 0)
            last = "*" if start >= 3_000 else str(start + 1_499)
            members = [b"cn=m%d" % number for number in range(start, min(start + 1_500, 3_100))]
            return [(base, {"member": [], f"member;range={start}-{last}": members})]
        return [(b"cn=all", {"objectClass": [b"top", b"group"], "mail": [b"all@corp.test"]})]

    server.search = search
    await bench.use(server.url, preset="active-directory")
    group = await bench.directory.find(Address.parse("all@corp.test"), "groups")
    assert group is not None and group.is_group
    members = await bench.directory.members(group)
    assert (len(members), next(pieces)) == (3_100, 3)
    assert str(members[-1]) == "m3099@corp.test"
    bench.settings = replace(bench.settings, max_members=3_000)
    await bench.use(server.url, preset="active-directory", host_suffix="corp.test")
    with pytest.raises(Temporary, match="more than 3000 members"):
        await bench.directory.members(group)


async def test_a_client_context_trusts_nobody_by_default() -> None:
    from posthouse.backends.ldap.pool import make_context

    context = await asyncio.to_thread(make_context, LdapServer("x", (), "dc=x"))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
