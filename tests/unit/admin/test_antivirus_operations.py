"""Operations on virus scanning and outbreaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from posthouse.admin.context import Context
from posthouse.admin.registry import run
from posthouse.admin.virusdesk import VirusDesk
from posthouse.backends.memory.scanner import MemoryScanner
from posthouse.backends.scanners.update_command import CommandUpdates
from posthouse.base.errors import AlreadyExists, BadValue, NotFound, Permanent, Temporary
from posthouse.content.antivirus.asking import VirusEngines
from posthouse.content.antivirus.patterns import PatternWatch
from posthouse.interfaces.bus import Payload
from posthouse.model.scan import EngineFacts
from posthouse.model.settings import Settings
from support.operations import make_context

PRINT = "0123456789abcdef0123456789abcdef"


async def with_desk(command: tuple[str, ...] = ()) -> tuple[Context, MemoryScanner]:
    context = make_context()
    settings = await context.configuration.put([("antivirus.engines", ("clamd://127.0.0.1:3310",))], who="root", at=0.0)
    scanner = MemoryScanner({b"evil": "Test.Virus"}, "clamd")
    engines = VirusEngines(lambda _: scanner, context.clock)
    watch = PatternWatch(engines, lambda: settings.antivirus, context.clock)
    return replace(context, viruses=VirusDesk(engines, watch, CommandUpdates(command))), scanner


async def result(context: Context, words: list[str], given: dict[str, str] | None = None) -> Any:
    return (await run(context, words, given=given)).result


async def test_status_shows_each_engine_with_the_age_of_its_patterns() -> None:
    context, scanner = await with_desk()
    scanner.facts = EngineFacts("ClamAV 1.4", "27000", context.clock.now() - 7200)
    (row,) = await result(context, ["antivirus", "status"])
    assert (row.name, row.place, row.state, row.engine, row.patterns, row.age_hours) == (
        "clamd", "127.0.0.1:3310", "up", "ClamAV 1.4", "27000", 2.0
    )  # fmt: skip
    scanner.down = True
    (row,) = await result(context, ["antivirus", "status"])
    assert (row.state, row.trouble) == ("down", "clamd: down")


async def test_update_runs_the_command_and_tells_the_workers() -> None:
    context, _ = await with_desk(("sh", "-c", "echo database is up to date"))
    heard: list[Payload] = []
    context.bus.subscribe("virus-patterns", heard.append)
    done = await result(context, ["antivirus", "update"])
    assert done.said == "database is up to date"
    (entry,) = await context.configuration.audited()
    assert entry.operation == "antivirus update"


async def test_update_without_a_command_says_where_to_name_one() -> None:
    context, _ = await with_desk()
    with pytest.raises(Permanent, match=r"\[commands\] virus_patterns"):
        await run(context, ["antivirus", "update"])


async def test_a_message_can_be_scanned_by_hand() -> None:
    context, _ = await with_desk()
    done = await result(context, ["antivirus", "scan"], {"message": "Subject: x\r\n\r\nevil\r\n"})
    assert [(each.engine, each.part, each.found) for each in done] == [("clamd", "1", "Test.Virus")]
    done = await result(context, ["antivirus", "scan"], {"message": "Subject: x\r\n\r\ngood\r\n"})
    assert [(each.engine, each.part, each.found) for each in done] == [("clamd", "*", "")]


async def test_a_node_without_engines_says_so() -> None:
    with pytest.raises(Temporary):
        await run(make_context(), ["antivirus", "status"])


async def test_fingerprints_are_allowed_and_disallowed() -> None:
    context = make_context()
    await run(context, ["outbreak", "allow", PRINT.upper()])
    listed = await result(context, ["outbreak", "allowed"])
    assert [each.fingerprint for each in listed] == [PRINT]
    with pytest.raises(AlreadyExists):
        await run(context, ["outbreak", "allow", PRINT])
    with pytest.raises(BadValue):
        await run(context, ["outbreak", "allow", "no-digits"])
    await run(context, ["outbreak", "disallow", PRINT])
    with pytest.raises(NotFound):
        await run(context, ["outbreak", "disallow", PRINT])


@pytest.mark.parametrize(
    "engine",
    ["clamd://127.0.0.1:3310", "clamd:///run/clamav/clamd.ctl", "icap://[::1]:1344/avscan?action=clean&down=pass&name=sophos"],
)
def test_engines_that_the_setting_takes(engine: str) -> None:
    assert Settings().with_value("antivirus.engines", (engine,)).antivirus.engines == (engine,)


@pytest.mark.parametrize(
    "engine",
    ["http://x/y", "clamd://", "icap://host", "clamd://h/p", "clamd://h?action=burn", "clamd://h?what=1", "clamd://h:99999"],
)
def test_engines_that_it_does_not_take(engine: str) -> None:
    with pytest.raises(BadValue):
        Settings().with_value("antivirus.engines", (engine,))


def test_a_schedule_must_be_one() -> None:
    assert Settings().with_value("antivirus.update_schedule", "*/10 * * * *").antivirus.update_schedule
    with pytest.raises(BadValue):
        Settings().with_value("antivirus.update_schedule", "now and then")
