"""Who is told of viruses, how often, and who never is (CON-6)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posthouse.base.errors import NoSpace
from posthouse.content.antivirus.patterns import EngineState
from posthouse.model.address import Address
from posthouse.model.plan import Acceptance
from posthouse.model.scan import EngineFacts
from posthouse.model.virus_engine import VirusEngine
from posthouse.model.virus_found import VirusFound
from posthouse.pipeline.node_letters import LetterTools
from posthouse.pipeline.virus_alerts import VirusAlerts
from support.house import House

FOUND = VirusFound(
    at=1_790_000_000.0,
    trace_id="01ABC",
    engine="clamd",
    names="Test.Virus",
    done="dropped",
    refused=False,
    sender="mallory@elsewhere.test",
    genuine=False,
    recipients=("jane@example.test",),
    local=("jane@example.test",),
    subject="You won\ufffdX-Evil: 1",
    client="192.0.2.66",
)


class Desk:
    """A house with jane and an administrator, and its alerts."""

    def __init__(self) -> None:
        self.house = House()
        made = self.house
        tools = LetterTools(
            made.directory, made.onward.own_mail, made.sink, made.traces, made.clock, made.ids, "mx.example.test"
        )
        self.alerts = VirusAlerts(lambda: made.settings, tools)

    async def inbox(self, address: str) -> list[str]:
        account = await self.house.directory.account(Address.parse(address))
        assert account is not None
        return [content.decode() for content in await self.house.inbox(account)]


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    for address in ("jane@example.test", "root@example.test", "other@example.org"):
        await made.house.add_user(address)
    return made


async def test_the_list_of_the_recipients_domain_is_told(desk: Desk) -> None:
    await desk.house.directory.put_alias(Address.parse("virus-alerts@example.test"), [Address.parse("root@example.test")])
    await desk.house.directory.put_alias(Address.parse("virus-alerts@example.org"), [Address.parse("other@example.org")])
    desk.alerts.heard(FOUND)
    assert await desk.alerts.send_due() == 1
    (mail,) = await desk.inbox("root@example.test")
    assert "Subject: Virus alert: Test.Virus" in mail
    assert "Auto-Submitted: auto-generated" in mail
    for fact in ("Test.Virus (by clamd)", "dropped", "mallory@elsewhere.test", "jane@example.test", "192.0.2.66", "01ABC"):
        assert fact in mail
    assert not await desk.inbox("other@example.org")
    assert not await desk.inbox("jane@example.test")


async def test_without_a_list_nobody_is_told(desk: Desk) -> None:
    desk.alerts.heard(FOUND)
    assert await desk.alerts.send_due() == 0


async def test_one_receiver_for_the_whole_site_can_be_set(desk: Desk) -> None:
    desk.house.set("antivirus.alerts", "root@example.test")
    desk.alerts.heard(replace(FOUND, recipients=("someone@elsewhere.test",)))
    assert await desk.alerts.send_due() == 1


async def test_what_happens_within_the_interval_comes_bundled(desk: Desk) -> None:
    desk.house.set("antivirus.alerts", "root@example.test")
    desk.alerts.heard(FOUND)
    assert await desk.alerts.send_due() == 1
    for number in range(250):
        desk.alerts.heard(replace(FOUND, trace_id=f"T{number:03}"))
        assert await desk.alerts.send_due() == 0
    desk.house.clock.advance(901)
    assert await desk.alerts.send_due() == 1
    bundle = (await desk.inbox("root@example.test"))[1]
    assert bundle.count("Test.Virus (by clamd)") == 100
    assert "... and 150 more." in bundle
    desk.house.clock.advance(901)
    assert await desk.alerts.send_due() == 0


async def test_senders_and_recipients_are_not_told_by_default(desk: Desk) -> None:
    desk.alerts.heard(replace(FOUND, sender="jane@example.test", genuine=True))
    assert await desk.alerts.send_due() == 0
    assert not await desk.inbox("jane@example.test")


async def test_a_sender_is_told_only_if_genuine_and_not_refused(desk: Desk) -> None:
    desk.house.set("antivirus.notify_senders", True)
    desk.alerts.heard(replace(FOUND, sender="root@example.test", genuine=False))
    desk.alerts.heard(replace(FOUND, sender="root@example.test", genuine=True, refused=True))
    desk.alerts.heard(replace(FOUND, sender="", genuine=True))
    assert await desk.alerts.send_due() == 0
    desk.alerts.heard(replace(FOUND, sender="root@example.test", genuine=True))
    assert await desk.alerts.send_due() == 1
    (mail,) = await desk.inbox("root@example.test")
    assert "Subject: A message of yours was infected: Test.Virus" in mail
    assert "192.0.2.66" not in mail


async def test_local_recipients_are_told_if_so_set(desk: Desk) -> None:
    desk.house.set("antivirus.notify_recipients", True)
    desk.alerts.heard(FOUND)
    assert await desk.alerts.send_due() == 1
    (mail,) = await desk.inbox("jane@example.test")
    assert "Subject: An infected message for you was stopped: Test.Virus" in mail


async def test_texts_of_strangers_cannot_make_header_fields(desk: Desk) -> None:
    desk.house.set("antivirus.alerts", "root@example.test")
    desk.alerts.heard(replace(FOUND, names="Evil\r\nBcc: all@example.test", subject="x\r\n.\r\nY: 1", sender="a\nb@c.test"))
    await desk.alerts.send_due()
    (mail,) = await desk.inbox("root@example.test")
    assert "\r\nBcc:" not in mail
    assert "\r\nY: 1" not in mail


class FullSink:
    async def commit(self, *acceptances: Acceptance) -> None:
        raise NoSpace("full")


async def test_what_could_not_be_sent_stays_due(desk: Desk) -> None:
    desk.house.set("antivirus.alerts", "root@example.test")
    made = desk.house
    tools = LetterTools(made.directory, made.onward.own_mail, FullSink(), made.traces, made.clock, made.ids, "mx.example.test")
    alerts = VirusAlerts(lambda: made.settings, tools)
    alerts.heard(FOUND)
    for _ in range(2):
        with pytest.raises(NoSpace):
            await alerts.send_due()


async def test_old_patterns_are_told_to_the_list_else_to_the_postmaster(desk: Desk) -> None:
    engine = VirusEngine.parse("clamd://127.0.0.1:3310")
    state = EngineState(engine, EngineFacts("ClamAV 1", "27000", 1.0), age_s=5 * 86_400.0, is_old=True)
    assert not await desk.alerts.patterns_are_old([state])
    await desk.house.directory.put_alias(Address.parse("postmaster@example.test"), [Address.parse("root@example.test")])
    assert await desk.alerts.patterns_are_old([state])
    (mail,) = await desk.inbox("root@example.test")
    assert "clamd at 127.0.0.1:3310: patterns 27000, 120 hours old" in mail
    await desk.house.directory.put_alias(Address.parse("virus-alerts@example.test"), [Address.parse("jane@example.test")])
    assert await desk.alerts.patterns_are_old([state])
    assert len(await desk.inbox("jane@example.test")) == 1
