"""The age of patterns, the schedule of updates, and the command that fetches them (CON-5)."""

from __future__ import annotations

import asyncio
import calendar
import time
from dataclasses import replace

import pytest

from posthouse.backends.memory.scanner import MemoryScanner
from posthouse.backends.scanners.update_command import CommandUpdates
from posthouse.base.clock import ManualClock
from posthouse.base.errors import Permanent, Temporary
from posthouse.content.antivirus.asking import VirusEngines
from posthouse.content.antivirus.patterns import PatternWatch, Schedule
from posthouse.model.scan import EngineFacts
from posthouse.model.settings import AntivirusSettings

HOUR_S = 3600.0


def at(text: str) -> float:
    return float(calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M")))


def test_updates_are_due_every_hour_at_half_past_by_default() -> None:
    text, schedule = AntivirusSettings().update_schedule, Schedule()
    assert not schedule.due(text, at("2026-11-24 10:05"))
    assert not schedule.due(text, at("2026-11-24 10:29"))
    assert schedule.due(text, at("2026-11-24 10:30"))
    assert not schedule.due(text, at("2026-11-24 10:31"))
    assert schedule.due(text, at("2026-11-24 14:00")), "what was missed is due once"
    assert not schedule.due(text, at("2026-11-24 14:01"))


def test_another_schedule_counts_from_then_on_and_none_is_never_due() -> None:
    schedule = Schedule()
    assert not schedule.due("0 3 * * *", at("2026-11-24 10:05"))
    assert not schedule.due("", at("2026-11-25 10:05"))
    assert not schedule.due("*/5 * * * *", at("2026-11-25 10:06"))
    assert schedule.due("*/5 * * * *", at("2026-11-25 10:10"))


async def test_age_is_known_where_the_engine_tells_and_old_by_the_setting() -> None:
    clock = ManualClock()
    first, second = MemoryScanner({}, "clamd"), MemoryScanner({}, "icap")
    first.facts = EngineFacts("ClamAV 1", "27000", clock.now() - 50 * HOUR_S)
    engines = VirusEngines(lambda engine: {"clamd": first, "icap": second}[engine.name], clock)
    settings = AntivirusSettings(engines=("clamd://127.0.0.1", "icap://127.0.0.1/x"))
    states = await PatternWatch(engines, lambda: settings, clock).look()
    assert [(each.engine.name, each.age_s, each.is_old, each.trouble) for each in states] == [
        ("clamd", 50 * HOUR_S, True, ""),
        ("icap", None, False, ""),
    ]
    second.down = True
    settings = replace(settings, max_pattern_age_s=60 * HOUR_S)
    states = await PatternWatch(engines, lambda: settings, clock).look()
    assert [(each.is_old, each.trouble) for each in states] == [(False, ""), (False, "icap: down")]


async def test_the_command_is_run_and_its_last_line_told() -> None:
    assert await CommandUpdates(("sh", "-c", "echo one; echo ; echo two; echo")).update() == "two"


async def test_a_command_that_fails_says_how() -> None:
    with pytest.raises(Temporary, match="sh ended with status 3: no network"):
        await CommandUpdates(("sh", "-c", "echo no network >&2; exit 3")).update()
    with pytest.raises(Temporary, match="cannot be run"):
        await CommandUpdates(("/no/such/program",)).update()
    with pytest.raises(Permanent, match="names no command"):
        await CommandUpdates(()).update()


async def test_a_command_that_hangs_is_ended_with_its_children() -> None:
    started = time.monotonic()
    with pytest.raises(Temporary, match="took longer"):
        await CommandUpdates(("sh", "-c", "sleep 60 & sleep 60"), timeout_s=0.2).update()
    assert time.monotonic() - started < 30


async def test_a_command_that_says_too_much_is_read_to_its_end() -> None:
    assert await CommandUpdates(("sh", "-c", "yes | head -c 3000000; echo; echo done")).update() == "done"


async def test_two_updates_at_once_run_one_command(tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("updates") / "log"
    updates = CommandUpdates(("sh", "-c", f"echo run >> {log}; sleep 0.2; echo fetched"))
    assert set(await asyncio.gather(updates.update(), updates.update())) == {"fetched"}
    assert log.read_text() == "run\n"
