"""What the steward does about viruses by the clock: updates, alarms, once and not again and again (CON-5)."""

from __future__ import annotations

from dataclasses import dataclass, field

from posthouse.admin.virusdesk import VirusDesk
from posthouse.backends.memory.bus import MemoryBus
from posthouse.backends.memory.scanner import MemoryScanner
from posthouse.content.antivirus.asking import VirusEngines
from posthouse.content.antivirus.patterns import PatternWatch
from posthouse.model.address import Address
from posthouse.model.scan import EngineFacts
from posthouse.pipeline.node_letters import LetterTools
from posthouse.pipeline.virus_alerts import VirusAlerts
from posthouse.roles.virus_watch import VirusWatch, WatchTools
from support.house import House

DAY_S = 86_400.0


@dataclass
class NotedUpdates:
    """Counts."""

    configured: bool = True
    runs: int = 0
    done: list[str] = field(default_factory=list)

    async def update(self) -> str:
        self.runs += 1
        return "fetched"


async def made() -> tuple[House, VirusWatch, MemoryScanner, NotedUpdates]:
    house = House()
    root = await house.add_user("root@example.test")
    await house.directory.put_alias(Address.parse("postmaster@example.test"), [root.address])
    house.set("antivirus.engines", ("clamd://127.0.0.1",))
    scanner, updates = MemoryScanner({}, "clamd"), NotedUpdates()
    engines = VirusEngines(lambda _: scanner, house.clock)
    watch = PatternWatch(engines, lambda: house.settings.antivirus, house.clock)
    tools = LetterTools(house.directory, house.onward.own_mail, house.sink, house.traces, house.clock, house.ids, "mx.test")
    alerts = VirusAlerts(lambda: house.settings, tools)
    desk = VirusDesk(engines, watch, updates)
    return house, VirusWatch(WatchTools(desk, alerts, MemoryBus(), lambda: house.settings, house.clock)), scanner, updates


async def mails(house: House) -> int:
    account = await house.directory.account(Address.parse("root@example.test"))
    assert account is not None
    return len(await house.inbox(account))


async def test_patterns_are_fetched_by_schedule_and_only_with_a_command() -> None:
    house, watch, _, updates = await made()
    await watch.update_when_due()
    assert updates.runs == 0
    house.clock.advance(3600)
    await watch.update_when_due()
    await watch.update_when_due()
    assert updates.runs == 1
    updates.configured = False
    house.clock.advance(3600)
    await watch.update_when_due()
    assert updates.runs == 1


async def test_old_patterns_raise_an_alarm_once_and_remind_every_day() -> None:
    house, watch, scanner, _ = await made()
    scanner.facts = EngineFacts("ClamAV", "1", house.clock.now() - 3 * DAY_S)
    for _ in range(3):
        await watch.look()
    assert await mails(house) == 1
    house.clock.advance(DAY_S + 1)
    await watch.look()
    assert await mails(house) == 2
    scanner.facts = EngineFacts("ClamAV", "2", house.clock.now())
    await watch.look()
    house.clock.advance(DAY_S)
    await watch.look()
    assert await mails(house) == 2
    house.clock.advance(2 * DAY_S)
    await watch.look()
    assert await mails(house) == 3


async def test_an_engine_that_is_down_is_no_reason_to_send_mail() -> None:
    house, watch, scanner, _ = await made()
    scanner.down = True
    await watch.look()
    assert await mails(house) == 0
