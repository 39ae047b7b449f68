"""What stages between the filters may do with a message: hold it, change it, decide for one recipient (CON order, QTN-1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from posthouse.content.sieve.actions import TagSubject
from posthouse.formats.mime import summarise
from posthouse.model.account import Account
from posthouse.model.mailbox import INBOX
from posthouse.model.plan import Destination, ToMailbox, ToQuarantine, ToQueue
from posthouse.model.script import SYSTEM, ScriptOwner
from posthouse.model.session import Session
from posthouse.model.trace import TraceQuery
from posthouse.model.verdict import Hold, Reason, Reply, Tag, Verdict
from posthouse.pipeline.copies import Forms
from posthouse.pipeline.driver import Driver
from posthouse.pipeline.path import stages
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction
from support.house import House

JANE, OMAR = "jane@example.test", "omar@example.test"
USUAL = 'require ["vnd.posthouse.filter", "fileinto", "mailbox", "reject", "editheader", "envelope"];\n'
POLICY = 'require "vnd.posthouse.policy";\n'
WHY = Reason("scanner", "signature", "EICAR found")
Work = Callable[[Transaction], Sequence[Verdict]]


class Scanner(Stage):
    """Does what the test says, where scanners stand."""

    name = "scanner"
    is_check = True

    def __init__(self, work: Work) -> None:
        self.work = work
        self.asked = 0

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        self.asked += 1
        return self.work(transaction)


def walked_by(house: House, stage: Stage, before: str = "domain-filters") -> None:
    """Puts a stage into the house's path."""
    path = [each for found in stages(house.parts) for each in ((stage, found) if found.name == before else (found,))]
    house.driver = Driver(
        path,
        settings=lambda: house.settings,
        clock=house.clock,
        ids=house.ids,
        traces=house.traces,
        node_name="mx.example.test",
    )


async def house_of(work: Work, before: str = "domain-filters", **scripts: str) -> tuple[House, Account, Scanner]:
    house = House()
    jane, _ = await house.add_user(JANE), await house.add_user(OMAR)
    owners = {
        "system": SYSTEM,
        "domain": ScriptOwner("domain", jane.domain_id),
        "jane": ScriptOwner("user", jane.account_id),
    }
    for level, text in scripts.items():
        await house.scripts.put_script(owners[level], level, (POLICY if level != "jane" else "") + USUAL + text, 0.0)
        await house.scripts.activate(owners[level], level)
    scanner = Scanner(work)
    walked_by(house, scanner, before)
    return house, jane, scanner


def destinations(house: House) -> list[Destination]:
    return [each for acceptance in house.sink.accepted for each in acceptance.destinations]


async def outcome(house: House) -> str:
    [found] = await house.traces.search(TraceQuery(recipient=JANE))
    return found.outcome


async def test_a_held_message_is_one_durable_unit_with_a_quarantine_for_each_recipient() -> None:
    house, jane, _ = await house_of(lambda _: [Hold("outbreak", WHY, release_at=1234.0)], domain='reject "never asked";')
    await house.directory.put_alias(jane.address.with_local("all"), [jane.address, jane.address.with_local("omar")])
    reply = await house.deliver("all@example.test", "x@faraway.test", session=_ours(house))
    assert reply.code == 250
    [acceptance] = house.sink.accepted
    assert all(isinstance(each, ToQuarantine) for each in acceptance.destinations)
    held = [each for each in acceptance.destinations if isinstance(each, ToQuarantine)]
    assert [(each.kind, each.name, each.stage, each.rule, each.why, each.release_at) for each in held] == [
        ("outbreak", "outbreak", "scanner", "signature", "EICAR found", 1234.0)
    ] * 3
    assert [type(each.onward) for each in held] == [ToMailbox, ToMailbox, ToQueue]
    assert await house.inbox(jane) == []


async def test_the_trace_of_a_held_message_says_held_and_why() -> None:
    house, _, _ = await house_of(lambda _: [Hold("virus", WHY)])
    assert (await house.deliver(JANE)).code == 250
    [found] = await house.traces.search(TraceQuery(recipient=JANE))
    assert found.outcome == "held"
    assert ("scanner", "signature", "hold", "EICAR found") in [
        (step.stage, step.rule, step.verdict, step.detail) for step in found.steps
    ]


async def test_a_system_filter_that_delivers_now_spares_every_later_check() -> None:
    house, jane, scanner = await house_of(lambda _: [Hold("virus", WHY)], system="delivernow;", jane="discard;")
    await house.deliver(JANE)
    assert (scanner.asked, len(await house.inbox(jane))) == (0, 1)


async def test_quarantine_holds_whatever_else_the_script_keeps() -> None:
    script = 'addheader "X-Seen" "1"; quarantine "suspicious"; fileinto "News"; keep;'
    house, jane, _ = await house_of(lambda _: (), system=script)
    assert (await house.deliver(JANE, OMAR)).code == 250
    [acceptance] = house.sink.accepted
    assert b"\r\nX-Seen: 1\r\n" in acceptance.content
    assert [(each.name, each.kind) for each in acceptance.destinations if isinstance(each, ToQuarantine)] == [
        ("suspicious", "filter"),
        ("suspicious", "filter"),
    ]
    assert (await outcome(house), await house.inbox(jane)) == ("held", [])


