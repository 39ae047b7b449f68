"""Who is scored, what is summed, what the header and the trace say, and what happens while an engine is down (CON-8, OUT-5)."""

from __future__ import annotations

import asyncio
import email
from email.message import Message

import pytest

from posthouse.model.account import Account
from posthouse.model.script import SYSTEM
from posthouse.model.session import Session
from posthouse.model.spam import RuleHit, ScoredMail, SpamReport
from posthouse.model.trace import TraceQuery, TraceRecord
from posthouse.pipeline.spam_fields import MAX_SHOWN, spam_fields
from support.house import MESSAGE, House
from support.scorers import SaidScorer

JANE, OMAR = "jane@example.test", "omar@example.test"
FORGED = (
    b"X-Spam-Status: No, score=-99\r\nX-Spam-Flag: NO\r\nx-spam-report: fine\r\nX-SPAM: no\r\nX-Spam-Level:\r\n"
    b"X-Junkmail-Status: score=0/50, host=mx.example.test\r\nX-Junkmail-Whitelist: YES\r\nX-Rspamd-Server: x\r\n"
    b"X-Spamd-Result: default: False [0.00 / 15.00]\r\nX-Spammer: stays\r\n"
)


async def house_of(*engines: SaidScorer) -> tuple[House, Account]:
    house = House()
    house.engines = list(engines)
    return house, await house.add_user(JANE)


async def got(house: House, account: Account, mailbox: str = "INBOX") -> Message:
    [content] = await house.inbox(account, mailbox)
    return email.message_from_bytes(content)


async def record(house: House) -> TraceRecord:
    return (await house.traces.search(TraceQuery(recipient=JANE)))[0]


def plain(value: object) -> str:
    return " ".join(str(value).split())


async def test_the_header_says_total_threshold_and_each_rules_share() -> None:
    rules = (RuleHit("BIG", 61.25, "a big one"), RuleHit("SMALL", -1.5, "speaks for it"), RuleHit("NOTHING", 0.0, "no share"))
    house, jane = await house_of(SaidScorer(rules=rules), SaidScorer(13.0, "other"))
    await house.deliver(JANE)
    found = await got(house, jane, "Junk Mail")
    assert plain(found["X-Spam-Status"]) == "Yes, score=72.8 required=50 tests=BIG=61.2, SAID=13, SMALL=-1.5"
    assert found["X-Spam-Score"] == "72.8"
    assert found["X-Spam-Flag"] == "YES"
    assert found["X-Junkmail-Status"] == "score=72/50, host=mx.example.test"
    assert plain(found["X-Spam-Report"]) == (
        "72.8 points, 50 is spam: 61.2 BIG a big one; 13 SAID it was told to; -1.5 SMALL speaks for it"
    )


async def test_ham_says_so_too_and_has_no_flag() -> None:
    house, jane = await house_of(SaidScorer(-3))
    await house.deliver(JANE)
    found = await got(house, jane)
    assert plain(found["X-Spam-Status"]) == "No, score=-3 required=50 tests=SAID=-3"
    assert (found["X-Spam-Flag"], found["X-Junkmail-Status"]) == (None, "score=0/50, host=mx.example.test")


async def test_a_threshold_is_not_reached_by_rounding() -> None:
    house, jane = await house_of(SaidScorer(49.99))
    await house.deliver(JANE)
    assert (await got(house, jane))["X-Junkmail-Status"] == "score=49/50, host=mx.example.test"


async def test_the_trace_names_engines_rules_and_total() -> None:
    house, _ = await house_of(SaidScorer(rules=(RuleHit("BIG", 60.0, "a big one"),)), SaidScorer(0.0, "other"))
    await house.deliver(JANE)
    steps = [(step.rule, step.verdict, step.detail) for step in (await record(house)).steps if step.stage == "antispam"]
    assert steps[:3] == [
        ("said", "score", "60: BIG 60 (a big one)"),
        ("other", "score", "0: no rule"),
        ("total", "pass", "60 of 50 points"),
    ]


async def test_engines_are_told_all_that_is_known() -> None:
    engine = SaidScorer()
    house, jane = await house_of(engine)
    session = house.session()
    house.resolver.records[("192.0.2.9", "PTR")] = ("mail.elsewhere.test",)
    house.resolver.records[("mail.elsewhere.test", "A")] = ("192.0.2.9",)
    await house.deliver(JANE, session=session)
    [asked] = engine.asked
    assert (asked.sender, asked.recipients, asked.client_address) == ("lena@elsewhere.test", (JANE,), "192.0.2.9")
    assert (asked.client_host, asked.helo, asked.account_id) == (
        "mail.elsewhere.test",
        "client.elsewhere.test",
        jane.account_id,
    )
    assert asked.auth is not None
    assert asked.content.endswith(MESSAGE)


