"""What the steward does by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from posthouse.base.clock import ManualClock
from posthouse.base.errors import Temporary
from posthouse.base.metrics import QUEUED
from posthouse.interfaces.store_care import Scrubbing, StoreSpace
from posthouse.model.script import Memory
from posthouse.model.settings import Settings
from posthouse.model.trace import TraceQuery, TraceRecord
from posthouse.roles.chores import DAY_S, Chores
from support.operations import make_context


def record(trace_id: str, at: float) -> TraceRecord:
    return TraceRecord(trace_id, at, "smtp", "192.0.2.7", "h", "", "a@b.test", ("c@d.test",), "", "", 1, "accepted", "250", ())


async def test_traces_older_than_the_setting_are_dropped() -> None:
    context = make_context()
    now = context.clock.now()
    for days in (29, 31):
        context.traces.record(record(f"{days}-days", now - days * DAY_S))
    await Chores(context, Settings, node_name="mx.example.test").expire_traces()
    assert [found.trace_id for found in await context.traces.search(TraceQuery())] == ["29-days"]


async def test_what_scripts_remembered_goes_when_its_time_is_up() -> None:
    context = make_context()
    now = context.clock.now()
    await context.scripts_writer.remember(7, [Memory("vacation", "old", now - 1), Memory("vacation", "new", now + 1)])
    await Chores(context, Settings, node_name="mx.example.test").expire_memories()
    assert not await context.scripts.remembered(7, "vacation", "old", 0.0)
    assert await context.scripts.remembered(7, "vacation", "new", now)


async def test_the_queue_is_measured() -> None:
    context = make_context()
    QUEUED.labels("waiting").set(99)
    await Chores(context, Settings, node_name="mx.example.test").measure_queue()
    assert QUEUED.labels("waiting")._value.get() == 0


async def test_a_chore_that_fails_is_tried_again_at_its_next_turn() -> None:
    context = make_context()
    turns = 0
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert isinstance(context.clock, ManualClock)
        context.clock.advance(seconds)
        await asyncio.sleep(0)

    chores = Chores(context, Settings, sleep, node_name="mx.example.test")

    async def failing() -> None:
        nonlocal turns
        turns += 1
        if turns == 3:
            enough.set()
        raise Temporary("The store is not available")

    chores.measure_queue = failing  # type: ignore[method-assign]
    chores.start()
    await asyncio.wait_for(enough.wait(), 60)
    await chores.stop()
    assert turns >= 3


@dataclass
class NotingCare:
    """A store's care that notes what it is asked for."""

    finished_at: float = 0.0
    total: int = 10
    asked: list[str] = field(default_factory=list)

    async def scrubbing(self) -> Scrubbing:
        return Scrubbing(running=False, done=0, total=self.total, damaged=0, finished_at=self.finished_at)

    async def space(self) -> StoreSpace:
        return StoreSpace(0, 0, 0, 0)

    async def scrub(self) -> Sequence[str]:
        self.asked.append("scrub")
        return []

    async def repair(self) -> Sequence[str]:
        raise AssertionError("nothing is repaired unasked")

    async def compact(self) -> int:
        raise AssertionError("nothing is compacted unasked")

    async def learn(self) -> bool:
        self.asked.append("learn")
        return True

    async def sweep(self) -> int:
        self.asked.append("sweep")
        return 1

    async def forget_vanished(self, before: float) -> int:
        self.asked.append(f"forget {before:.0f}")
        return 1


@pytest.mark.parametrize(
    ("days", "ago_days", "total", "asked"),
    [(7, 8, 10, ["scrub"]), (7, 6, 10, []), (0, 8, 10, []), (7, 0, 10, ["scrub"]), (7, 0, 0, [])],
)
async def test_all_mail_is_read_when_it_is_due(days: int, ago_days: int, total: int, asked: list[str]) -> None:
    care = NotingCare(total=total)
    context = replace(make_context(), care=care)
    care.finished_at = context.clock.now() - ago_days * DAY_S if ago_days else 0.0
    settings = Settings().with_value("store.scrub_days", days)
    await Chores(context, lambda: settings, node_name="mx.example.test").scrub_store()
    assert care.asked == asked


@pytest.mark.parametrize("days", [0, 30])
async def test_files_are_swept_and_what_vanished_is_forgotten_after_its_time(days: int) -> None:
    care = NotingCare()
    context = replace(make_context(), care=care)
    settings = Settings().with_value("store.vanished_days", days)
    chores = Chores(context, lambda: settings, node_name="mx.example.test")
    await chores.tidy_store()
    await chores.learn_to_compress()
    forgotten = [f"forget {context.clock.now() - 30 * DAY_S:.0f}"] if days else []
    assert care.asked == ["sweep", *forgotten, "learn"]


async def test_a_store_that_looks_after_itself_is_left_alone() -> None:
    chores = Chores(make_context(), Settings, node_name="mx.example.test")
    await chores.scrub_store()
    await chores.tidy_store()
    await chores.learn_to_compress()
