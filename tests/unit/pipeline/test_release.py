"""What becomes of held mail: exactly once onward, through the scanners, to nobody who may be a bystander (QTN-1, QTN-4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from posthouse.base.errors import NotFound, Permanent, Temporary
from posthouse.formats.mime import summarise
from posthouse.model.account import Account
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.flags import flag_names
from posthouse.model.held import HeldMessage, HeldQuery
from posthouse.model.plan import Acceptance, Origin, ToMailbox, ToQuarantine, ToQueue
from posthouse.model.script import SYSTEM, ScriptOwner
from posthouse.model.trace import TraceQuery, TraceRecord
from posthouse.model.verdict import Defer, Discard, Hold, QuarantineKind, Reason, Refuse, Reply, Verdict
from posthouse.pipeline.driver import Driver
from posthouse.pipeline.path import stages
from posthouse.pipeline.release import Releases, going_on
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction
from support.house import MESSAGE, House

JANE, LENA = "jane@example.test", "lena@elsewhere.test"
Work = Callable[[Transaction], Sequence[Verdict]]


class Scanner(Stage):
    """Stands where virus scanners do, and says what the test says."""

    name = "antivirus"
    is_check = True

    def __init__(self) -> None:
        self.asked = 0
        self.work: Work = lambda _: ()

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        self.asked += 1
        return self.work(transaction)


class Outbreak(Stage):
    """Holds everything."""

    name = "outbreak"

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        return (Hold("outbreak", Reason(self.name, "fast", "spreads too fast"), release_at=transaction.started_at + 100),)


class Place:
    """A house with a scanner, and jane."""

    def __init__(self, *, outbreak: bool = False) -> None:
        self.house = House()
        self.scanner = Scanner()
        path: list[Stage] = []
        for stage in stages(self.house.parts):
            if stage.name in ("outbreak", "antivirus"):
                continue
            if stage.name == "domain-filters":
                path += [Outbreak(), self.scanner] if outbreak else [self.scanner]
            path.append(stage)
        self.house.driver = Driver(
            path,
            settings=lambda: self.house.settings,
            clock=self.house.clock,
            ids=self.house.ids,
            traces=self.house.traces,
            node_name="mx.example.test",
        )
        self.house.releases = Releases(self.house.release_tools())

    async def begin(self, system: str = "", domain: str = "", user: str = "") -> Account:
        jane = await self.house.add_user(JANE)
        policy = 'require ["vnd.posthouse.policy", "fileinto", "reject", "vacation"];\n'
        owners = {SYSTEM: system, ScriptOwner("domain", jane.domain_id): domain}
        owners[ScriptOwner("user", jane.account_id)] = user
        for owner, text in owners.items():
            if text:
                text = text if owner.scope == "user" else policy + text
                await self.house.scripts.put_script(owner, "main", text, 0.0)
                await self.house.scripts.activate(owner, "main")
        return jane

    async def held(self) -> list[HeldMessage]:
        return list(await self.house.quarantine.listing(HeldQuery()))

    async def records(self) -> list[TraceRecord]:
        """The trace of the one message, newest first."""
        return [each for each in await self.house.traces.search(TraceQuery()) if each.service in ("smtp", "quarantine")]


async def junk_for(place: Place, jane: Account, kind: QuarantineKind = "junk", **changed: object) -> HeldMessage:
    """Held for jane as the disposition of junk would."""
    onward = ToMailbox(Recipient(jane.address), jane.account_id, "INBOX", account=JANE, domain_id=jane.domain_id)
    where = ToQuarantine(onward.recipient, kind, JANE, "senders", "spam", "60 points", onward=onward)
    content = b"Return-Path: <lena@elsewhere.test>\r\n" + MESSAGE
    sender = Sender(Address.parse(LENA))
    origin = Origin("smtp", "192.0.2.9", spf="pass", score=60.0)
    origin = replace(origin, **changed)  # type: ignore[arg-type]
    await place.house.sink.commit(Acceptance("T1", 1.0, sender, content, summarise(content), (where,), origin))
    place.house.sink.accepted.clear()
    return (await place.held())[0]


async def test_a_released_message_goes_where_it_was_going_marked_and_is_gone_from_the_quarantine() -> None:
    place = Place()
    jane = await place.begin(system='quarantine "secrets";')
    await place.house.deliver(JANE)
    (held,) = await place.held()
    assert (held.kind, held.name, held.stage, held.rule) == ("filter", "secrets", "priority-filters", "main")
    done = await place.house.releases.release(held, "ada@example.test")
    assert (done.outcome, await place.held()) == ("accepted", [])
    (content,) = await place.house.inbox(jane)
    head = content.split(b"\r\n\r\n")[0]
    assert content.startswith(
        b"Return-Path: <lena@elsewhere.test>\r\nX-Posthouse-Released: from=filter; id=1; by=ada@example.test"
    )
    assert head.count(b"Received:") == 1
    record, first = await place.records()
    assert (record.trace_id, record.service, record.outcome, first.outcome) == (held.trace_id, "quarantine", "accepted", "held")
    assert "from secrets by ada@example.test" in record.steps[0].detail


async def test_what_a_system_filter_held_meets_the_checks_behind_it_but_not_the_filter_again() -> None:
    place = Place()
    jane = await place.begin(system='quarantine "q";', domain='fileinto "Sales";')
    await place.house.store.create(jane.account_id, "Sales")
    await place.house.deliver(JANE)
    assert place.scanner.asked == 0
    (held,) = await place.held()
    await place.house.releases.release(held, "ada")
    assert place.scanner.asked == 1
    assert (len(await place.house.inbox(jane, "Sales")), await place.house.inbox(jane)) == (1, [])


async def test_an_outbreak_hold_goes_on_by_itself_through_the_scanners_when_its_time_has_come() -> None:
    place = Place(outbreak=True)
    jane = await place.begin()
    await place.house.deliver(JANE)
    assert place.scanner.asked == 0
    place.house.clock.advance(99)
    assert await place.house.releases.release_due() == 0
    place.house.clock.advance(1)
    assert await place.house.releases.release_due() == 1
    (content,) = await place.house.inbox(jane)
    assert (place.scanner.asked, b"X-Posthouse-Released" in content, await place.held()) == (1, False, [])


@pytest.mark.parametrize("said", ["hold", "refuse"])
async def test_a_virus_found_on_release_goes_into_the_virus_quarantine(said: str) -> None:
    place = Place(outbreak=True)
    jane = await place.begin()
    await place.house.deliver(JANE)
    why = Reason("antivirus", "signature", "EICAR")
    verdict = Hold("virus", why) if said == "hold" else Refuse(Reply(554, "5.7.0", "virus"), why)
    place.scanner.work = lambda _: (verdict,)
    place.house.clock.advance(100)
    await place.house.releases.release_due()
    (held,) = await place.held()
    assert (held.kind, held.release_at, held.why, await place.house.inbox(jane)) == ("virus", 0.0, "EICAR", [])
    with pytest.raises(Permanent, match="never released"):
        await place.house.releases.release(held, "ada")


async def test_what_cannot_be_scanned_now_stays_and_is_tried_again_later() -> None:
    place = Place(outbreak=True)
    jane = await place.begin()
    await place.house.deliver(JANE)
    place.scanner.work = lambda _: (Defer(Reply(451, "4.7.0", "later"), Reason("antivirus", "engine", "clamd is down")),)
    place.house.clock.advance(100)
    assert await place.house.releases.release_due() == 0
    (held,) = await place.held()
    assert held.release_at == place.house.clock.now() + 300
    with pytest.raises(Temporary, match="cannot be released now"):
        await place.house.releases.release(held, "ada")
    place.scanner.work = lambda _: ()
    place.house.clock.advance(300)
    assert (await place.house.releases.release_due(), len(await place.house.inbox(jane))) == (1, 1)


async def test_what_was_held_for_somebody_who_is_gone_goes_too() -> None:
    place = Place(outbreak=True)
    jane = await place.begin()
    await place.house.deliver(JANE)
    (held,) = await place.held()
    await place.house.directory.delete_account(jane.address)
    with pytest.raises(Permanent, match="no mailbox any more"):
        await place.house.releases.release(held, "ada")
    place.house.clock.advance(100)
    assert (await place.house.releases.release_due(), await place.held()) == (1, [])
    assert (await place.records())[0].steps[0].detail == "by the clock: jane@example.test has no mailbox any more"


async def test_one_whose_content_cannot_be_read_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(outbreak=True)
    jane = await place.begin()
    for _ in range(2):
        await place.house.deliver(JANE)
    second, first = await place.held()
    content = place.house.quarantine.content

    async def broken(body_id: int) -> bytes:
        if body_id == first.body_id:
            raise NotFound("The message is gone")
        return await content(body_id)

    monkeypatch.setattr(place.house.quarantine, "content", broken)
    place.house.clock.advance(100)
    assert await place.house.releases.release_due() == 1
    assert (len(await place.house.inbox(jane)), [each.held_id for each in await place.held()]) == (1, [first.held_id])
    assert second.held_id != first.held_id


async def test_a_delayed_message_is_delivered_when_its_time_has_come() -> None:
    place = Place()
    jane = await place.begin(domain="delay 600;")
    await place.house.deliver(JANE)
    assert await place.house.inbox(jane) == []
    place.house.clock.advance(600)
    assert (await place.house.releases.release_due(), len(await place.house.inbox(jane))) == (1, 1)


async def test_released_junk_is_marked_and_neither_filters_nor_answers_follow() -> None:
    place = Place()
    jane = await place.begin(
        system='quarantine "again";', domain="discard;", user='require "vacation"; vacation "Away."; discard;'
    )
    held = await junk_for(place, jane)
    await place.house.releases.release(held, JANE)
    (acceptance,) = place.house.sink.accepted
    (destination,) = acceptance.destinations
    assert isinstance(destination, ToMailbox)
    assert (destination.mailbox, destination.flags, place.scanner.asked) == ("INBOX", ("$NotJunk",), 1)
    box = await place.house.store.mailbox(jane.account_id, "INBOX")
    assert box is not None
    info, (row,) = await place.house.store.rows(box.mailbox_id)
    assert flag_names(row.flags, info.keywords) == ("$NotJunk",)


async def test_junk_that_was_on_its_way_to_junk_mail_is_released_into_the_inbox() -> None:
    place = Place()
    jane = await place.begin()
    held = await junk_for(place, jane)
    assert isinstance(held.onward, ToMailbox)
    await place.house.releases.release(replace(held, onward=replace(held.onward, mailbox="Junk Mail")), JANE)
    assert len(await place.house.inbox(jane)) == 1


async def test_it_goes_on_once_even_if_two_ask_at_once() -> None:
    place = Place()
    jane = await place.begin()
    held = await junk_for(place, jane)
    await place.house.releases.release(held, JANE)
    with pytest.raises(NotFound, match="no message 1"):
        await place.house.releases.release(held, "ada")
    assert len(await place.house.inbox(jane)) == 1


async def test_a_release_to_another_host_is_queued_as_new() -> None:
    place = Place()
    await place.begin(system='quarantine "q";')
    ours = replace(place.house.session(), relay="network")
    await place.house.deliver("x@faraway.test", session=ours)
    place.house.clock.advance(86_400 * 20)
    (held,) = await place.held()
    assert isinstance(held.onward, ToQueue)
    await place.house.releases.release(held, "ada")
    (message,) = await place.house.spool.listing()
    assert message.queued_at == place.house.clock.now()


async def test_a_filter_that_refuses_on_release_ends_it_and_only_known_senders_are_told() -> None:
    for spf, told in (("pass", 1), ("", 0), ("softfail", 0)):
        place = Place()
        jane = await place.begin(domain='reject "Not wanted";')
        held = replace(await junk_for(place, jane, kind="filter", spf=spf), stage="priority-filters")
        done = await place.house.releases.release(held, "ada")
        assert (done.outcome, await place.held(), await place.house.inbox(jane)) == ("refused", [], [])
        assert len(place.house.sink.accepted) == told


async def test_a_message_dropped_on_release_is_gone() -> None:
    place = Place(outbreak=True)
    await place.begin()
    await place.house.deliver(JANE)
    place.scanner.work = lambda _: (Discard(Reason("antivirus", "signature", "EICAR")),)
    place.house.clock.advance(100)
    await place.house.releases.release_due()
    assert (await place.held(), (await place.records())[0].outcome) == ([], "discarded")


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"spf": "pass"}, 1), ({"spf": "", "trusted": True}, 1), ({"spf": "none"}, 0), ({"spf": "fail", "dmarc": "pass"}, 0)],
)
async def test_a_rejected_message_goes_back_to_a_sender_that_is_known_and_to_nobody_else(
    changed: dict[str, object], told: int
) -> None:
    place = Place()
    jane = await place.begin()
    held = await junk_for(place, jane, kind="filter", **changed)
    done = await place.house.releases.reject(held, "ada", "Not allowed here")
    assert (done.outcome, await place.held()) == ("refused", [])
    notices = place.house.sink.accepted
    assert [str(each.destinations[0].recipient) for each in notices] == [LENA] * told
    assert all(b"Not allowed here" in notice.content and notice.sender.address is None for notice in notices)


async def test_only_what_a_filter_holds_is_rejected() -> None:
    place = Place()
    held = await junk_for(place, await place.begin())
    with pytest.raises(Permanent, match="only what a filter holds"):
        await place.house.releases.reject(held, "ada", "No")


async def test_the_recipient_of_a_virus_is_informed_and_a_known_sender_asked_for_a_clean_copy() -> None:
    place = Place()
    jane = await place.begin()
    held = await junk_for(place, jane, kind="virus")
    await place.house.releases.inform(held, "ada", sender=False)
    (content,) = await place.house.inbox(jane)
    assert b"was not delivered" in content and b"60 points" in content and content.startswith(b"Return-Path: <>")
    notice = await place.house.releases.inform(held, "ada", sender=True)
    assert str(notice.destinations[0].recipient) == LENA
    with pytest.raises(Permanent, match="bystander"):
        await place.house.releases.inform(replace(held, origin=Origin(spf="softfail")), "ada", sender=True)
    assert len(await place.held()) == 1


async def test_a_strangers_subject_cannot_add_lines_to_a_notice() -> None:
    place = Place()
    jane = await place.begin()
    held = replace(await junk_for(place, jane, kind="virus"), subject="x\r\nBcc: all@example.test", author="a\r\nX: y")
    await place.house.releases.inform(held, "ada", sender=False)
    (content,) = await place.house.inbox(jane)
    assert b"\r\nBcc:" not in content and b"\r\nX: y" not in content


async def test_what_nobody_wants_expires_by_kind_with_a_line_in_the_trace() -> None:
    place = Place()
    jane = await place.begin()
    await junk_for(place, jane)
    await junk_for(place, jane, kind="filter")
    place.house.clock.advance(15 * 86_400)
    assert await place.house.releases.expire({"junk": 14, "filter": 30, "virus": 0}) == 1
    assert [each.kind for each in await place.held()] == ["filter"]
    assert (await place.records())[0].steps[0].detail == "held for 14 days"


def test_each_kind_is_walked_on_by_the_stages_that_still_concern_it() -> None:
    names = [stage.name for stage in stages(House().parts)]
    kind: QuarantineKind
    assert going_on_of("junk", "senders", names) <= {"attachments", "antivirus", "sign", "dispose"}
    for kind, stage in (("filter", "priority-filters"), ("outbreak", "outbreak"), ("filter", "unknown")):
        chosen = going_on_of(kind, stage, names)
        assert {"user-filters", "domain-filters", "dispose"} <= chosen
        assert "envelope" not in chosen and "authenticate" not in chosen
    assert "domain-filters" not in going_on_of("filter", "domain-filters", names)


def going_on_of(kind: QuarantineKind, stage: str, names: Sequence[str]) -> frozenset[str]:
    recipient = Recipient(Address.parse(JANE))
    held = HeldMessage(
        1, "T", kind, kind, recipient, 0, "", None, Sender(None), Origin(), stage, "", "", 1, 0, 0.0, 0.0, 0.0, "", ""
    )
    return going_on(held, names)
