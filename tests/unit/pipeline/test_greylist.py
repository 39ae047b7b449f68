"""The greylist stage on the whole path in memory, by a clock driven by hand: who waits, who never does, what the trace says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from posthouse.backends.memory.triplets import MemoryTriplets
from posthouse.base.errors import Temporary
from posthouse.base.settings import Value
from posthouse.interfaces.triplets import Triplets
from posthouse.model.address import Address
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mail_authentication import AuthReport, DkimResult, DmarcResult
from posthouse.model.trace import TraceQuery, TraceStep
from posthouse.model.triplet import Outcome, Reputation, Terms, Triplet, TripletQuery
from posthouse.model.verdict import Reply
from posthouse.pipeline.greylist_praise import GreylistPraise
from support.house import House

WAIT = Reply(450, "4.7.1", "mailbox temporarily unavailable")
HOUR = 3600.0
DAY = 86_400.0


async def house(settings: Mapping[str, Value] | None = None, /, *, triplets: Triplets | None = None, **more: Value) -> House:
    """With jane and omar, and greylisting on."""
    made = House(triplets=triplets or MemoryTriplets())
    await made.add_user("jane@example.test")
    await made.add_user("omar@example.org")
    for name, value in {"mode": "on", **(settings or {}), **more}.items():
        made.set(f"greylist.{name}", value)
    return made


async def code(made: House, recipient: str = "jane@example.test", **options: object) -> int:
    return (await made.deliver(recipient, **options)).code  # type: ignore[arg-type]


async def steps(made: House) -> Sequence[TraceStep]:
    """What greylisting said of the newest message."""
    newest = (await made.traces.search(TraceQuery(limit=1)))[0]
    return [step for step in newest.steps if step.stage == "greylist"]


@pytest.mark.spec_part("GRY-1")
async def test_a_stranger_waits_comes_back_in_the_window_and_is_known_from_then_on() -> None:
    made = await house()
    assert await made.deliver("jane@example.test") == WAIT
    made.clock.advance(299)
    assert await made.deliver("jane@example.test") == WAIT
    made.clock.advance(1)
    assert await code(made) == 250
    assert await code(made) == 250
    made.clock.advance(36 * DAY)
    assert await code(made) == 250
    made.clock.advance(36 * DAY + 1)
    assert await made.deliver("jane@example.test") == WAIT


@pytest.mark.spec_part("GRY-1")
async def test_a_retry_after_the_window_begins_anew() -> None:
    made = await house()
    assert await code(made) == 450
    made.clock.advance(12 * HOUR + 1)
    assert await code(made) == 450
    made.clock.advance(300)
    assert await code(made) == 250


@pytest.mark.spec_part("GRY-1")
async def test_each_part_of_the_triplet_counts() -> None:
    made = await house()
    await code(made)
    made.clock.advance(600)
    assert await code(made, session=made.session(client="192.0.3.9")) == 450
    assert await code(made, sender="other@elsewhere.test") == 450
    assert await code(made, "omar@example.org") == 450
    assert await code(made, session=made.session(client="192.0.2.77")) == 250, "the same /24"
    assert await code(made, sender="LENA@Elsewhere.test") == 250


async def test_greylisting_is_off_until_it_is_enabled() -> None:
    made = await house(mode="off")
    assert await code(made) == 250
    assert not await steps(made)


async def test_only_port_25_greylists() -> None:
    made = await house()
    assert await code(made, session=made.session("lmtp")) == 250
    assert await code(made, session=made.session("submission", account="jane@example.test")) == 250


async def test_nothing_is_remembered_of_recipients_that_do_not_exist() -> None:
    made = await house()
    assert await code(made, "nobody@example.test") == 550
    assert not await made.triplets.find(TripletQuery())


SPEC_EXEMPTIONS: list[tuple[dict[str, Value], dict[str, object], str]] = [
    ({"allowed_senders": ("lena@elsewhere.test",)}, {}, "exempt"),
    ({"allowed_senders": ("elsewhere.test",)}, {}, "exempt"),
    ({"allowed_senders": ("elsewhere.test",)}, {"sender": "x@sub.elsewhere.test"}, "exempt"),
    ({"allowed_senders": ("192.0.2.0/28",)}, {}, "exempt"),
    ({"allowed_senders": ("192.0.",)}, {}, "exempt"),
    ({"allowed_senders": ("friend.test",)}, {"host": "mx1.friend.test"}, "exempt"),
    ({"exempt_recipients": ("jane@example.test",)}, {}, "exempt"),
    ({"exempt_recipients": ("example.test",)}, {}, "exempt"),
    ({"exempt_recipients": ("jane@",)}, {}, "exempt"),
    ({"exempt_clients": ("192.0.2.9",)}, {}, "exempt"),
    ({}, {"client": "127.0.0.1"}, "exempt"),
    ({}, {"client": "::ffff:127.0.0.1"}, "exempt"),
    ({}, {"account": "omar@example.org"}, "exempt"),
    ({}, {"relay": "network"}, "exempt"),
    ({"null_sender": "exempt"}, {"sender": ""}, "exempt"),
    ({"allowed_senders": ("elsewhere.test",)}, {"sender": "x@notelsewhere.test"}, "unknown"),
    ({"allowed_senders": ("test",)}, {"sender": ""}, "unknown"),
    ({"allowed_senders": ("192.0.3.0/24",)}, {}, "unknown"),
    ({"exempt_clients": ()}, {"client": "127.0.0.1"}, "unknown"),
    ({"exempt_authenticated": False}, {"account": "omar@example.org"}, "unknown"),
    ({"exempt_relays": False}, {"relay": "network"}, "unknown"),
    ({}, {"sender": ""}, "unknown"),
]


@pytest.mark.spec_part("GRY-2")
@pytest.mark.parametrize(("settings", "attempt", "rule"), SPEC_EXEMPTIONS)
async def test_who_never_waits(settings: dict[str, Value], attempt: dict[str, object], rule: str) -> None:
    made = await house(settings)
    host = str(attempt.get("host", ""))
    made.resolver.records = {("192.0.2.9", "PTR"): (host,), (host, "A"): ("192.0.2.9",)} if host else {}
    session = made.session(client=str(attempt.get("client", "192.0.2.9")))
    session = replace(session, account=str(attempt.get("account", "")), relay=str(attempt.get("relay", "")))
    reply = await made.deliver("jane@example.test", sender=str(attempt.get("sender", "lena@elsewhere.test")), session=session)
    assert reply.code == (250 if rule == "exempt" else 450)
    [step] = await steps(made)
    assert step.rule == rule
    assert bool(await made.triplets.find(TripletQuery())) == (rule != "exempt")


async def test_trusted_networks_never_wait() -> None:
    made = await house()
    made.set("smtp.trusted_networks", ("192.0.2.0/24",))
    assert await code(made) == 250


@pytest.mark.spec_part("GRY-2")
@pytest.mark.parametrize(
    ("settings", "first", "second", "same"),
    [
        ({"ignore_recipient": True}, {"recipient": "jane@example.test"}, {"recipient": "omar@example.org"}, True),
        ({}, {"recipient": "jane@example.test"}, {"recipient": "omar@example.org"}, False),
        ({"ipv4_bits": 32}, {"client": "192.0.2.1"}, {"client": "192.0.2.2"}, False),
        ({"ipv4_bits": 16}, {"client": "192.0.2.1"}, {"client": "192.0.99.2"}, True),
        ({}, {"client": "2001:db8::1"}, {"client": "2001:db8::2:3"}, True),
        ({}, {"client": "2001:db8::1"}, {"client": "2001:db8:0:1::1"}, False),
        ({"ipv6_bits": 48}, {"client": "2001:db8::1"}, {"client": "2001:db8:0:1::1"}, True),
        ({}, {"sender": "b-20391-7@list.test"}, {"sender": "b-88100-7@list.test"}, True),
        ({"variable_senders": False}, {"sender": "b-20391-7@list.test"}, {"sender": "b-88100-7@list.test"}, False),
        ({"earliest_s": 0.0}, {}, {}, True),
    ],
)
async def test_settings_say_what_is_compared(
    settings: dict[str, Value], first: dict[str, str], second: dict[str, str], *, same: bool
) -> None:
    made = await house(settings)
    codes = []
    for attempt in (first, second):
        session = made.session(client=attempt.get("client", "192.0.2.9"))
        recipient = attempt.get("recipient", "jane@example.test")
        codes.append(await code(made, recipient, sender=attempt.get("sender", "lena@elsewhere.test"), session=session))
        made.clock.advance(600)
    assert codes == [450, 250 if same else 450]


@pytest.mark.spec_part("GRY-2")
async def test_window_and_lifetime_are_settings_that_hold_at_once() -> None:
    made = await house(earliest_s=10.0, latest_s=20.0, lifetime_s=100.0)
    await code(made)
    made.clock.advance(21)
    assert await code(made) == 450
    made.clock.advance(10)
    assert await code(made) == 250
    made.clock.advance(101)
    assert await code(made) == 450
    made.set("greylist.earliest_s", 1.0)
    made.clock.advance(1)
    assert await code(made) == 250


@pytest.mark.spec_part("GRY-2")
async def test_a_client_is_allowed_after_as_many_valid_triplets_as_are_set() -> None:
    made = await house(auto_allow=2, exempt_reputation=0)
    for sender in ("a@elsewhere.test", "b@elsewhere.test"):
        await code(made, sender=sender)
    made.clock.advance(600)
    assert await code(made, sender="a@elsewhere.test") == 250
    assert await code(made, sender="c@elsewhere.test") == 450
    assert await code(made, sender="b@elsewhere.test") == 250
    assert await code(made, sender="d@elsewhere.test") == 250
    assert (await steps(made))[0].rule == "client"


# SPF and reputation


def publish_spf(made: House, record: str = "v=spf1 ip4:192.0.2.0/24 -all") -> None:
    made.resolver.records["elsewhere.test", "TXT"] = (record,)


@pytest.mark.spec_part("GRY-2")
async def test_senders_that_pass_spf_never_wait_if_that_is_set() -> None:
    made = await house(exempt_spf=True)
    publish_spf(made)
    assert await code(made) == 250
    assert (await steps(made))[0].rule == "reputation"
    assert await code(made, session=made.session(client="203.0.113.5")) == 450
    made = await house()
    publish_spf(made)
    assert await code(made) == 450


@pytest.mark.spec_part("GRY-2")
async def test_a_domain_whose_signed_mail_came_from_this_network_does_not_wait() -> None:
    made = await house(exempt_reputation=3)
    await made.triplets.praise("elsewhere.test", "192.0.2.0/24", made.clock.now(), 30 * DAY, 3)
    assert await code(made, sender="anyone@elsewhere.test") == 250
    made.clock.advance(31 * DAY)
    assert await code(made, sender="anyone@elsewhere.test") == 450


@pytest.mark.spec_part("GRY-2")
async def test_a_forged_name_gains_nothing_from_a_domains_reputation() -> None:
    """The attack: MAIL FROM of a well-known domain, from a network that never sent its mail."""
    made = await house(exempt_reputation=3)
    publish_spf(made)
    await made.triplets.praise("elsewhere.test", "198.51.100.0/24", made.clock.now(), 30 * DAY, 99)
    assert await code(made, session=made.session(client="203.0.113.5")) == 450
    assert await code(made, session=made.session(client="192.0.2.9")) == 250, "where SPF passes, it counts"


def signed(result: str = "pass", domain: str = "elsewhere.test", dmarc: str = "none") -> AuthReport:
    signature = DkimResult(result, domain, "s1")  # type: ignore[arg-type]
    return AuthReport(dkim=(signature,), dmarc=DmarcResult(dmarc, "elsewhere.test"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("report", "score", "counts"),
    [
        (signed(), None, 1),
        (signed(), 49.0, 1),
        (signed(), 50.0, 0),
        (signed("fail"), None, 0),
        (signed(domain="other.test"), None, 0),
        (signed(dmarc="fail"), None, 0),
        (None, None, 0),
    ],
)
async def test_only_good_signed_mail_makes_a_reputation(report: AuthReport | None, score: float | None, counts: int) -> None:
    made = await house()
    transaction, _ = await made.driver.begin(made.session(), Sender(Address.parse("lena@elsewhere.test")))
    transaction.auth, transaction.score = report, score
    await GreylistPraise(made.parts.settings, made.triplets, made.clock).message(transaction)
    found = await made.triplets.reputation("elsewhere.test", "192.0.2.0/24", made.clock.now())
    assert found == Reputation(counts, counts)


# Null senders


async def test_a_null_sender_waits_by_recipient_like_others() -> None:
    made = await house()
    assert await code(made, sender="") == 450
    made.clock.advance(600)
    assert await code(made, sender="") == 250
    assert await code(made, "omar@example.org", sender="") == 450


async def test_callouts_succeed_and_bounces_wait_where_that_is_set() -> None:
    made = await house(null_sender="message")
    transaction, refused = await made.driver.begin(made.session(), Sender(None))
    assert refused is None
    assert await made.driver.recipient(transaction, Recipient(Address.parse("jane@example.test"))) is None
    made.driver.abandon(transaction, "RSET")
    assert await made.deliver("jane@example.test", sender="") == WAIT
    made.clock.advance(600)
    assert await code(made, sender="") == 250


# Learning


@pytest.mark.spec_part("GRY-4")
async def test_learning_delays_nothing_and_records_what_would_have_waited() -> None:
    made = await house(mode="learning")
    assert await code(made) == 250
    [step] = await steps(made)
    assert (step.rule, step.verdict) == ("learning", "pass")
    assert "would have waited" in step.detail
    made.clock.advance(3 * DAY)
    assert await code(made) == 250
    assert (await steps(made))[0].rule == "retried"
    made.set("greylist.mode", "on")
    assert await code(made) == 250, "who wrote again while learning does not wait"
    assert await code(made, sender="other@elsewhere.test") == 450


# Failing


class Broken(MemoryTriplets):
    """A database that is away, or hangs, while ``fails``."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = True
        self.hangs = False
        self.asked = 0

    async def decide(self, asked: Sequence[Triplet], at: float, terms: Terms) -> Sequence[Outcome]:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(30)
        if self.fails:
            raise Temporary("no", cause="connection refused")
        return await super().decide(asked, at, terms)


