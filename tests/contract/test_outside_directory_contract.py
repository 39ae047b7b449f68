"""What every outside directory promises (interfaces/outside_directory.py): LDAP with a real slapd, and the one of tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from posthouse.backends.ldap.directory import LdapDirectory
from posthouse.backends.memory.outside_directory import MemoryLdapServers, MemoryOutsideDirectory
from posthouse.base.clock import SystemClock
from posthouse.base.errors import Temporary
from posthouse.interfaces.outside_directory import OutsideDirectory
from posthouse.model.address import Address
from posthouse.model.outside import LdapServer, OutsideEntry
from posthouse.model.settings import LdapSettings
from support.slapd import BASE, PASSWORD, READER, Slapd, dn, group, person

SERVER = LdapServer(
    "corp",
    (),
    BASE,
    bind_dn=READER,
    password=PASSWORD,
    domains=("corp.test",),
    uses=("recipients", "routes", "groups", "masquerade"),
    attributes={"masquerade": ("mailMask",)},
    domain_filter="(&(objectClass=mailUser)(sn=mask %d))",
)
JANE, OMAR = Address.parse("jane@corp.test"), Address.parse("omar@corp.test")
STAFF, OUTER = dn("staff", "groups"), dn("outer", "groups")
ENTRIES = (
    person("jane", "mail: jane@corp.test", "mailAlternateAddress: j.doe@corp.test", "mailHost: MX1.corp.test",
           "mailMask: boss@example.com")
    + person("omar", "mail: omar@corp.test", "mailRoutingAddress: omar@elsewhere.test", "mail: o.mar@corp.test")
    + person("twin1", "mail: twin@corp.test") + person("twin2", "mail: twin@corp.test")
    + person("nobody") + person("mask branch.corp.test", "mailMask: corp.test")
    + group("staff", "mail: staff@corp.test", "mgrpRFC822MailMember: lena@elsewhere.test",
            "mgrpRFC822MailMember: max@elsewhere.test",
            f"uniqueMember: {dn('jane')}", f"uniqueMember: {dn('gone')}", f"uniqueMember: {dn('nobody')}",
            f"uniqueMember: {OUTER}")
    + group("outer", f"member: {dn('omar')}", f"member: {STAFF}", f"member: {dn('nameless', 'groups')}")
    + group("large", "mail: large@corp.test", *(f"mgrpRFC822MailMember: member{at}@far.test" for at in range(2_000)))
    + group("nameless", f"member: {OUTER}", f"member: {dn('jane')}")
)  # fmt: skip


class Pair:
    """A directory and the way to take it down."""

    def __init__(self, directory: OutsideDirectory, book: MemoryLdapServers, memory: MemoryOutsideDirectory | None) -> None:
        self.directory = directory
        self.book = book
        self._memory = memory

    async def take_down(self) -> None:
        server = self.book.servers()[0]
        if self._memory is not None:
            self._memory.down.add(server.name)
        else:
            await self.book.put_server(replace(server, urls=("ldap://127.0.0.1:1",)))


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with Slapd(tmp_path_factory.mktemp("slapd")) as server:
        server.add(ENTRIES)
        yield server


@pytest.fixture(params=["memory", "ldap", "starttls", "ldaps"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    if request.param == "memory":
        book = MemoryLdapServers([SERVER])
        memory = MemoryOutsideDirectory(book)
        fill(memory)
        yield Pair(memory, book, memory)
        return
    slapd = request.getfixturevalue("slapd")
    server = replace(SERVER, urls=(slapd.ldaps if request.param == "ldaps" else slapd.url,), ca_file=str(slapd.ca_file))
    book = MemoryLdapServers([replace(server, tls="starttls" if request.param == "starttls" else "off")])
    directory = LdapDirectory(book, lambda: LdapSettings(connect_timeout_s=30, search_timeout_s=30), SystemClock())
    yield Pair(directory, book, None)
    directory.close()


def fill(memory: MemoryOutsideDirectory) -> None:
    """The same as in ``ENTRIES``."""
    jane = OutsideEntry("corp", dn("jane"), JANE, host="mx1.corp.test", masquerade="boss@example.com")
    memory.add(jane, "jane@corp.test", "j.doe@corp.test")
    omar = OutsideEntry("corp", dn("omar"), OMAR, routing=Address.parse("omar@elsewhere.test"))
    memory.add(omar, "omar@corp.test", "o.mar@corp.test")
    for name in ("twin1", "twin2"):
        memory.add(OutsideEntry("corp", dn(name), Address.parse("twin@corp.test")), "twin@corp.test")
    memory.add(OutsideEntry("corp", dn("nobody")))
    staff = OutsideEntry("corp", STAFF, Address.parse("staff@corp.test"), is_group=True)
    lena, max_ = Address.parse("lena@elsewhere.test"), Address.parse("max@elsewhere.test")
    memory.add(staff, "staff@corp.test", members=[lena, lena, max_, dn("jane"), dn("gone"), dn("nobody"), OUTER])
    memory.add(OutsideEntry("corp", OUTER, is_group=True), members=[dn("omar"), STAFF, dn("nameless", "groups")])
    memory.add(OutsideEntry("corp", dn("nameless", "groups"), is_group=True), members=[OUTER, dn("jane")])
    memory.masks["corp", "branch.corp.test"] = "corp.test"


async def test_an_address_is_found_by_any_of_its_attributes_in_any_case(pair: Pair) -> None:
    found = await pair.directory.find(JANE, "routes")
    assert found is not None
    assert (found.server, found.dn, found.address, found.host) == ("corp", dn("jane"), JANE, "mx1.corp.test")
    assert (found.routing, found.masquerade, found.is_group) == (None, "boss@example.com", False)
    assert await pair.directory.find(Address.parse("J.DOE@Corp.Test"), "recipients") == found
    omar = await pair.directory.find(Address.parse("o.mar@corp.test"), "routes")
    assert omar is not None and omar.address in (OMAR, Address.parse("o.mar@corp.test"))
    assert (omar.host, omar.routing) == ("", Address.parse("omar@elsewhere.test"))


async def test_an_address_that_is_not_there_is_none(pair: Pair) -> None:
    for text in ("janet@corp.test", "jan@corp.test", "jane@elsewhere.test"):
        assert await pair.directory.find(Address.parse(text), "routes") is None


@pytest.mark.parametrize(
    "attack",
    ['"*"@corp.test', '"j*"@corp.test', '")(objectClass=*"@corp.test', '"*)(mail=jane@corp.test"@corp.test',
     '"jane@corp.test)(|(mail=*"@corp.test', '"\\\\2a"@corp.test', "%s@corp.test",
     '"x)(mail=jane@corp.test))(&(objectClass=*"@corp.test'],
)  # fmt: skip
async def test_an_address_that_is_made_to_change_the_filter_finds_nobody(pair: Pair, attack: str) -> None:
    """LDAP injection (RFC 4515 §3, CWE-90): a stranger's RCPT TO is one value, whatever stands in it."""
    address = Address.parse(attack)
    assert await pair.directory.find(address, "recipients") is None
    assert await pair.directory.find(replace(address, local=address.local.strip('"')), "recipients") is None


