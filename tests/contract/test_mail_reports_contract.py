"""What every book of aggregate reports promises (interfaces/mail_reports.py)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from posthouse.backends.memory.mail_reports import MemoryReportBook
from posthouse.backends.sqlite.mail_reports import SqliteReportBook
from posthouse.backends.sqlite.outgoing_schema import open_outgoing_file
from posthouse.interfaces.mail_reports import ReportBook
from posthouse.model.mail_reports import ReceivedReport, ReportRow

ONE = ReceivedReport("dmarc", "1", "far.test", "example.test", 0, 86_399, (ReportRow("192.0.2.1", 3, "none", passed=True),))


@pytest.fixture(params=["memory", "sqlite"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReportBook]:
    if request.param == "memory":
        yield MemoryReportBook()
        return
    database = open_outgoing_file(tmp_path / "outgoing.db")
    yield SqliteReportBook(database)
    database.close()


async def test_counts_add_up_by_day_domain_and_entry(book: ReportBook) -> None:
    await book.note("dmarc", 7, {("far.test", b"a"): 2, ("far.test", b"b"): 1})
    await book.note("dmarc", 7, {("far.test", b"a"): 3})
    await book.note("dmarc", 8, {("far.test", b"a"): 1})
    await book.note("tls", 7, {("far.test", b"a"): 9})
    assert await book.entries("dmarc", 7, "far.test") == [(b"a", 5), (b"b", 1)]
    assert await book.due("dmarc", 8) == [(7, "far.test")]
    assert await book.due("dmarc", 9) == [(7, "far.test"), (8, "far.test")]


async def test_what_is_sent_is_dropped(book: ReportBook) -> None:
    await book.note("dmarc", 7, {("far.test", b"a"): 2, ("near.test", b"a"): 2})
    await book.drop("dmarc", 7, "far.test")
    assert await book.due("dmarc", 8) == [(7, "near.test")]


async def test_a_report_is_received_once(book: ReportBook) -> None:
    assert await book.receive(ONE)
    assert not await book.receive(ONE)
    assert await book.receive(replace(ONE, organisation="other.test"))
    assert len(await book.received()) == 2


async def test_received_reports_come_newest_first_and_by_what_is_asked(book: ReportBook) -> None:
    later = replace(ONE, report_id="2", ends_at=200_000)
    tls = replace(ONE, kind="tls", domain="other.test", ends_at=300_000)
    for report in (ONE, tls, later):
        await book.receive(report)
    assert list(await book.received()) == [tls, later, ONE]
    assert list(await book.received("dmarc", since=100_000)) == [later]
    assert list(await book.received(domain="other.test")) == [tls]
    assert list(await book.received(limit=1)) == [tls]


async def test_old_ones_go(book: ReportBook) -> None:
    await book.receive(ONE)
    assert await book.expire(86_399) == 0
    assert await book.expire(86_400) == 1
    assert await book.received() == []


async def test_attack_reports_without_end_do_not_fill_the_memory_of_who_looks_at_them(tmp_path: Path) -> None:
    """Each is a few kilobytes of mail from a stranger."""
    rows = tuple(ReportRow(f"192.0.2.{number % 250}", 1, "none", passed=True, detail="x" * 400) for number in range(2_000))
    database = open_outgoing_file(tmp_path / "outgoing.db")
    book = SqliteReportBook(database)
    for number in range(60):
        await book.receive(replace(ONE, report_id=str(number), ends_at=number, rows=rows))
    found = await book.received(limit=1_000)
    database.close()
    assert 10 < len(found) < 40
    assert [each.ends_at for each in found] == list(range(59, 59 - len(found), -1))
    assert (tmp_path / "outgoing.db").stat().st_size < 4 << 20