async def broken_house(**settings: Value) -> tuple[House, Broken]:
    triplets = Broken()
    return await house(settings, triplets=triplets, exempt_reputation=0), triplets


@pytest.mark.spec_part("GRY-3")
async def test_a_failing_database_lets_mail_in_and_the_trace_says_so() -> None:
    made, _ = await broken_house()
    assert await code(made) == 250
    [step] = await steps(made)
    assert step.rule == "fail-open"
    assert "connection refused" in step.detail


@pytest.mark.spec_part("GRY-3")
async def test_a_database_that_hangs_costs_a_bounded_time_and_then_none() -> None:
    made, triplets = await broken_house(timeout_s=0.05)
    triplets.hangs = True
    started = asyncio.get_running_loop().time()
    assert [await code(made) for _ in range(20)] == [250] * 20
    assert asyncio.get_running_loop().time() - started < 5.0
    assert triplets.asked == 3, "after three failures it is left alone"
    assert "resting" in (await steps(made))[0].detail


async def test_a_database_that_comes_back_is_used_again() -> None:
    made, triplets = await broken_house()
    for _ in range(5):
        await code(made)
    triplets.fails = False
    assert await code(made) == 250, "still resting"
    made.clock.advance(6)
    assert await code(made) == 450
    assert await code(made, sender="other@elsewhere.test") == 450
