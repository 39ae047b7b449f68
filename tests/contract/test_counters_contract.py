"""``interfaces.counters.Counters``: one suite for counts in memory and those shared over the bus."""

from __future__ import annotations

import asyncio

import pytest

from posthouse.backends.counters import GATHER_S, BusCounters
from posthouse.backends.memory.bus import MemoryHub
from posthouse.backends.memory.counters import MemoryCounters
from posthouse.base.clock import ManualClock
from posthouse.interfaces.counters import Counters

KINDS = pytest.mark.parametrize("kind", ["memory", "bus"])


def make(kind: str, clock: ManualClock) -> Counters:
    return MemoryCounters(clock) if kind == "memory" else BusCounters(MemoryHub().bus(), clock, "worker-1")


@KINDS
async def test_open_counts_up_and_close_counts_down_never_below_none(kind: str) -> None:
    counters = make(kind, ManualClock())
    assert [counters.open("a"), counters.open("a"), counters.open("b")] == [1, 2, 1]
    counters.close("a")
    assert (counters.opened("a"), counters.opened("b"), counters.opened("c")) == (1, 1, 0)
    for _ in range(3):
        counters.close("a")
    assert counters.open("a") == 1


@KINDS
async def test_events_count_for_their_window_and_then_no_more(kind: str) -> None:
    clock = ManualClock()
    counters = make(kind, clock)
    assert [counters.hit("a", 10.0) for _ in range(3)] == [1, 2, 3]
    clock.advance(6)
    assert counters.hit("a", 10.0) == 4
    assert counters.recent("a", 10.0) == 4
    clock.advance(5)
    assert counters.recent("a", 10.0) == 1
    clock.advance(5)
    assert counters.recent("a", 10.0) == 0
    assert counters.hit("a", 10.0) == 1


@KINDS
async def test_many_events_count_at_once(kind: str) -> None:
    clock = ManualClock()
    counters = make(kind, clock)
    assert [counters.hit("a", 10.0, 5), counters.hit("a", 10.0)] == [5, 6]
    clock.advance(11)
    assert counters.recent("a", 10.0) == 0


@KINDS
async def test_asking_counts_nothing_and_keys_do_not_mix(kind: str) -> None:
    counters = make(kind, ManualClock())
    counters.hit("a", 10.0)
    assert [counters.recent("a", 10.0), counters.recent("a", 10.0), counters.recent("b", 10.0)] == [1, 1, 0]


@KINDS
async def test_forgotten_events_are_gone(kind: str) -> None:
    counters = make(kind, ManualClock())
    counters.hit("a", 10.0)
    counters.forget("a")
    counters.forget("never seen")
    assert counters.recent("a", 10.0) == 0
    assert counters.hit("a", 10.0) == 1


@KINDS
async def test_a_steady_stream_counts_about_its_rate_times_the_window(kind: str) -> None:
    clock = ManualClock()
    counters = make(kind, clock)
    for _ in range(1000):
        clock.advance(0.1)
        count = counters.hit("a", 10.0)
    assert 92 <= count <= 101


async def settle() -> None:
    """Until everything gathered so far has been sent and heard."""
    await asyncio.sleep(3 * GATHER_S)


async def test_counts_of_all_processes_add_up() -> None:
    hub, clock = MemoryHub(), ManualClock()
    one, two = (BusCounters(hub.bus(), clock, name) for name in ("worker-1", "worker-2"))
    one.open("a")
    one.open("a")
    one.hit("h", 10.0)
    await settle()
    assert two.open("a") == 3
    assert two.hit("h", 10.0) == 2
    one.close("a")
    await settle()
    assert (one.opened("a"), two.opened("a")) == (2, 2)
    two.forget("h")
    await settle()
    assert one.recent("h", 10.0) == 0


async def test_a_dead_process_takes_its_open_counts_with_it() -> None:
    hub, clock = MemoryHub(), ManualClock()
    one, two = (BusCounters(hub.bus(), clock, name) for name in ("worker-1", "worker-2"))
    one.open("a")
    two.open("a")
    await settle()
    hub.bus().publish("worker-gone", {"process": "worker-2"})
    await settle()
    assert one.opened("a") == 1


async def test_a_process_that_starts_later_learns_what_is_open() -> None:
    hub, clock = MemoryHub(), ManualClock()
    one = BusCounters(hub.bus(), clock, "worker-1")
    one.open("a")
    await settle()
    two = BusCounters(hub.bus(), clock, "worker-2")
    await settle()
    assert two.opened("a") == 1
    one.close("a")
    await settle()
    assert two.opened("a") == 0


async def test_a_hundred_thousand_keys_stay_within_the_bound_and_the_latest_remain() -> None:
    clock = ManualClock()
    counters = BusCounters(MemoryHub().bus(), clock, "worker-1", max_keys=1000)
    for number in range(100_000):
        counters.hit(f"192.0.2.{number}", 10.0)
    assert len(counters._events) == 1000
    assert counters.recent("192.0.2.99999", 10.0) == 1
    assert counters.recent("192.0.2.1", 10.0) == 0