async def test_a_domains_filter_holds_for_one_recipient_and_the_other_gets_it() -> None:
    house, _, _ = await house_of(lambda _: (), domain='if envelope "to" "jane@example.test" { quarantine "q"; }')
    assert (await house.deliver(JANE, OMAR)).code == 250
    assert sorted(type(each).__name__ for each in destinations(house)) == ["ToMailbox", "ToQuarantine"]
    assert await outcome(house) == "accepted"


async def test_delay_holds_back_until_the_time_has_come() -> None:
    house, _, _ = await house_of(lambda _: (), system="delay 600;")
    await house.deliver(JANE)
    [held] = destinations(house)
    assert isinstance(held, ToQuarantine)
    assert (held.kind, held.name, held.release_at) == ("filter", "delayed", house.clock.now() + 600)


async def test_a_change_of_every_form_reaches_every_recipient() -> None:
    def strip(transaction: Transaction) -> Sequence[Verdict]:
        for form in transaction.forms:
            content = form.content.replace(b"Hi.", b"**.")
            form.become(content, summarise(content))
        return [Tag("X-Scanned", "yes", WHY)]

    house, jane, _ = await house_of(
        strip, system='wiretap "audit@faraway.test"; tagsubject "[in] ";', jane='addheader "X-Mine" "1";'
    )
    await house.deliver(JANE, OMAR)
    contents = [acceptance.content for acceptance in house.sink.accepted]
    assert len(contents) == 3
    assert all(b"**." in content and b"Hi." not in content for content in contents)
    assert all(content.count(b"X-Scanned: yes\r\n") == 1 for content in contents)
    assert all(acceptance.summary == summarise(acceptance.content) for acceptance in house.sink.accepted)
    assert b"X-Mine: 1" in (await house.inbox(jane))[0]


async def test_a_stage_changes_and_moves_one_recipients_copy_and_a_keep_means_the_new_place() -> None:
    class Junk(Scanner):
        async def message(self, transaction: Transaction) -> Sequence[Verdict]:
            for copy in transaction.open_copies():
                if isinstance(copy.destination, ToMailbox) and copy.destination.account == JANE:
                    copy.destination = replace(copy.destination, mailbox="Junk Mail")
                    copy.form = await Forms(transaction.forms).changed(copy.form, [TagSubject("Spam? ")])
            return ()

    house, jane, _ = await house_of(lambda _: (), jane="keep;")
    omar = await house.directory.account(jane.address.with_local("omar"))
    assert omar is not None
    walked_by(house, Junk(lambda _: ()), "user-filters")
    await house.deliver(JANE, OMAR)
    assert (len(await house.inbox(jane)), len(await house.inbox(omar))) == (0, 1)
    [content] = await house.inbox(jane, "Junk Mail")
    assert b"\r\nSubject: Spam? Hello\r\n" in content


async def test_refusals_of_different_stages_refuse_in_the_session_when_nobody_keeps_a_copy() -> None:
    def refuse_omar(transaction: Transaction) -> Sequence[Verdict]:
        for copy in transaction.open_copies():
            if copy.destination.recipient.address.local == "omar":
                transaction.refuse(copy, Reply(550, "5.7.1", "Not for Omar"), "as the test says")
        return transaction.nobody_keeps("scanner")

    house, _, _ = await house_of(refuse_omar, jane='reject "Not for Jane";')
    reply = await house.deliver(JANE, OMAR)
    assert (reply.code, reply.text, house.sink.accepted) == (550, "Not for Omar", [])
    house, _, _ = await house_of(refuse_omar)
    assert (await house.deliver(JANE, OMAR)).code == 250
    main, notice = house.sink.accepted
    assert [type(each).__name__ for each in main.destinations] == ["ToMailbox", "ToNowhere"]
    assert b"Not for Omar" in notice.content


@pytest.mark.parametrize("virus", [0, 5])
async def test_scripts_see_what_the_stages_before_them_found(virus: int) -> None:
    def found(transaction: Transaction) -> Sequence[Verdict]:
        transaction.virus, transaction.score = virus, 40.0
        return ()

    script = 'require ["virustest", "relational", "comparator-i;ascii-numeric", "vnd.posthouse.filter"];\n'
    script += 'if allof(virustest :value "eq" :comparator "i;ascii-numeric" "5", score :atleast 40) { discard; }'
    house, jane, _ = await house_of(found)
    await house.scripts.put_script(ScriptOwner("user", jane.account_id), "main", script, 0.0)
    await house.scripts.activate(ScriptOwner("user", jane.account_id), "main")
    await house.deliver(JANE)
    assert len(await house.inbox(jane, INBOX)) == (0 if virus else 1)


def _ours(house: House) -> Session:
    return replace(house.session(), relay="network")