async def test_what_a_user_has_taught_is_asked_only_when_the_mail_is_theirs_alone() -> None:
    engine = SaidScorer()
    house, jane = await house_of(engine)
    await house.add_user(OMAR)
    await house.deliver(JANE, OMAR)
    await house.deliver(JANE)
    assert [asked.account_id for asked in engine.asked] == [0, jane.account_id]


# --- forged fields


async def test_what_strangers_say_about_spam_is_taken_out() -> None:
    engine = SaidScorer(10)
    house, jane = await house_of(engine)
    await house.deliver(JANE, content=FORGED + MESSAGE)
    found = await got(house, jane)
    assert found.get_all("X-Spam-Status") == [found["X-Spam-Status"]]
    assert plain(found["X-Spam-Status"]).startswith("No, score=10 ")
    assert found["X-Junkmail-Status"] == "score=10/50, host=mx.example.test"
    gone = ("X-Spam-Flag", "X-Spam", "X-Spam-Level", "X-Junkmail-Whitelist", "X-Rspamd-Server", "X-Spamd-Result")
    assert [found[name] for name in gone] == [None] * len(gone)
    assert found["X-Spammer"] == "stays"
    assert b"X-Junkmail-Whitelist" not in engine.asked[0].content
    assert b"-99" not in engine.asked[0].content


async def test_forged_fields_go_before_a_system_filter_could_believe_them() -> None:
    house, jane = await house_of()
    await house.scripts.put_script(SYSTEM, "main", 'if exists "X-Junkmail-Whitelist" { discard; }', 0.0)
    await house.scripts.activate(SYSTEM, "main")
    await house.deliver(JANE, content=FORGED + MESSAGE)
    assert (await got(house, jane))["X-Spam-Flag"] is None


async def test_forged_fields_go_even_where_nothing_is_scored() -> None:
    house, jane = await house_of()
    await house.deliver(JANE, content=FORGED + MESSAGE)
    found = await got(house, jane)
    assert (found["X-Spam-Status"], found["X-Junkmail-Status"]) == (None, None)
    steps = [step.rule for step in (await record(house)).steps if step.stage == "antispam"]
    assert steps == ["forged"]


# --- who is scored


def relayed(house: House) -> Session:
    session = house.session()
    session.relay = "network"
    return session


@pytest.mark.parametrize("claim", [b"score=80/50, host=gw.example.test", b"score=160/100", b"  score=80.0/50 ,x"])
async def test_the_score_of_a_trusted_host_counts(claim: bytes) -> None:
    engine = SaidScorer(10)
    house, jane = await house_of(engine)
    await house.deliver(JANE, content=b"X-Junkmail-Status: " + claim + b"\r\n" + MESSAGE, session=relayed(house))
    assert engine.asked == []
    found = await got(house, jane, "Junk Mail")
    assert found["X-Junkmail-Status"].strip() == claim.decode().strip()
    assert ("upstream", "80 points, says the host that brought it") in [(s.rule, s.detail) for s in (await record(house)).steps]


@pytest.mark.parametrize("claim", [b"score=80", b"score=80/0", b"score=1e9/50", b"80/50", b"", b"score=99999999999/50"])
async def test_what_is_no_score_counts_nothing(claim: bytes) -> None:
    house, jane = await house_of(SaidScorer(10))
    await house.deliver(JANE, content=b"X-Junkmail-Status: " + claim + b"\r\n" + MESSAGE, session=relayed(house))
    await got(house, jane)


async def test_mail_of_trusted_hosts_is_scored_when_that_is_set() -> None:
    engine = SaidScorer(70)
    house, jane = await house_of(engine)
    house.set("antispam.relayed", True)
    await house.deliver(JANE, session=house.session("lmtp"))
    assert (await got(house, jane, "Junk Mail"))["X-Spam-Flag"] == "YES"


@pytest.mark.parametrize(("outgoing", "code", "asked"), [("off", 250, 0), ("mark", 250, 1), ("refuse", 550, 1)])
async def test_mail_of_users_is_looked_at_as_set(outgoing: str, code: int, asked: int) -> None:
    engine = SaidScorer(70)
    house, _ = await house_of(engine)
    house.set("antispam.outgoing", outgoing)
    session = house.session("submission", account=JANE)
    reply = await house.deliver("x@far.test", sender=JANE, session=session)
    assert (reply.code, len(engine.asked)) == (code, asked)
    assert all(mail.outgoing for mail in engine.asked)
    engine.points = 10.0
    reply = await house.deliver("x@far.test", sender=JANE, session=session)
    assert reply.code == 250


