"""Who an account is to access control lists, and how identifiers are written (RFC 4314 §2, STO-3)."""

from __future__ import annotations

import pytest

from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.base.clock import ManualClock
from posthouse.base.errors import BadValue, NotFound
from posthouse.directory.identities import KEPT_S, MAX_DEPTH, Identities, kept_identifier, normal_identifier
from posthouse.model.address import Address
from posthouse.model.namespaces import shared_account_id

JANE, OMAR = Address.parse("Jane@example.com"), Address.parse("omar@example.com")


@pytest.fixture
async def directory() -> MemoryDirectory:
    made = MemoryDirectory()
    await made.add_domain("example.com")
    for address in (JANE, OMAR):
        await made.add_account(address, full_name="", role="user", secret="", scram="")
    return made


async def put(directory: MemoryDirectory, alias: str, *targets: str) -> None:
    await directory.put_alias(Address.parse(alias), [Address.parse(target) for target in targets])


async def test_an_account_is_its_address_its_domain_and_anyone(directory: MemoryDirectory) -> None:
    found = await Identities(directory, ManualClock()).of(JANE)
    assert found == {"jane@example.com", "anyone", "authenticated", "domain:example.com"}


async def test_lists_are_found_upwards_through_lists_and_loops_end(directory: MemoryDirectory) -> None:
    await put(directory, "inner@example.com", "jane@example.com", "someone@elsewhere.test")
    await put(directory, "outer@example.com", "inner@example.com")
    await put(directory, "inner2@example.com", "outer@example.com", "inner@example.com")
    await put(directory, "inner@example.com", "JANE@example.com", "inner2@example.com")
    await put(directory, "others@example.com", "omar@example.com")
    found = await Identities(directory, ManualClock()).of(JANE)
    assert {name for name in found if name.startswith("group:")} == {
        "group:inner@example.com", "group:outer@example.com", "group:inner2@example.com",
    }  # fmt: skip


async def test_nesting_is_bounded(directory: MemoryDirectory) -> None:
    await put(directory, "l0@example.com", "jane@example.com")
    for number in range(1, MAX_DEPTH + 10):
        await put(directory, f"l{number}@example.com", f"l{number - 1}@example.com")
    found = await Identities(directory, ManualClock()).of(JANE)
    assert sum(name.startswith("group:") for name in found) == MAX_DEPTH


async def test_membership_is_remembered_for_a_moment_only(directory: MemoryDirectory) -> None:
    clock = ManualClock()
    identities = Identities(directory, clock)
    before = await identities.of(JANE)
    await put(directory, "team@example.com", "jane@example.com")
    assert await identities.of(JANE) == before
    clock.advance(KEPT_S + 0.1)
    assert "group:team@example.com" in await identities.of(JANE)


@pytest.mark.parametrize(
    ("text", "normal"),
    [("omar", "omar@example.com"), ("Omar@Example.com", "omar@example.com"), ("-omar", "-omar@example.com"),
     ("ANYONE", "anyone"), ("-anyone", "-anyone"), ("authenticated", "authenticated"),
     ("domain:Example.COM", "domain:example.com"), ("$team", "group:team@example.com"),
     ("Group:team@example.com", "group:team@example.com"), ("team@example.com", "group:team@example.com"),
     ("-$team@example.com", "-group:team@example.com")],
)  # fmt: skip
async def test_identifiers_have_one_form(directory: MemoryDirectory, text: str, normal: str) -> None:
    await put(directory, "team@example.com", "jane@example.com")
    assert await normal_identifier(directory, text, "example.com") == normal


@pytest.mark.parametrize("text", ["nobody", "$omar", "group:nolist@example.com", "domain:nowhere.test", "x@elsewhere.test"])
async def test_who_does_not_exist_is_refused(directory: MemoryDirectory, text: str) -> None:
    with pytest.raises(NotFound):
        await normal_identifier(directory, text, "example.com")


@pytest.mark.parametrize("text", ["", "-", "a b", "$", "domain:", "domain:a b", "group:", "@example.com"])
async def test_what_is_no_name_is_refused(directory: MemoryDirectory, text: str) -> None:
    with pytest.raises(BadValue):
        await normal_identifier(directory, text, "example.com")


@pytest.mark.parametrize(
    ("text", "kept"),
    [("omar", "omar@example.com"), ("-$Team", "-group:team@example.com"), ("Domain:x.test", "domain:x.test"),
     ("anyone", "anyone"), ("gone@example.org", "gone@example.org")],
)  # fmt: skip
def test_identifiers_are_found_again_when_their_holders_are_gone(text: str, kept: str) -> None:
    assert kept_identifier(text, "example.com") == kept


async def test_whose_tree_a_number_is(directory: MemoryDirectory) -> None:
    identities = Identities(directory, ManualClock())
    account = await directory.account(JANE)
    domain = await directory.domain("example.com")
    assert account is not None
    assert domain is not None
    assert await identities.tree_owner(account.account_id) == account
    assert await identities.tree_owner(shared_account_id(domain.domain_id)) == "example.com"
    assert await identities.tree_owner(-99) is None
    assert await identities.tree_owner(99) is None
