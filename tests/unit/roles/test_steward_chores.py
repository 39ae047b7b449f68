"""What the steward does by the clock."""

from __future__ import annotations

import asyncio

from posthouse.base.clock import ManualClock
from posthouse.base.errors import Temporary
from posthouse.base.metrics import QUEUED
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
    await asyncio.wait_for(enough.wait(), 5)
    await chores.stop()
    assert turns >= 3
