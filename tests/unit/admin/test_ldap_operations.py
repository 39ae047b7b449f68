"""``ldapserver``: what may be said of an outside directory, who may say it, and what is never shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posthouse.admin import registry
from posthouse.admin.arguments import UsageError
from posthouse.admin.check import Checked
from posthouse.admin.context import Context, NotAllowed
from posthouse.admin.ldapdesk import LdapDesk
from posthouse.backends.memory.outside_directory import MemoryOutsideDirectory
from posthouse.base.errors import AlreadyExists, BadValue, NotFound, Permanent
from posthouse.directory.outside import Outside
from posthouse.model.account import Role
from posthouse.model.address import Address
from posthouse.model.outside import LdapServer, OutsideEntry
from support.operations import make_context

ADD = ("ldapserver", "add", "Corp", "ldaps://a.test,ldap://b.test:1389", "dc=corp,dc=test")


@pytest.fixture
def outside() -> MemoryOutsideDirectory:
    return MemoryOutsideDirectory()


@pytest.fixture
def context(outside: MemoryOutsideDirectory) -> Context:
    desk = LdapDesk(outside.book, outside.book, outside, Outside(outside))
    return replace(make_context(), ldap=desk)


async def run(context: Context, *words: str) -> object:
    return (await registry.run(context, words)).result


async def states(context: Context) -> list[tuple[str, str]]:
    found = await run(context, "check", "directory")
    assert isinstance(found, Checked)
    return [(each.state, each.subject) for each in found.findings]


def only(outside: MemoryOutsideDirectory) -> LdapServer:
    [server] = outside.book.servers()
    return server


async def test_a_directory_is_added_changed_listed_and_deleted(context: Context, outside: MemoryOutsideDirectory) -> None:
    await run(context, *ADD, "domains=Corp.Test,other.test", "--password=s3cret", "bind_dn=cn=us", "preset=active-directory")
    server = only(outside)
    assert (server.name, server.urls) == ("corp", ("ldaps://a.test", "ldap://b.test:1389"))
    assert (server.bind_dn, server.password) == ("cn=us", "s3cret")
    assert (server.domains, server.uses) == (("corp.test", "other.test"), ("recipients", "routes", "groups"))
    assert server.names.host == ("msExchHomeServerName", "homeMDB")
    await run(context, "ldapserver", "set", "CORP", "host=a,b", "Bind-DN=cn=other", "uses=Masquerade", "verify=off", "domains=")
    server = only(outside)
    assert (server.names.host, server.bind_dn, server.uses, server.verify) == (("a", "b"), "cn=other", ("masquerade",), False)
    assert server.domains == ()
    await run(context, "ldapserver", "set", "corp", "host=")
    assert only(outside).names.host == ("msExchHomeServerName", "homeMDB")
    with pytest.raises(AlreadyExists):
        await run(context, *ADD)
    await run(context, "ldapserver", "delete", "Corp")
    assert outside.book.servers() == ()
    for words in (("delete", "corp"), ("show", "corp"), ("set", "corp", "base=dc=x"), ("test", "corp")):
        with pytest.raises(NotFound):
            await run(context, "ldapserver", *words)


async def test_the_password_is_never_shown(context: Context, outside: MemoryOutsideDirectory) -> None:
    await run(context, *ADD, "bind_dn=cn=us", "--password=s3cret")
    await run(context, "ldapserver", "password", "corp", "--password=newer s3cret")
    assert only(outside).password == "newer s3cret"
    shown = [await run(context, "ldapserver", *words) for words in (("show", "corp"), ("list",), ("test", "corp"))]
    audit = await context.configuration.audited(limit=10)
    assert "s3cret" not in f"{shown} {audit} {only(outside)!r}"
    assert "password='***'" in str(shown[0])
    for words in (
        ("add", "b", "ldap://b.test", "dc=b", "bind_dn=cn=us", "password=s3cret"),
        ("set", "corp", "password=s3cret"),
    ):
        with pytest.raises(UsageError):
            await run(context, "ldapserver", *words)
    assert "s3cret" not in str(await context.configuration.audited(limit=10)), "not even where it does not belong"


@pytest.mark.parametrize(
    "term",
    ["uses=everything", "uses=", "preset=exchange", "tls=yes", "verify=maybe", "scope=all", "filter=(mail=%s",
     "filter=(mail=%x)",
     "domain_filter=(", "urls=http://x", "urls=ldap://", "urls=ldap://u:p@x", "urls=ldap://x:0", "urls=", "urls=ldap://x/dc=y",
     "domains=a b..c", "base=", "base=corp", "host_suffix=a..b", "nothing=x", "plain", "base=dc=x\u202ey"],
)  # fmt: skip
async def test_what_cannot_be_is_refused_and_changes_nothing(
    context: Context, outside: MemoryOutsideDirectory, term: str
) -> None:
    await run(context, *ADD)
    before = only(outside)
    with pytest.raises((BadValue, UsageError)):
        await run(context, "ldapserver", "set", "corp", "scope=one", term)
    assert only(outside) == before


async def test_a_password_goes_with_a_login(context: Context, outside: MemoryOutsideDirectory) -> None:
    """With an empty name it would be a login as nobody, which servers take for a good one (RFC 4513 §5.1.2)."""
    with pytest.raises(BadValue):
        await run(context, *ADD, "--password=s3cret")
    await run(context, *ADD)
    with pytest.raises(BadValue):
        await run(context, "ldapserver", "password", "corp", "--password=x")


async def test_only_administrators_change_and_only_readers_see(context: Context) -> None:
    await run(context, *ADD)
    assert await run(context.asked_by("r@example.test", "reader", "api"), "ldapserver", "list")
    forbidden: list[tuple[Role, tuple[str, ...]]] = [
        ("reader", ("set", "corp", "scope=one")), ("reader", ("lookup", "a@b.test")), ("help-desk", ("delete", "corp")),
        ("domain-administrator", ("list",)), ("user", ("show", "corp")), ("reader", ("test", "corp")),
    ]  # fmt: skip
    for role, words in forbidden:
        with pytest.raises(NotAllowed):
            await run(context.asked_by("x@example.test", role, "api"), "ldapserver", *words)


async def test_a_lookup_shows_what_is_found_and_what_is_in_the_way(context: Context, outside: MemoryOutsideDirectory) -> None:
    await run(context, *ADD, "uses=recipients,routes,groups,masquerade")
    jane, team = Address.parse("jane@corp.test"), Address.parse("team@corp.test")
    outside.add(OutsideEntry("corp", "cn=jane", jane, host="mx1.corp.test"), "jane@corp.test", "j@corp.test")
    outside.add(OutsideEntry("corp", "cn=team", team, is_group=True), "team@corp.test", members=[jane])
    shown = str(await run(context, "ldapserver", "lookup", "j@corp.test"))
    assert "leads_to=('j@corp.test by mx1.corp.test',)" in shown
    assert "purpose='masquerade', server='corp', dn='cn=jane', address='jane@corp.test', leads_to=('jane@corp.test',)" in shown
    assert "leads_to=('jane@corp.test',)" in str(await run(context, "ldapserver", "lookup", "team@corp.test"))
    outside.down.add("corp")
    assert "LDAP server corp: down" in str(await run(context, "ldapserver", "lookup", "j@corp.test"))


async def test_without_a_node_there_are_none() -> None:
    with pytest.raises(Permanent):
        await run(make_context(), "ldapserver", "list")


async def test_the_check_says_which_server_does_not_answer(context: Context, outside: MemoryOutsideDirectory) -> None:
    await run(context, *ADD, "bind_dn=cn=us", "--password=x")
    assert [state for state, _ in await states(context)] == ["ok", "ok"]
    await run(context, "ldapserver", "set", "corp", "tls=off")
    assert await states(context) == [
        ("ok", "corp at ldaps://a.test"), ("ok", "corp at ldap://b.test:1389"), ("warning", "corp at ldap://b.test:1389"),
    ]  # fmt: skip
    outside.down.add("corp")
    assert [state for state, _ in await states(context)] == ["wrong", "wrong", "warning"]
