"""What the house answers to scripts: mailboxes, memory, block lists, groups, word lists, included scripts."""

from __future__ import annotations

import pytest

from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.memory.mailstore import MemoryMailStore
from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.backends.memory.scripts import MemoryScripts
from posthouse.base.clock import ManualClock
from posthouse.content.sieve import facts as ask
from posthouse.content.sieve.lookups import HouseLookups, Sources
from posthouse.content.wordlists import WordList
from posthouse.model.address import Address
from posthouse.model.script import SYSTEM, Memory, ScriptOwner

USER = ScriptOwner("user", 7)
DOMAIN = ScriptOwner("domain", 3)
RECORDS = {
    ("9.2.0.192.zen.test", "A"): ("127.0.0.2", "127.0.0.10"),
    ("9.2.0.192.parked.test", "A"): ("203.0.113.5",),
    ("bad.example.dbl.test", "A"): ("127.0.1.2",),
    ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.test", "A"): ("127.0.0.3",),
}


async def in_book(account_id: int, address: str, book: str) -> bool:
    return (account_id, address, book) == (7, "lena@elsewhere.test", "")


async def sources(resolver: MemoryResolver | None = None) -> Sources:
    clock, scripts, directory = ManualClock(), MemoryScripts(), MemoryDirectory()
    await directory.add_domain("example.test")
    await directory.put_alias(Address.parse("staff@example.test"), [Address.parse("Lena@Elsewhere.test")])
    await scripts.put_script(USER, "mine", "keep;", 1.0)
    await scripts.put_script(DOMAIN, "ours", "discard;", 1.0)
    await scripts.put_word_list("house", "7 blue folder")
    await scripts.remember(7, [Memory("vacation", "k", clock.now() + 10)])
    store = MemoryMailStore(clock=clock)
    await store.create(7, "News/Sub")
    return Sources(scripts, store, directory, clock, resolver or MemoryResolver(RECORDS), in_book)


CASES: list[tuple[ask.Question, object]] = [
    (ask.MailboxExists("news/sub"), False),
    (ask.MailboxExists("News/Sub"), True),
    (ask.MailboxExists("inbox"), True),
    (ask.MailboxExists("bad//name"), False),
    (ask.MailboxExists("Nowhere"), False),
    (ask.SpecialUseExists("", "\\junk"), True),
    (ask.SpecialUseExists("Junk Mail", "\\Junk"), True),
    (ask.SpecialUseExists("News", "\\Junk"), False),
    (ask.MailboxIdExists("none"), False),
    (ask.Remembered("vacation", "k"), True),
    (ask.Remembered("duplicate", "k"), False),
    (ask.Listed("zen.test", "192.0.2.9"), ("127.0.0.2", "127.0.0.10")),
    (ask.Listed("zen.test", "2001:db8::1"), ("127.0.0.3",)),
    (ask.Listed("dbl.test", "bad.example"), ("127.0.1.2",)),
    (ask.Listed("parked.test", "192.0.2.9"), ()),
    (ask.Listed("other.test", "192.0.2.9"), ()),
    (ask.InGroup("lena@elsewhere.test", "staff@example.test"), True),
    (ask.InGroup("omar@elsewhere.test", "staff@example.test"), False),
    (ask.InGroup("lena@elsewhere.test", "no address"), False),
    (ask.InAddressBook("lena@elsewhere.test", ""), True),
    (ask.InAddressBook("omar@elsewhere.test", ""), False),
    (ask.IncludedScript("personal", "mine"), "keep;"),
    (ask.IncludedScript("global", "ours"), "discard;"),
    (ask.IncludedScript("global", "mine"), None),
    (ask.WordListNamed("none"), None),
]


@pytest.mark.parametrize(("question", "answer"), CASES, ids=[str(question)[:60] for question, _ in CASES])
async def test_a_users_script_is_answered(question: ask.Question, answer: object) -> None:
    assert await HouseLookups(await sources(), USER, DOMAIN).answer(question) == answer


async def test_members_of_member_lists_are_in_the_group_and_loops_end() -> None:
    given = await sources()
    for group, member in (("all", "staff"), ("staff", "all"), ("outer", "all")):
        await given.directory.put_alias(  # type: ignore[attr-defined]
            Address.parse(f"{group}@example.test"),
            [Address.parse(f"{member}@example.test"), Address.parse(f"{group}-me@x.test")],
        )
    lookups = HouseLookups(given, SYSTEM, SYSTEM)
    for group in ("outer", "all", "staff", "Outer"):
        assert await lookups.answer(ask.InGroup("all-me@x.test", f"{group}@example.test")) is True
    assert await lookups.answer(ask.InGroup("outer-me@x.test", "all@example.test")) is False


async def test_the_directory_is_everybodys_address_book_of_their_own_domain() -> None:
    given = await sources()
    here = await given.directory.domain("example.test")
    assert here is not None
    await given.directory.add_domain("other.test")  # type: ignore[attr-defined]
    await given.directory.put_alias(Address.parse("lena@other.test"), [Address.parse("x@y.test")])  # type: ignore[attr-defined]
    own, system = ScriptOwner("domain", here.domain_id), HouseLookups(given, SYSTEM, SYSTEM)
    for lookups in (HouseLookups(given, USER, own), HouseLookups(given, own, SYSTEM)):
        assert await lookups.answer(ask.InAddressBook("staff@example.test", "directory")) is True
        assert await lookups.answer(ask.InAddressBook("staff@example.test", "")) is True
        assert await lookups.answer(ask.InAddressBook("staff@example.test", "friends")) is False
        for address in ("nobody@example.test", "lena@other.test", "staff@elsewhere.test", "", "no address"):
            assert await lookups.answer(ask.InAddressBook(address, "Directory")) is False
    assert await system.answer(ask.InAddressBook("lena@other.test", "directory")) is True


async def test_word_lists_are_stored_ones_or_starters() -> None:
    lookups = HouseLookups(await sources(), USER, DOMAIN)
    for name, weight in (("House", 7), ("corporate", 30)):
        words = await lookups.answer(ask.WordListNamed(name))
        assert isinstance(words, WordList)
        assert words.hits(b"the Blue Folder is for internal use only").weight == weight


async def test_scripts_of_the_site_have_no_mailboxes_and_a_memory_of_their_own() -> None:
    lookups = HouseLookups(await sources(), SYSTEM, SYSTEM)
    assert await lookups.answer(ask.MailboxExists("INBOX")) is False
    assert await lookups.answer(ask.Remembered("vacation", "k")) is False
    assert await lookups.answer(ask.InAddressBook("lena@elsewhere.test", "")) is False


async def test_a_block_list_that_does_not_answer_lists_nobody() -> None:
    lookups = HouseLookups(await sources(MemoryResolver({("9.2.0.192.zen.test", "FAIL"): ()})), DOMAIN, SYSTEM)
    assert await lookups.answer(ask.Listed("zen.test", "192.0.2.9")) == ()
