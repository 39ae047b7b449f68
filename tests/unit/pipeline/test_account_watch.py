"""Stolen accounts: what is noticed, what is held, what goes on, and what administrators can do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from posthouse.base.errors import MailError, Temporary
from posthouse.base.settings import Value
from posthouse.directory.behaviour import place_of
from posthouse.model.account_hold import AccountHold
from posthouse.model.address import Address
from posthouse.model.session import Session
from posthouse.model.spam import RuleHit, ScoredMail, SpamReport
from posthouse.model.trace import TraceQuery
from posthouse.model.verdict import Reply
from posthouse.pipeline.account_watch import BY_HAND, STOPPED
from posthouse.pipeline.path import stages
from posthouse.pipeline.recall import recall
from support.house import House

JANE, OMAR, OUT = "jane@example.test", "omar@example.test", "ann@far.test"
HOME, AWAY = "198.51.100.7", "203.0.113.66"
DAY = 86_400.0


async def house(**settings: Value) -> House:
    made = House()
    for user in (JANE, OMAR):
        await made.add_user(user)
    for name, value in settings.items():
        made.set(f"watch.{name}", value)
    return made


async def login(made: House, account: str = JANE, client: str = HOME) -> Session:
    found = await made.directory.account(Address.parse(account))
    assert found is not None
    session = made.session("submission", client=client, account=account)
    session.account_id = found.account_id
    return session


async def send(made: House, *to: str, account: str = JANE, client: str = HOME) -> Reply:
    content = f"From: {account}\r\nSubject: Hello\r\n\r\nHi.\r\n".encode()
    session = await login(made, account, client)
    return await made.deliver(*(to or (OUT,)), sender=account, content=content, session=session)


async def sent_before_refused(made: House, most: int, **how: str) -> int:
    """How many messages get through, of at most so many."""
    for number in range(most):
        if (await send(made, **how)).code != 250:
            return number
    return most


async def settled(made: House) -> House:
    """Jane has sent from home for days."""
    await send(made)
    made.clock.advance(3 * DAY)
    return made


# What is noticed


@pytest.mark.spec_part("OUT-5")
async def test_an_account_that_suddenly_sends_much_is_stopped_and_its_queue_held() -> None:
    made = await settled(await house(messages=20))
    assert await sent_before_refused(made, 50) == 20
    reply = await send(made)
    assert (reply.code, reply.enhanced) == (550, "5.7.13")
    assert reply == STOPPED
    assert "ask your administrator" in reply.text
    [hold] = await made.holds.holds()
    assert (hold.account, hold.sign, hold.client, hold.who) == (JANE, "messages", HOME, "watch")
    assert "21 messages within an hour" in hold.why
    assert (await made.spool.count()) == {"held": 21}, "all that is queued, also from before"
    assert made.alerts == [hold], "one alert, however often it is tried"
    assert (await send(made, account=OMAR)).code == 250, "others go on"


@pytest.mark.spec_part("OUT-5")
async def test_the_attack_a_stolen_password_used_from_a_new_network_is_stopped_much_sooner() -> None:
    made = await settled(await house(messages=100, unfamiliar_share=10))
    assert await sent_before_refused(made, 100, client=AWAY) == 10
    [hold] = await made.holds.holds()
    assert "networks that are new to the account" in hold.why


async def test_an_owner_on_a_journey_sends_as_much_as_people_do() -> None:
    made = await settled(await house(messages=100, unfamiliar_share=10))
    assert await sent_before_refused(made, 10, client=AWAY) == 10
    made.clock.advance(DAY + 1)
    assert await sent_before_refused(made, 100, client=AWAY) == 100, "by now it is familiar"


async def test_the_first_network_of_a_new_account_is_familiar() -> None:
    made = await house(messages=30)
    assert await sent_before_refused(made, 30, client=AWAY) == 30


async def test_an_hour_later_counts_begin_anew() -> None:
    made = await house(messages=5)
    assert await sent_before_refused(made, 5) == 5
    made.clock.advance(3601)
    assert (await send(made)).code == 250


@pytest.mark.spec_part("OUT-5")
async def test_recipients_count_each() -> None:
    made = await house(recipients=9)
    five = [f"r{number}@far.test" for number in range(5)]
    assert [(await send(made, *five)).code, (await send(made, *five)).code] == [250, 550]
    assert (await made.holds.holds())[0].sign == "recipients"


async def test_the_attack_a_thief_who_takes_their_time() -> None:
    made = await settled(await house(messages=100, day_recipients=500))
    codes = []
    for _ in range(34):
        codes.append((await send(made, "a@far.test", "b@far.test", "c@far.test", client=AWAY)).code)
        made.clock.advance(600)
    assert codes == [250] * 33 + [550]
    assert "102 recipients within a day from networks that are new" in (await made.holds.holds())[0].why


async def test_the_attack_refused_messages_count_too() -> None:
    """A thief whose mail is refused for what is in it goes on trying: that is counted as if it had gone."""
    made = await house(messages=5, spam=0)
    made.set("antispam.outgoing", "refuse")
    made.engines = [Points(500.0)]
    codes = [(await send(made)).enhanced for _ in range(6)]
    assert codes == ["5.7.1"] * 5 + ["5.7.13"]


class Points:
    """Gives every message so many points."""

    name = "points"
    is_here = True

    def __init__(self, points: float) -> None:
        self.points = points

    async def score(self, mail: ScoredMail) -> SpamReport:
        return SpamReport("points", (RuleHit("TEST", self.points, "test"),))


@pytest.mark.spec_part("OUT-5")
@pytest.mark.parametrize(("mode", "code"), [("mark", 250), ("refuse", 550)])
async def test_spam_counts_where_outgoing_mail_is_scored(mode: str, code: int) -> None:
    made = await house(spam=3)
    made.set("antispam.outgoing", mode)
    made.engines = [Points(60.0)]
    assert [(await send(made, client="127.0.0.1")).code for _ in range(3)] == [code] * 3
    assert (await send(made, client="127.0.0.1")).enhanced == "5.7.13", "from wherever"
    assert (await made.holds.holds())[0].sign == "spam"


@pytest.mark.spec_part("OUT-5")
async def test_the_attack_many_networks_at_once() -> None:
    """A botnet sends one message from each of its networks: no rate is passed."""
    made = await settled(await house(networks=5))
    replies = [await send(made, client=f"10.{number}.0.1") for number in range(6)]
    assert [reply.code for reply in replies] == [250] * 5 + [550]
    assert (await made.holds.holds())[0].sign == "networks"


async def test_many_addresses_of_one_network_count_by_their_own_measure() -> None:
    made = await settled(await house(clients=4))
    replies = [await send(made, client=f"10.0.0.{number}") for number in range(1, 6)]
    assert [reply.code for reply in replies] == [250] * 4 + [550]
    assert (await made.holds.holds())[0].sign == "clients"


async def test_networks_of_one_country_are_one_place_where_there_is_a_table() -> None:
    made = await house(networks=2)
    made.countries = {f"10.{number}.0.1": "nl" for number in range(20)} | {
        f"11.{number}.0.1": f"x{number}" for number in range(9)
    }
    await send(made, client="10.0.0.1")
    made.clock.advance(3 * DAY)
    for number in range(8):
        assert (await send(made, client=f"10.{number}.0.1")).code == 250
    assert [(await send(made, client=f"11.{number}.0.1")).code for number in range(3)] == [250, 250, 550]


@pytest.mark.parametrize(
    ("address", "network", "client"),
    [
        ("192.0.2.9", "net 192.0.0.0/16", "client 192.0.2.9"),
        ("::ffff:192.0.2.9", "net 192.0.0.0/16", "client 192.0.2.9"),
        ("2001:db8:1:2:3::4", "net 2001:db8::/32", "client 2001:db8:1:2::/64"),
        ("", "net ", "client "),
    ],
)
def test_a_place_is_a_network_and_a_client(address: str, network: str, client: str) -> None:
    place = place_of(address)
    assert (place.network, place.client) == (network, client)
    assert place_of(address, "nl").network == "country nl"


@pytest.mark.spec_part("OUT-5")
async def test_refusals_elsewhere_count_while_the_account_sends() -> None:
    made = await house(bounces=10)
    await made.hold_desk.bounced(JANE, 50)
    assert not await made.holds.holds(), "it has not sent anything of late: old mail comes back"
    await send(made)
    await made.hold_desk.bounced(JANE, 6)
    assert not await made.holds.holds()
    await made.hold_desk.bounced(JANE, 5)
    [hold] = await made.holds.holds()
    assert hold.sign == "bounces"
    await made.hold_desk.bounced(JANE, 5)
    assert len(made.alerts) == 1
    await made.hold_desk.bounced("gone@example.test", 500)
    assert len(await made.holds.holds()) == 1


# What is not watched


@pytest.mark.parametrize(
    "settings", [{"mode": "off"}, {"exempt_accounts": (JANE.upper(),)}, {"exempt_networks": ("198.51.100.0/24",)}]
)
async def test_what_is_exempt_is_not_counted(settings: dict[str, Value]) -> None:
    made = await house(messages=3, **settings)
    assert await sent_before_refused(made, 10) == 10


async def test_strangers_and_hosts_that_relay_are_no_accounts() -> None:
    made = await house(messages=1)
    for _ in range(4):
        assert (await made.deliver(JANE)).code == 250


@pytest.mark.spec_part("OUT-5")
async def test_where_alerts_alone_are_set_mail_goes_on() -> None:
    made = await house(messages=3, mode="alert")
    assert await sent_before_refused(made, 8) == 8
    assert len(made.alerts) == 1, "one in an hour"
    assert made.alerts[0].released_at
    assert not await made.holds.holds()
    assert [each.sign for each in await made.holds.holds(past=True)] == ["messages"]
    assert await made.spool.count() == {"waiting": 8}


# The hold


async def hold(made: House, account: str = JANE) -> bool:
    found = await made.directory.account(Address.parse(account))
    assert found is not None
    return await made.hold_desk.hold(
        AccountHold(found.account_id, account, made.clock.now(), "by-hand", "asked for", who="root")
    )


@pytest.mark.spec_part("OUT-5")
async def test_a_held_account_is_refused_at_mail_from_with_the_reason_in_the_trace() -> None:
    made = await house()
    assert await hold(made)
    assert await send(made) == BY_HAND
    [record] = await made.traces.search(TraceQuery(account=JANE))
    assert [step.detail for step in record.steps if step.stage == "account-watch"] == ["held by root: asked for"]
    assert not await hold(made), "held already"


async def test_the_attack_a_transaction_that_was_open_before_the_hold() -> None:
    """The thief has said MAIL and RCPT, and gives the message once the account is held."""
    from posthouse.model.envelope import Recipient, Sender

    made = await house()
    transaction, _ = await made.driver.begin(await login(made), Sender(Address.parse(JANE)))
    assert await made.driver.recipient(transaction, Recipient(Address.parse(OUT))) is None
    await hold(made)
    assert (await made.driver.message(transaction, b"Subject: x\r\n\r\n")).code == 550


async def test_held_accounts_still_get_mail() -> None:
    made = await house()
    await hold(made)
    assert (await made.deliver(JANE)).code == 250


async def test_sessions_are_told_to_end() -> None:
    made = await house()
    told: list[Mapping[str, object]] = []
    made.bus.subscribe("account-held", told.append)
    await hold(made)
    import asyncio

    await asyncio.sleep(0)
    found = await made.directory.account(Address.parse(JANE))
    assert found is not None
    assert told == [{"account": JANE, "account_id": found.account_id}]


@pytest.mark.spec_part("OUT-5")
@pytest.mark.parametrize(("queue", "left"), [("send", {"waiting": 2}), ("keep", {"held": 2}), ("delete", {})])
async def test_release_lets_the_account_send_and_its_queue_go_or_not(queue: str, left: dict[str, int]) -> None:
    made = await house(messages=2)
    assert await sent_before_refused(made, 5) == 2
    found, _ = await made.hold_desk.release(JANE.upper(), "root", queue)  # type: ignore[arg-type]
    assert found
    assert await made.spool.count() == left
    assert (await send(made)).code == 250, "counts begin anew"
    assert await made.hold_desk.release(JANE, "root") == (False, left.get("held", 0)), "the rest of it"


async def test_a_release_that_a_crash_interrupted_is_finished_by_the_next() -> None:
    made = await house(messages=2)
    assert await sent_before_refused(made, 5) == 2
    await made.holds.release(JANE, "root", 1.0)  # then the node died
    assert await made.hold_desk.release(JANE, "root") == (False, 2)
    assert await made.spool.count() == {"waiting": 2}


async def test_if_it_cannot_be_known_whether_an_account_is_held_the_sender_tries_again() -> None:
    made = await house()

    async def down(_: int) -> AccountHold | None:
        raise Temporary("Database trouble", cause="test")

    made.holds.hold_of = down  # type: ignore[assignment, method-assign]
    assert (await send(made)).code == 451


async def test_if_a_hold_cannot_be_kept_the_message_that_breaks_the_measure_is_put_off() -> None:
    made = await house(messages=1)
    await send(made)

    async def down(_: AccountHold) -> None:
        raise Temporary("The store is not available", cause="test")

    made.parts = replace(made.parts, watch=replace(made.parts.watch, hold=down))
    made.driver._message = stages(made.parts)
    assert (await send(made)).code == 451


# Recall


async def inboxes(made: House, *accounts: str) -> list[int]:
    counts = []
    for text in accounts:
        account = await made.directory.account(Address.parse(text))
        assert account is not None
        counts.append(len(await made.inbox(account)))
    return counts


async def take_back(made: House, *, seen: bool = False, domain: str = "", trace_ids: Sequence[str] = ()) -> list[bool]:
    sent = await made.traces.search(TraceQuery(account=JANE))
    chosen = [each for each in sent if not trace_ids or each.trace_id in trace_ids]
    return [each.taken for each in await recall(made.store, made.onward.own_mail, chosen, seen=seen, domain=domain)]


@pytest.mark.spec_part("OUT-5")
async def test_recall_takes_what_the_account_sent_and_nothing_else() -> None:
    made = await house()
    await made.add_user("kim@other.test")
    await made.directory.put_alias(Address.parse("team@example.test"), [Address.parse(OMAR), Address.parse("kim@other.test")])
    await made.deliver(OMAR)
    made.clock.advance(1)
    await send(made, OMAR)
    made.clock.advance(1)
    await send(made, "team@example.test", OUT)
    made.clock.advance(1)
    await send(made, JANE, account=OMAR)
    await made.deliver(OMAR, "kim@other.test")
    assert await inboxes(made, OMAR, "kim@other.test", JANE) == [4, 2, 1]
    assert await take_back(made, domain="other.test") == [True]
    assert await inboxes(made, OMAR, "kim@other.test", JANE) == [4, 1, 1]
    assert await take_back(made) == [True, True]
    assert await inboxes(made, OMAR, "kim@other.test", JANE) == [2, 1, 1]
    assert await take_back(made) == []


async def test_recall_leaves_what_was_read_unless_told() -> None:
    made = await house()
    await send(made, OMAR)
    account = await made.directory.account(Address.parse(OMAR))
    assert account is not None
    box = await made.store.mailbox(account.account_id, "INBOX")
    assert box is not None
    await made.store.store_flags(box.mailbox_id, [1], "add", ["\\Seen"])
    assert await take_back(made) == [False]
    assert await inboxes(made, OMAR) == [1]
    assert await take_back(made, seen=True) == [True]
    assert await inboxes(made, OMAR) == [0]


async def test_recall_finds_what_was_moved_and_the_attack_quoted_trace_ids_take_nothing() -> None:
    """An answer that quotes the Received field of a recalled message is not that message."""
    made = await house()
    await send(made, OMAR)
    [record] = await made.traces.search(TraceQuery(account=JANE))
    account = await made.directory.account(Address.parse(OMAR))
    assert account is not None
    inbox = await made.store.mailbox(account.account_id, "INBOX")
    assert inbox is not None
    kept = await made.store.create(account.account_id, "Kept")
    await made.store.copy(inbox.mailbox_id, [1], kept.mailbox_id, move=True)
    quoting = f"From: x@y.test\r\nSubject: Re\r\n\r\nReceived: by mx id {record.trace_id};\r\n".encode()
    await made.deliver(OMAR, content=quoting)
    assert await take_back(made) == [True]
    assert await inboxes(made, OMAR) == [1]
    fresh = await made.store.mailbox(account.account_id, "Kept")
    assert fresh is not None
    assert fresh.exists == 0


async def test_a_failing_alert_keeps_no_account_from_being_held() -> None:
    made = await house()

    async def broken(_: AccountHold) -> None:
        raise Temporary("no", cause="test")

    made.hold_desk._tools = replace(made.hold_desk._tools, tell=broken)
    assert await hold(made)
    with pytest.raises(MailError):
        await broken(made.alerts[0] if made.alerts else (await made.holds.holds())[0])
