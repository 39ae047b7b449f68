"""Limits of users, domains and classes of service, in both books (STO-5, DIR-5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from posthouse.backends.memory.directory import MemoryDirectory
from posthouse.backends.memory.limits import MemoryLimits
from posthouse.backends.sqlite.directory_writer import SqliteDirectoryWriter, open_directory_file
from posthouse.backends.sqlite.limits import SqliteLimits, SqliteLimitsWriter
from posthouse.base.errors import BadValue, NotFound, Permanent
from posthouse.directory.allowances import AllowanceBook
from posthouse.interfaces.directory import DirectoryWriter
from posthouse.interfaces.limits import LimitBook, LimitBookWriter
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.limits import DomainTerms, Limits, UserTerms
from posthouse.model.settings import Settings

JANE = Address.parse("jane@example.test")


@dataclass
class Books:
    book: LimitBook
    writer: LimitBookWriter
    directory: DirectoryWriter
    jane: Account
    settings: Settings

    async def allowance(self) -> tuple[int, int, int]:
        book = AllowanceBook(self.book, lambda: self.settings)
        allowed = await book.of(self.jane.account_id)
        return allowed.quota_bytes, allowed.quota_messages, allowed.undelete_bytes


async def jane_in(directory: DirectoryWriter) -> Account:
    await directory.add_domain("example.test")
    return await directory.add_account(JANE, full_name="", role="user", secret="", scram="")


@pytest.fixture(params=["memory", "sqlite"])
async def books(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Books]:
    settings = Settings().with_value("store.quota_messages", 1000)
    if request.param == "memory":
        directory = MemoryDirectory()
        limits = MemoryLimits(directory)
        yield Books(limits, limits, directory, await jane_in(directory), settings)
        return
    database = open_directory_file(tmp_path / "directory.db")
    writer = SqliteDirectoryWriter(database)
    reading = SqliteLimits(tmp_path / "directory.db")
    yield Books(reading, SqliteLimitsWriter(database), writer, await jane_in(writer), settings)
    reading.close()
    database.close()


async def test_the_nearest_word_wins(books: Books) -> None:
    keep = books.settings.store.undelete_bytes
    assert await books.allowance() == (0, 1000, keep)
    await books.writer.put_class("small", Limits(quota_bytes=10, undelete_bytes=0))
    await books.writer.put_domain_terms("example.test", DomainTerms("small"))
    assert await books.allowance() == (10, 1000, 0)
    await books.writer.put_domain_terms("example.test", DomainTerms("small", Limits(quota_bytes=20)))
    assert await books.allowance() == (20, 1000, 0)
    await books.writer.put_class("large", Limits(quota_bytes=30))
    await books.writer.put_user_terms(JANE, UserTerms("large"))
    assert await books.allowance() == (30, 1000, 0)
    await books.writer.put_user_terms(JANE, UserTerms("large", Limits(quota_bytes=0, quota_messages=5)))
    assert await books.allowance() == (0, 5, 0)


async def test_a_changed_class_holds_at_once_for_all_its_users(books: Books) -> None:
    await books.writer.put_class("small", Limits(quota_bytes=10))
    await books.writer.put_user_terms(JANE, UserTerms("small"))
    allowances = AllowanceBook(books.book, lambda: books.settings)
    first = await allowances.of(books.jane.account_id)
    assert await allowances.of(books.jane.account_id) is first
    await books.writer.put_class("small", Limits(quota_bytes=11))
    assert (await allowances.of(books.jane.account_id)).quota_bytes == 11
    books.settings = books.settings.with_value("store.quota_messages", 7)
    assert (await allowances.of(books.jane.account_id)).quota_messages == 7


async def test_domain_quotas_come_with_each_of_its_users(books: Books) -> None:
    await books.writer.put_domain_terms("example.test", DomainTerms(quota_bytes=500, quota_messages=6))
    allowed = await AllowanceBook(books.book, lambda: books.settings).of(books.jane.account_id)
    assert (allowed.domain_id, allowed.domain_quota_bytes, allowed.domain_quota_messages) == (books.jane.domain_id, 500, 6)
    assert (await books.book.domain_terms("example.test")).quota_bytes == 500


async def test_whoever_is_no_user_has_no_quota(books: Books) -> None:
    assert await books.book.sources(4711) is None
    allowed = await AllowanceBook(books.book, lambda: books.settings).of(4711)
    assert not allowed.is_limited
    assert allowed.undelete_bytes == books.settings.store.undelete_bytes


async def test_terms_are_kept(books: Books) -> None:
    assert await books.book.user_terms(JANE) == UserTerms()
    await books.writer.put_class("Gold_1", Limits(expire_trash_days=3))
    assert [each.name for each in await books.book.classes()] == ["gold_1"]
    terms = UserTerms("gold_1", Limits(quota_mailboxes=9, undelete_bytes=0))
    await books.writer.put_user_terms(JANE, terms)
    assert await books.book.user_terms(JANE) == terms


async def test_what_is_refused(books: Books) -> None:
    await books.writer.put_class("used", Limits())
    await books.writer.put_user_terms(JANE, UserTerms("used"))
    with pytest.raises(Permanent, match="1 users and 0 domains"):
        await books.writer.delete_class("used")
    await books.writer.put_user_terms(JANE, UserTerms())
    await books.writer.delete_class("used")
    for awaitable in (
        books.writer.delete_class("used"),
        books.writer.put_user_terms(JANE, UserTerms("none")),
        books.writer.put_user_terms(Address.parse("who@example.test"), UserTerms()),
        books.writer.put_domain_terms("example.test", DomainTerms("none")),
        books.writer.put_domain_terms("nowhere.test", DomainTerms()),
    ):
        with pytest.raises(NotFound):
            await awaitable
    with pytest.raises(BadValue):
        await books.writer.put_class("no good", Limits())
