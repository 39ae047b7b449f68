"""What interfaces/junk.py promises, held against every backend: what was said about spam, and whose word wins (CON-11)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.memory.junk import MemoryJunk
from posthouse.backends.memory.limits import MemoryLimits
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter, open_directory_file
from posthouse.backends.sqlite.junk import SqliteJunk, SqliteJunkWriter
from posthouse.backends.sqlite.limits import SqliteLimitsWriter
from posthouse.base.errors import NotFound
from posthouse.interfaces.directory import DirectoryWriter
from posthouse.interfaces.junk import JunkBook, JunkBookWriter
from posthouse.interfaces.limits import LimitBookWriter
from posthouse.model.address import Address
from posthouse.model.junk import JunkPolicy, JunkTerms, TermsOwner, junk_policy
from posthouse.model.limits import DomainTerms, Limits, UserTerms
from posthouse.model.settings import JunkSettings

JANE = Address.parse("jane@example.test")
USER, DOMAIN = TermsOwner("user", JANE.key), TermsOwner("domain", "example.test")
POP, FIRM = TermsOwner("class", "pop"), TermsOwner("class", "firm")


@dataclass(frozen=True)
class Books:
    read: JunkBook
    write: JunkBookWriter
    limits: LimitBookWriter
    directory: DirectoryWriter

    async def policy(self, address: Address = JANE) -> JunkPolicy:
        return junk_policy(await self.read.said(address), JunkSettings())


async def ready(directory: DirectoryWriter, limits: LimitBookWriter) -> None:
    await directory.add_domain("example.test")
    await directory.add_account(JANE, full_name="", role="user", secret="", scram="")
    for name in ("pop", "firm"):
        await limits.put_class(name, Limits())


@pytest.fixture(params=["memory", "sqlite"])
async def books(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Books]:
    if request.param == "memory":
        directory = MemoryDirectory()
        limits = MemoryLimits(directory)
        memory = MemoryJunk(directory, limits)
        await ready(directory, limits)
        yield Books(memory, memory, limits, directory)
        return
    database = open_directory_file(tmp_path / "directory.db")
    writer, limits_writer = SqliteDirectoryWriter(database), SqliteLimitsWriter(database)
    await ready(writer, limits_writer)
    reader = SqliteJunk(tmp_path / "directory.db")
    yield Books(reader, SqliteJunkWriter(database), limits_writer, writer)
    reader.close()
    database.close()


async def test_the_nearest_word_wins(books: Books) -> None:
    await books.limits.put_domain_terms("example.test", DomainTerms(cos="firm"))
    await books.limits.put_user_terms(JANE, UserTerms(cos="pop"))
    assert await books.policy() == JunkPolicy("move", 50.0, 0.0, "Spam?", "normal", "junk")
    await books.write.put_terms(FIRM, JunkTerms(action="quarantine", reject_points=300))
    assert await books.policy() == JunkPolicy("quarantine", 50.0, 300.0, "Spam?", "normal", "junk")
    await books.write.put_terms(DOMAIN, JunkTerms(action="reject", spam_points=70.0))
    assert await books.policy() == JunkPolicy("reject", 70.0, 300.0, "Spam?", "normal", "junk")
    await books.write.put_terms(POP, JunkTerms(action="tag", subject_tag="[SPAM]"))
    assert await books.policy() == JunkPolicy("tag", 70.0, 300.0, "[SPAM]", "normal", "junk")
    await books.write.put_terms(USER, JunkTerms(mode="exclusive", blocked="discard"))
    assert await books.policy() == JunkPolicy("tag", 70.0, 300.0, "[SPAM]", "exclusive", "discard")
    other = await books.policy(Address.parse("omar@example.test"))
    assert (other.action, other.mode) == ("reject", "normal")
    assert (await books.policy(Address.parse("a@elsewhere.test"))).action == "move"


async def test_what_is_taken_back_is_not_said(books: Books) -> None:
    await books.write.put_terms(USER, JunkTerms(action="tag"))
    assert await books.read.terms(USER) == JunkTerms(action="tag")
    await books.write.put_terms(USER, (await books.read.terms(USER)).changed({"action": None}))
    assert await books.read.terms(USER) == JunkTerms()
    assert list(await books.read.said(JANE)) == []


async def test_capitals_make_no_difference(books: Books) -> None:
    await books.write.put_terms(USER, JunkTerms(mode="off"))
    assert (await books.policy(Address.parse("JANE@Example.TEST"))).mode == "off"


async def test_a_user_of_another_system_behind_this_node_needs_no_account(books: Books) -> None:
    there = Address.parse("lee@backend.test")
    await books.write.put_terms(TermsOwner("user", there.key), JunkTerms(action="quarantine"))
    assert (await books.policy(there)).action == "quarantine"


async def test_classes_and_domains_must_be_there(books: Books) -> None:
    for owner in (TermsOwner("class", "none"), TermsOwner("domain", "none.test")):
        with pytest.raises(NotFound):
            await books.write.put_terms(owner, JunkTerms(action="tag"))
