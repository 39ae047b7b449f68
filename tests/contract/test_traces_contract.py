"""What interfaces/traces.py promises, held against every implementation, and how batches travel to the steward's file."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.backends.memory.traces import MemoryTraceLog
from posthouse.backends.sqlite import trace_writer
from posthouse.backends.sqlite.trace_writer import TraceWriter, encode_batch, encode_record
from posthouse.backends.sqlite.traces import BATCH_RECORDS, LocalTraceLog, RemoteTraceLog, TraceReader
from posthouse.base.errors import Permanent, Temporary
from posthouse.interfaces.traces import TraceLog
from posthouse.model.trace import TraceQuery, TraceRecord, TraceStep

STEPS = (
    TraceStep(1.5, "envelope", "local recipients", "continue", "jane@example.com", "is an account"),
    TraceStep(2.0, "dispose", "mailbox", "delivered", "jane@example.com", "into INBOX"),
)
PLAIN = TraceRecord(
    trace_id="01JDZZZZZZ0000000000000001",
    at=100.0,
    service="smtp",
    client="192.0.2.1",
    helo="mx.example.org",
    account="",
    sender="Bob@Example.org",
    recipients=("Jane@example.com", "joe@example.com"),
    message_id="<Abc.1@example.org>",
    subject="Grüße",
    size_bytes=4096,
    outcome="accepted",
    reply="250 2.0.0 taken",
    steps=STEPS,
)


def numbered(number: int, **changes: object) -> TraceRecord:
    """PLAIN under another trace id and time."""
    made = dataclasses.replace(PLAIN, trace_id=f"01JDZZZZZZ{number:016d}", at=float(number))
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "sqlite"])
def traces(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TraceLog]:
    if request.param == "memory":
        yield MemoryTraceLog()
        return
    writer = TraceWriter(tmp_path / "trace.db")
    log = LocalTraceLog(writer, tmp_path / "trace.db")
    yield log
    log.close()
    writer.close()


async def found(traces: TraceLog, **query: object) -> list[float]:
    """The times of what a search gives: with ``numbered`` records, their numbers."""
    return [record.at for record in await traces.search(TraceQuery(**query))]  # type: ignore[arg-type]


async def test_a_record_comes_back_whole(traces: TraceLog) -> None:
    traces.record(PLAIN)
    assert await traces.search(TraceQuery()) == [PLAIN]


async def test_the_newest_come_first_up_to_the_limit(traces: TraceLog) -> None:
    for number in (2, 5, 1, 4, 3):
        traces.record(numbered(number))
    assert await found(traces) == [5, 4, 3, 2, 1]
    assert await found(traces, limit=2) == [5, 4]
    assert await found(traces, limit=-1) == []


async def test_records_are_found_by_id_sender_recipient_and_message_without_regard_to_case(traces: TraceLog) -> None:
    traces.record(numbered(1))
    traces.record(numbered(2, sender="eve@x.example", recipients=("kim@x.example",), message_id="<other@x>"))
    assert await found(traces, trace_id="01jdzzzzzz0000000000000002") == [2]
    assert await found(traces, sender="bob@EXAMPLE.org") == [1]
    assert await found(traces, recipient="JOE@example.com") == [1]
    assert await found(traces, recipient="kim@x.example") == [2]
    assert await found(traces, message_id="<abc.1@example.org>") == [1]
    assert await found(traces, sender="example.org") == []
    assert await found(traces, sender="bob@example.org", recipient="kim@x.example") == []
    assert await found(traces, sender="eve@x.example", recipient="kim@x.example", message_id="<OTHER@x>") == [2]


async def test_stars_and_question_marks_match_and_nothing_else_is_special(traces: TraceLog) -> None:
    traces.record(numbered(1, sender="a_b@x.example"))
    traces.record(numbered(2, sender="acb@x.example"))
    traces.record(numbered(3, sender="a%b@y.example", recipients=("one@x.example", "two@y.example")))
    assert await found(traces, sender="*@X.example") == [2, 1]
    assert await found(traces, sender="a_b@*") == [1]
    assert await found(traces, sender="a?b@*") == [3, 2, 1]
    assert await found(traces, sender="a%*") == [3]
    assert await found(traces, recipient="*@y.example") == [3]
    assert await found(traces, message_id="<abc*") == [3, 2, 1]
    assert await found(traces, trace_id="01JD*1") == [1]


async def test_a_record_with_two_matching_recipients_is_found_once(traces: TraceLog) -> None:
    traces.record(numbered(1, recipients=("a@x.example", "b@x.example", "A@x.example")))
    assert await found(traces, recipient="*@x.example") == [1]
    assert await found(traces, recipient="a@x.example") == [1]


async def test_a_window_includes_its_start_and_not_its_end(traces: TraceLog) -> None:
    for number in range(1, 6):
        traces.record(numbered(number))
    assert await found(traces, since=2.0, until=4.0) == [3, 2]
    assert await found(traces, since=5.0) == [5]
    assert await found(traces, until=1.0) == []
    assert await found(traces, since=0.0, until=0.0) == []


async def test_the_null_sender_is_found(traces: TraceLog) -> None:
    traces.record(numbered(1, sender=""))
    traces.record(numbered(2))
    assert await found(traces, sender="<>") == [1]


async def test_all_events_of_one_message_are_found_under_its_id(traces: TraceLog) -> None:
    traces.record(PLAIN)
    traces.record(dataclasses.replace(PLAIN, at=200.0, outcome="delivered", service="", client=""))
    assert await found(traces, trace_id=PLAIN.trace_id) == [200, 100]


async def test_expiry_drops_what_is_older_and_tells_how_many(traces: TraceLog) -> None:
    for number in range(1, 1203):
        traces.record(numbered(number))
    assert await traces.expire(1201.0) == 1200
    assert await found(traces) == [1202, 1201]
    assert await found(traces, recipient="jane@example.com") == [1202, 1201]
    assert await traces.expire(1201.0) == 0


async def test_text_that_is_not_unicode_fails_neither_recording_nor_searching(traces: TraceLog) -> None:
    traces.record(numbered(1, helo="x\udcff", subject="\udc80", recipients=("j\udcff@example.com",)))
    traces.record(numbered(2))
    assert await found(traces) == [2, 1]
    assert await found(traces, sender="\udcff") == []


async def test_thousands_of_recipients_are_all_searchable(traces: TraceLog) -> None:
    traces.record(numbered(1, recipients=tuple(f"r{number}@example.com" for number in range(5_000))))
    assert await found(traces, recipient="R4999@example.com") == [1]


async def test_a_worker_tells_a_batch_when_it_is_full_and_a_search_flushes(tmp_path: Path) -> None:
    path, told = tmp_path / "trace.db", list[bytes]()
    writer = TraceWriter(path)
    log = RemoteTraceLog(told.append, path)
    for number in range(BATCH_RECORDS - 1):
        log.record(numbered(number))
    assert told == []
    log.record(numbered(BATCH_RECORDS))
    assert len(told) == 1
    log.record(numbered(BATCH_RECORDS + 1))
    assert len(told) == 1
    await log.search(TraceQuery())
    assert len(told) == 2
    for batch in told:
        writer.write(batch)
    await writer.settle()
    assert len(await log.search(TraceQuery(limit=1000))) == BATCH_RECORDS + 1
    assert len(told) == 2
    log.close()
    writer.close()


async def test_a_worker_tells_a_single_record_without_being_asked(tmp_path: Path) -> None:
    told = asyncio.get_running_loop().create_future()
    log = RemoteTraceLog(told.set_result, tmp_path / "trace.db")
    log.record(PLAIN)
    batch = await asyncio.wait_for(told, 60)
    assert batch == encode_batch([encode_record(PLAIN)])
    log.close()


async def test_a_worker_tells_large_records_before_the_batch_is_full(tmp_path: Path) -> None:
    told = list[bytes]()
    log = RemoteTraceLog(told.append, tmp_path / "trace.db")
    log.record(numbered(1, recipients=tuple(f"someone.with.a.long.name.{n}@example.com" for n in range(10_000))))
    assert len(told) == 1
    log.close()


async def test_a_worker_that_closes_tells_what_it_has(tmp_path: Path) -> None:
    told = list[bytes]()
    log = RemoteTraceLog(told.append, tmp_path / "trace.db")
    log.record(PLAIN)
    log.close()
    assert told == [encode_batch([encode_record(PLAIN)])]


async def test_a_worker_cannot_expire_and_defers_searches_while_there_is_no_file(tmp_path: Path) -> None:
    log = RemoteTraceLog(lambda batch: None, tmp_path / "trace.db")
    with pytest.raises(Permanent):
        await log.expire(0.0)
    with pytest.raises(Temporary):
        await log.search(TraceQuery())
    log.close()


@pytest.mark.parametrize("bad", [b"", b"\xc1", b"\x91\xc0", b"\x05", encode_batch([encode_record(PLAIN)])[:-3]])
async def test_a_malformed_batch_is_dropped_alone(tmp_path: Path, bad: bytes) -> None:
    writer = TraceWriter(tmp_path / "trace.db")
    writer.write(encode_batch([encode_record(numbered(1))]))
    writer.write(bad)
    writer.write(encode_batch([encode_record(numbered(2))]))
    await writer.settle()
    writer.close()
    reader = TraceReader(tmp_path / "trace.db")
    assert [record.at for record in await reader.search(TraceQuery())] == [2, 1]
    reader.close()


async def test_past_its_backlog_the_writer_drops_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = encode_batch([encode_record(PLAIN)])
    monkeypatch.setattr(trace_writer, "BACKLOG_BYTES", len(batch))
    writer = TraceWriter(tmp_path / "trace.db")
    writer.write(batch * 2)
    await writer.settle()
    writer.write(batch)
    await writer.settle()
    writer.close()
    reader = TraceReader(tmp_path / "trace.db")
    assert await reader.search(TraceQuery()) == [PLAIN]
    reader.close()


async def test_what_was_written_before_a_restart_is_still_there(tmp_path: Path) -> None:
    for number in (1, 2):
        writer = TraceWriter(tmp_path / "trace.db")
        writer.write(encode_batch([encode_record(numbered(number))]))
        writer.close()
    reader = TraceReader(tmp_path / "trace.db")
    assert [record.at for record in await reader.search(TraceQuery())] == [2, 1]
    reader.close()


async def test_records_are_found_by_the_account_that_had_logged_in(traces: TraceLog) -> None:
    traces.record(numbered(1, account="Jane@example.com"))
    traces.record(numbered(2, account="jane@example.com", outcome="refused"))
    traces.record(numbered(3, account="jane@example.community"))
    traces.record(numbered(4))
    assert await found(traces, account="JANE@example.com") == [2, 1]
    assert await found(traces, account="jane@example.com", since=2.0) == [2]
    assert await found(traces, account="j*") == []