async def test_several_entries_of_one_address_are_an_error_not_a_guess(pair: Pair) -> None:
    with pytest.raises(Temporary, match="corp"):
        await pair.directory.find(Address.parse("twin@corp.test"), "routes")


async def test_members_of_a_group_come_once_each_and_loops_end(pair: Pair) -> None:
    """Listed addresses, named entries, a group in it without an address, groups that lead back; who has gone is left out."""
    found = await pair.directory.find(Address.parse("staff@corp.test"), "groups")
    assert found is not None and found.is_group
    keys = [address.key for address in await pair.directory.members(found)]
    assert len(keys) == len(set(keys))
    assert {key.replace("o.mar@", "omar@") for key in keys} == {
        "lena@elsewhere.test", "max@elsewhere.test", "jane@corp.test", "omar@corp.test",
    }  # fmt: skip


async def test_a_domains_mask_is_found_by_its_own_filter(pair: Pair) -> None:
    await pair.book.put_server(replace(pair.book.servers()[0], domains=()))
    assert await pair.directory.domain_mask("branch.corp.test") == "corp.test"
    assert await pair.directory.domain_mask("other.corp.test") == ""


async def test_it_covers_and_owns_what_its_servers_say(pair: Pair) -> None:
    directory = pair.directory
    assert directory.covers("corp.test", "routes")
    assert not directory.covers("else.test", "routes")
    assert directory.owns("corp.test", "routes")
    server = pair.book.servers()[0]
    await pair.book.put_server(replace(server, domains=(), uses=("recipients", "routes")))
    assert directory.covers("else.test", "recipients")
    assert not directory.covers("else.test", "masquerade")
    assert not directory.owns("corp.test", "routes"), "a server for all domains makes none ours"
    await pair.book.delete_server("corp")
    assert not directory.covers("corp.test", "recipients")
    assert await directory.find(JANE, "recipients") is None


async def test_a_dead_directory_is_temporary_and_says_which(pair: Pair) -> None:
    await pair.take_down()
    with pytest.raises(Temporary) as caught:
        await pair.directory.find(JANE, "recipients")
    assert "corp" in caught.value.cause
    assert "corp" not in caught.value.public
    with pytest.raises(Temporary):
        await pair.directory.members(OutsideEntry("corp", STAFF, is_group=True))


async def test_one_directory_that_knows_an_address_is_enough(pair: Pair) -> None:
    server = pair.book.servers()[0]
    dead = replace(server, name="dead", urls=("ldap://127.0.0.1:1",))
    await pair.book.put_server(dead)
    if isinstance(pair.directory, MemoryOutsideDirectory):
        pair.directory.down.add("dead")
    assert await pair.directory.find(JANE, "recipients") is not None
    with pytest.raises(Temporary, match="dead"):
        await pair.directory.find(Address.parse("nobody@corp.test"), "recipients")


async def test_a_large_group_comes_whole(pair: Pair) -> None:
    """2,000 members in one answer of some 100 KiB, also through StartTLS."""
    if isinstance(pair.directory, MemoryOutsideDirectory):
        large = OutsideEntry("corp", dn("large", "groups"), Address.parse("large@corp.test"), is_group=True)
        pair.directory.add(large, "large@corp.test", members=[Address.parse(f"member{at}@far.test") for at in range(2_000)])
    found = await pair.directory.find(Address.parse("large@corp.test"), "groups")
    assert found is not None
    assert len(await pair.directory.members(found)) == 2_000
