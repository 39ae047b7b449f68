"""What interfaces/directory.py promises, held against every backend, and what only the file-backed one can show."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.sqlite.database import open_writer
from posthouse.backends.sqlite.directory import SqliteDirectory
from posthouse.backends.sqlite.directory_schema import MIGRATIONS
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter, open_directory_file
from posthouse.base.errors import AlreadyExists, BadValue, NotFound, Permanent, Temporary
from posthouse.interfaces.directory import Directory, DirectoryWriter
from posthouse.model.account import Account, Forward, Leaving, Role
from posthouse.model.address import Address

JANE = Address("jane", "example.com")
BOB = Address("bob", "example.com")


@dataclass(frozen=True)
class Pair:
    """Both sides of one backend."""

    read: Directory
    write: DirectoryWriter

    async def account(self, text: str, role: Role = "user") -> Account:
        return await self.write.add_account(Address.parse(text), full_name="", role=role, secret="s", scram="")


@pytest.fixture(params=["memory", "sqlite"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    if request.param == "memory":
        memory = MemoryDirectory()
        yield Pair(memory, memory)
        return
    database = open_directory_file(tmp_path / "directory.db")
    reader = SqliteDirectory(tmp_path / "directory.db")
    yield Pair(reader, SqliteDirectoryWriter(database))
    reader.close()
    database.close()


async def test_an_added_domain_is_local_and_its_name_is_normalised(directory: Pair) -> None:
    domain = await directory.write.add_domain("EXAMPLE.com.")
    assert domain.name == "example.com"
    assert domain.catch_all == ""
    assert domain.enabled
    assert await directory.read.domain("example.com") == domain
    assert await directory.read.domain("example.org") is None


@pytest.mark.parametrize("name", ["", "-bad.example", "two words", "[192.0.2.1]", "a..b", "x" * 64 + ".example"])
async def test_a_name_that_cannot_be_a_domain_is_refused(directory: Pair, name: str) -> None:
    with pytest.raises(BadValue):
        await directory.write.add_domain(name)
    assert await directory.read.domains() == []


async def test_international_domains_are_kept_in_a_label_form(directory: Pair) -> None:
    await directory.write.add_domain("bücher.example")
    assert await directory.read.domain("xn--bcher-kva.example") is not None


async def test_a_domain_cannot_be_added_twice(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    with pytest.raises(AlreadyExists):
        await directory.write.add_domain("Example.COM")


async def test_a_disabled_domain_is_not_local_but_is_listed(directory: Pair) -> None:
    await directory.write.add_domain("b.example")
    await directory.write.add_domain("a.example")
    changed = await directory.write.change_domain("b.example", enabled=False)
    assert not changed.enabled
    assert await directory.read.domain("b.example") is None
    assert [(entry.name, entry.enabled) for entry in await directory.read.domains()] == [
        ("a.example", True),
        ("b.example", False),
    ]
    await directory.write.change_domain("b.example", enabled=True)
    assert await directory.read.domain("b.example") is not None


async def test_catch_all_is_set_kept_by_other_changes_and_cleared(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    assert (await directory.write.change_domain("example.com", catch_all="Jane@EXAMPLE.com")).catch_all == "Jane@example.com"
    assert (await directory.write.change_domain("example.com", enabled=True)).catch_all == "Jane@example.com"
    with pytest.raises(BadValue):
        await directory.write.change_domain("example.com", catch_all="no address")
    found = await directory.read.domain("example.com")
    assert found is not None
    assert found.catch_all == "Jane@example.com"
    assert (await directory.write.change_domain("example.com", catch_all="")).catch_all == ""


async def test_changing_or_deleting_an_unknown_domain_is_not_found(directory: Pair) -> None:
    with pytest.raises(NotFound):
        await directory.write.change_domain("example.com", enabled=False)
    with pytest.raises(NotFound):
        await directory.write.delete_domain("example.com")


async def test_a_domain_goes_only_when_it_is_empty(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    await directory.account("jane@example.com")
    await directory.write.put_alias(BOB, [JANE])
    with pytest.raises(Permanent):
        await directory.write.delete_domain("example.com")
    await directory.write.delete_account(JANE)
    with pytest.raises(Permanent):
        await directory.write.delete_domain("example.com")
    await directory.write.delete_alias(BOB)
    await directory.write.delete_domain("example.com")
    assert await directory.read.domain("example.com") is None


async def test_an_account_is_found_by_address_in_any_case_and_by_number(directory: Pair) -> None:
    domain = await directory.write.add_domain("example.com")
    made = await directory.write.add_account(
        Address("Jane.Doe", "example.com"), full_name="Jane Doe", role="administrator", secret="$x", scram="a$b"
    )
    expected = Account(made.account_id, domain.domain_id, made.address, "Jane Doe", "administrator", True, "$x", "a$b")
    assert made == expected
    assert made.address.local == "Jane.Doe"
    assert await directory.read.account(Address("jane.DOE", "example.com")) == made
    assert await directory.read.account_by_id(made.account_id) == made
    assert await directory.read.account(JANE) is None
    assert await directory.read.account_by_id(made.account_id + 1) is None


async def test_an_account_forwards_until_that_is_taken_back(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    jane = await directory.account("jane@example.com")
    assert jane.forward is None
    far, quoted = Address.parse("Jane@Elsewhere.test"), Address.parse('"odd one"@elsewhere.test')
    wanted = Forward((far, quoted), keep=True)
    changed = await directory.write.put_forward(JANE, Forward((far, quoted, Address.parse("jane@elsewhere.test")), keep=True))
    assert changed.forward == wanted
    assert (await directory.read.account(JANE)) == changed
    assert (await directory.write.change_account(JANE, full_name="Jane")).forward == wanted
    assert (await directory.write.put_forward(JANE, Forward((BOB,)))).forward == Forward((BOB,), keep=False)
    for wrong in (Forward(()), Forward((far, Address.parse("JANE@example.com")))):
        with pytest.raises(BadValue):
            await directory.write.put_forward(JANE, wrong)
    with pytest.raises(NotFound):
        await directory.write.put_forward(BOB, wanted)
    assert (await directory.write.put_forward(JANE, None)).forward is None
    found = await directory.read.account(JANE)
    assert found is not None and found.forward is None


async def test_an_account_needs_its_domain(directory: Pair) -> None:
    with pytest.raises(NotFound):
        await directory.account("jane@example.com")


async def test_accounts_and_aliases_share_one_name_space(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    await directory.account("jane@example.com")
    with pytest.raises(AlreadyExists):
        await directory.account("JANE@example.com")
    with pytest.raises(AlreadyExists):
        await directory.write.put_alias(JANE, [BOB])
    await directory.write.put_alias(BOB, [JANE])
    with pytest.raises(AlreadyExists):
        await directory.account("bob@example.com")


async def test_only_what_is_named_changes_in_an_account(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    await directory.account("jane@example.com")
    changed = await directory.write.change_account(JANE, full_name="J", enabled=False)
    assert (changed.full_name, changed.enabled, changed.secret, changed.role) == ("J", False, "s", "user")
    changed = await directory.write.change_account(JANE, role="reader", secret="", scram="new", enabled=True)
    assert (changed.full_name, changed.enabled, changed.secret, changed.role, changed.scram) == ("J", True, "", "reader", "new")
    assert await directory.read.account(JANE) == changed
    with pytest.raises(NotFound):
        await directory.write.change_account(BOB, full_name="B")


async def test_every_reader_sees_a_change_at_its_next_look_up(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    assert await directory.read.account(JANE) is None
    account = await directory.account("jane@example.com")
    for number in range(20):
        changed = await directory.write.change_account(JANE, full_name=str(number))
        assert await directory.read.account(JANE) == changed
        assert await directory.read.account_by_id(account.account_id) == changed
    await directory.write.delete_account(JANE)
    assert await directory.read.account(JANE) is None
    assert await directory.read.account_by_id(account.account_id) is None


async def test_numbers_of_deleted_accounts_are_never_used_again(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    used = set()
    for _ in range(5):
        made = await directory.account("jane@example.com")
        assert made.account_id not in used
        used.add(made.account_id)
        assert await directory.write.delete_account(JANE) == made
    with pytest.raises(NotFound):
        await directory.write.delete_account(JANE)


async def test_what_was_deleted_is_remembered_until_the_mail_store_knows(directory: Pair) -> None:
    domain = await directory.write.add_domain("example.com")
    made = await directory.account("jane@example.com")
    await directory.write.put_alias(BOB, [JANE])
    await directory.write.put_alias(BOB, [JANE, Address.parse("far@faraway.test")])
    assert list(await directory.write.leaving()) == []
    await directory.write.delete_account(JANE)
    await directory.write.delete_alias(BOB)
    await directory.write.delete_domain("example.com")
    expected = [
        Leaving(made.account_id, JANE.key),
        Leaving(0, f"group:{BOB.key}"),
        Leaving(-domain.domain_id, "domain:example.com"),
    ]
    assert list(await directory.write.leaving()) == expected
    await directory.write.left(expected[1])
    await directory.write.left(expected[1])
    assert list(await directory.write.leaving()) == [expected[0], expected[2]]


async def test_an_alias_keeps_its_targets_in_order_each_once(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    elsewhere = Address("x", "elsewhere.example")
    made = await directory.write.put_alias(Address("Sales", "example.com"), [elsewhere, JANE, Address("X", elsewhere.domain)])
    assert made.targets == (elsewhere, JANE)
    assert await directory.read.alias(Address("sales", "example.com")) == made
    assert await directory.read.alias(JANE) is None


async def test_putting_an_alias_again_replaces_it(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    await directory.write.put_alias(BOB, [JANE, Address("x", "y.example")])
    await directory.write.put_alias(BOB, [Address("z", "y.example")])
    found = await directory.read.alias(BOB)
    assert found is not None
    assert found.targets == (Address("z", "y.example"),)
    await directory.write.delete_alias(BOB)
    assert await directory.read.alias(BOB) is None
    with pytest.raises(NotFound):
        await directory.write.delete_alias(BOB)


async def test_owners_of_an_alias_are_accounts_and_stay_until_they_or_the_alias_go(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    for text in ("Zoe@example.com", "jane@example.com"):
        await directory.account(text)
    zoe, sales, other = Address("zoe", "example.com"), Address("sales", "example.com"), Address("other", "example.com")
    for alias in (sales, other):
        assert (await directory.write.put_alias(alias, [BOB])).owners == ()
    made = await directory.write.add_owners(sales, [zoe, JANE, zoe])
    assert [str(owner) for owner in made.owners] == ["jane@example.com", "Zoe@example.com"]
    assert await directory.write.add_owners(sales, [zoe]) == made == await directory.read.alias(sales)
    await directory.write.add_owners(other, [zoe])
    assert (list(await directory.read.owned(zoe)), list(await directory.read.owned(BOB))) == ([other, sales], [])
    assert await directory.read.aliases(pattern="sales@*") == [made]
    assert list(await directory.read.memberships(zoe)) == [], "an owner is no member"
    again = await directory.write.put_alias(Address("Sales", "example.com"), [JANE])
    assert (str(again.address), again.targets, again.owners) == ("Sales@example.com", (JANE,), made.owners)
    await directory.write.delete_account(zoe)
    await directory.account("zoe@example.com")
    assert list(await directory.read.owned(zoe)) == [], "who gets the address later owns nothing"
    assert list(await directory.read.owned(JANE)) == [again.address]
    assert (await directory.write.remove_owners(sales, [JANE])).owners == ()
    await directory.write.add_owners(sales, [JANE])
    await directory.write.delete_alias(sales)
    assert list(await directory.read.owned(JANE)) == []
    assert (await directory.write.put_alias(sales, [BOB])).owners == (), "nor does an alias of the same name have owners"


async def test_only_accounts_own_only_aliases_and_a_change_happens_wholly_or_not_at_all(directory: Pair) -> None:
    await directory.write.add_domain("example.com")
    await directory.account("jane@example.com")
    sales = Address("sales", "example.com")
    await directory.write.put_alias(sales, [BOB])
    for alias, owner in ((BOB, JANE), (JANE, JANE), (sales, BOB), (sales, sales), (sales, Address("x", "far.example"))):
        with pytest.raises(NotFound):
            await directory.write.add_owners(alias, [JANE, owner])
        with pytest.raises(NotFound):
            await directory.write.remove_owners(alias, [owner])
    assert list(await directory.read.owned(JANE)) == []
    await directory.write.add_owners(sales, [JANE])
    with pytest.raises(NotFound):
        await directory.write.remove_owners(sales, [JANE, BOB])
    assert list(await directory.read.owned(JANE)) == [sales]


async def test_a_file_from_before_owners_is_taken_over_with_its_aliases(tmp_path: Path) -> None:
    path = tmp_path / "directory.db"
    before = open_writer(path, MIGRATIONS[:4])
    before.execute("INSERT INTO domain (name, catch_all, enabled) VALUES ('example.com', '', 1)")
    before.execute("INSERT INTO alias (domain_id, key, local) VALUES (1, 'sales@example.com', 'sales')")
    before.execute("INSERT INTO alias_target VALUES (1, 0, 'bob', 'example.com', 'bob@example.com')")
    before.close()
    database, reader = open_directory_file(path), SqliteDirectory(path)
    writer = SqliteDirectoryWriter(database)
    await writer.add_account(JANE, full_name="", role="user", secret="s", scram="")
    made = await writer.add_owners(Address("sales", "example.com"), [JANE])
    assert (made.targets, made.owners) == ((BOB,), (JANE,))
    assert await reader.alias(made.address) == made
    reader.close()
    database.close()


async def test_an_alias_needs_its_domain_and_a_target(directory: Pair) -> None:
    with pytest.raises(NotFound):
        await directory.write.put_alias(BOB, [JANE])
    await directory.write.add_domain("example.com")
    with pytest.raises(BadValue):
        await directory.write.put_alias(BOB, [])


async def test_accounts_are_listed_by_pattern_domain_role_and_page(directory: Pair) -> None:
    for name in ("a.example", "b.example"):
        await directory.write.add_domain(name)
    for text in ("zoe@a.example", "Amy@a.example", "a_b@a.example", "axb@a.example", "a%c@b.example", "root@b.example"):
        await directory.account(text, "administrator" if text.startswith("root") else "user")

    async def listed(**conditions: object) -> list[str]:
        return [str(account.address) for account in await directory.read.accounts(**conditions)]  # type: ignore[arg-type]

    everyone = ["a%c@b.example", "a_b@a.example", "Amy@a.example", "axb@a.example", "root@b.example", "zoe@a.example"]
    assert await listed() == everyone
    assert await listed(domain="b.example") == ["a%c@b.example", "root@b.example"]
    assert await listed(domain="c.example") == []
    assert await listed(pattern="AMY@*") == ["Amy@a.example"]
    assert await listed(pattern="amy@a.example") == ["Amy@a.example"]
    assert await listed(pattern="a_b@*") == ["a_b@a.example"]
    assert await listed(pattern="a?b@*") == ["a_b@a.example", "axb@a.example"]
    assert await listed(pattern="a%*") == ["a%c@b.example"]
    assert await listed(pattern="[a]*") == []
    assert await listed(pattern="a\\*") == []
    assert await listed(pattern="") == []
    assert await listed(role="administrator") == ["root@b.example"]
    assert await listed(limit=2) == everyone[:2]
    assert await listed(limit=2, after="A_b@a.example") == everyone[2:4]
    assert await listed(limit=2, after="root@b.example") == everyone[5:]
    assert await listed(limit=-1) == []


async def test_aliases_are_listed_by_pattern_and_domain(directory: Pair) -> None:
    for name in ("a.example", "b.example"):
        await directory.write.add_domain(name)
    for text in ("two@a.example", "one@a.example", "one@b.example"):
        await directory.write.put_alias(Address.parse(text), [JANE])

    def names(found: object) -> list[str]:
        return [str(alias.address) for alias in found]  # type: ignore[attr-defined]

    assert names(await directory.read.aliases()) == ["one@a.example", "one@b.example", "two@a.example"]
    assert names(await directory.read.aliases(domain="a.example")) == ["one@a.example", "two@a.example"]
    assert names(await directory.read.aliases(pattern="one@*", limit=1)) == ["one@a.example"]
    assert all(alias.targets == (JANE,) for alias in await directory.read.aliases())


@pytest.mark.parametrize("local", ["x\udcffy", "' OR 1=1 --", "a\x00b", "*", "%"])
async def test_strange_local_parts_find_nothing_and_break_nothing(directory: Pair, local: str) -> None:
    await directory.write.add_domain("example.com")
    await directory.account("jane@example.com")
    assert await directory.read.account(Address(local, "example.com")) is None
    assert await directory.read.alias(Address(local, "example.com")) is None
    assert await directory.read.domain(local) is None


async def test_a_reader_without_a_file_defers_and_finds_it_once_it_is_there(tmp_path: Path) -> None:
    reader = SqliteDirectory(tmp_path / "directory.db")
    with pytest.raises(Temporary):
        await reader.domain("example.com")
    with pytest.raises(Temporary):
        await reader.domains()
    database = open_directory_file(tmp_path / "directory.db")
    await SqliteDirectoryWriter(database).add_domain("example.com")
    assert await reader.domain("example.com") is not None
    assert len(await reader.domains()) == 1
    reader.close()
    database.close()


async def test_the_login_key_is_secret_and_stays_the_same(tmp_path: Path) -> None:
    keys: list[bytes] = []
    for path in (tmp_path / "one.db", tmp_path / "one.db", tmp_path / "two.db"):
        database, reader = open_directory_file(path), SqliteDirectory(path)
        await SqliteDirectoryWriter(database).add_domain(f"d{len(keys)}.example")
        keys.append(await reader.login_key())
        reader.close()
        database.close()
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 32


def _count_in_another_process(path: Path, ready: multiprocessing.synchronize.Event, rounds: int) -> None:
    import asyncio

    async def write() -> None:
        database = open_directory_file(path)
        writer = SqliteDirectoryWriter(database)
        ready.wait()
        for number in range(rounds):
            await writer.change_account(JANE, full_name=str(number))
        database.close()

    asyncio.run(write())


async def test_look_ups_never_go_back_in_time_while_another_process_writes(tmp_path: Path) -> None:
    path, rounds = tmp_path / "directory.db", 200
    database = open_directory_file(path)
    writer = SqliteDirectoryWriter(database)
    await writer.add_domain("example.com")
    await writer.add_account(JANE, full_name="-1", role="user", secret="", scram="")
    database.close()
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_count_in_another_process, args=(path, ready, rounds))
    process.start()
    reader = SqliteDirectory(path)
    seen: list[int] = []
    ready.set()
    while not seen or seen[-1] < rounds - 1:
        account = await reader.account(JANE)
        assert account is not None
        if not seen or int(account.full_name) != seen[-1]:
            seen.append(int(account.full_name))
        assert process.is_alive() or process.exitcode == 0
        await asyncio.sleep(0)  # a turn of the loop sees one state of the file
    process.join()
    reader.close()
    assert seen == sorted(seen)
    assert len(seen) > 1