async def test_delivernow_spares_a_message_the_scoring() -> None:
    engine = SaidScorer(70)
    house, jane = await house_of(engine)
    await house.scripts.put_script(SYSTEM, "main", 'require "vnd.posthouse.policy"; delivernow;', 0.0)
    await house.scripts.activate(SYSTEM, "main")
    await house.deliver(JANE)
    assert (engine.asked, (await got(house, jane))["X-Spam-Flag"]) == ([], None)


# --- engines that are down


async def test_an_engine_that_is_down_is_left_out_and_marked() -> None:
    house, jane = await house_of(SaidScorer(60, down="connection refused"), SaidScorer(55, "other"))
    reply = await house.deliver(JANE)
    assert reply.code == 250
    found = await got(house, jane, "Junk Mail")
    assert plain(found["X-Spam-Status"]) == "Yes, score=55 required=50 tests=SAID=55 failed=said"
    steps = [(step.rule, step.detail) for step in (await record(house)).steps]
    assert ("said", "left out: connection refused") in steps
    assert "refused" not in str(found)


async def test_an_engine_that_is_down_defers_mail_when_that_is_set() -> None:
    house, jane = await house_of(SaidScorer(10), SaidScorer(60, "other", down="connection refused"))
    house.set("antispam.failure", "defer")
    reply = await house.deliver(JANE)
    assert (reply.code, reply.enhanced) == (451, "4.7.1")
    assert await house.inbox(jane) == []
    house.engines = [SaidScorer(10)]
    assert (await house.deliver(JANE)).code == 250


class Silent(SaidScorer):
    """Never answers."""

    async def score(self, mail: ScoredMail) -> SpamReport:
        self.asked.append(mail)
        await asyncio.Event().wait()
        raise AssertionError


async def test_an_engine_that_never_answers_costs_its_time_and_no_more() -> None:
    silent = Silent(name="silent")
    house, _ = await house_of(silent)
    house.set("antispam.timeout_s", 0.1)
    for _ in range(5):
        assert (await house.deliver(JANE)).code == 250
    assert len(silent.asked) == 3
    house.clock.advance(60)
    await house.deliver(JANE)
    assert len(silent.asked) == 4


async def test_an_engine_that_comes_back_is_asked_again() -> None:
    engine = SaidScorer(60, down="gone")
    house, jane = await house_of(engine)
    for _ in range(4):
        await house.deliver(JANE)
    engine.down = ""
    house.clock.advance(60)
    await house.deliver(JANE)
    await house.deliver(JANE)
    assert len(await house.inbox(jane, "Junk Mail")) == 2


async def test_how_soon_and_how_long_an_engine_is_left_alone_is_set() -> None:
    """The settings were there, and meant nothing."""
    engine = SaidScorer(60, down="gone")
    house, _ = await house_of(engine)
    house.set("antispam.rest_after_failures", 1)
    house.set("antispam.rest_s", 600.0)
    for _ in range(3):
        await house.deliver(JANE)
    assert len(engine.asked) == 1
    house.clock.advance(599)
    await house.deliver(JANE)
    assert len(engine.asked) == 1
    house.clock.advance(1)
    await house.deliver(JANE)
    assert len(engine.asked) == 2


def test_hostile_words_make_no_fields_of_their_own() -> None:
    rules = [RuleHit("R", 60.0, "evil\r\nX-Spam-Flag: NO\r\n\r\nbody \t nül " + "x" * 5000)]
    for name, value in spam_fields(rules, (), 50.0, "mx.example.test", report=True):
        assert value.isprintable(), name
        assert len(value) < 1000


def test_many_rules_make_a_bounded_header() -> None:
    rules = [RuleHit(f"RULE_{number}", 1.0, "one of many") for number in range(5000)]
    fields = dict(spam_fields(rules, (), 50.0, "mx.example.test", report=True))
    assert fields["X-Spam-Status"].startswith("Yes, score=5000 required=50 tests=RULE_0=1, RULE_1=1")
    assert fields["X-Spam-Status"].count("RULE_") == MAX_SHOWN
    assert fields["X-Spam-Report"].endswith(f"; and {5000 - MAX_SHOWN} more")
