"""The embedded scorer: what was taught decides once there is enough, users correct it, every share has a reason (CON-8)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Literal

import pytest

from posthouse.backends.fitting import FitProcess
from posthouse.backends.memory.rule_book import MemoryRuleBook
from posthouse.backends.memory.spam_lessons import MemorySpamLessons
from posthouse.base.clock import ManualClock
from posthouse.base.errors import Temporary
from posthouse.content.antispam.embedded import EmbeddedScorer
from posthouse.content.antispam.rules_in_use import RulesInUse
from posthouse.content.antispam.school import School, carry_out
from posthouse.content.antispam.tokens import tokens_of
from posthouse.formats.mime import summarise
from posthouse.model.block_list import ListHit
from posthouse.model.settings import ScorerSettings
from posthouse.model.spam import CERTAIN_POINTS, SITE_ID, SPAM_POINTS, ScoredMail, SpamReport
from posthouse.model.spam_learning import Lesson

SPAM_WORDS = "pills cheap offer winner million click guarantee casino loan herbal refinance prize".split(" ")  # noqa: SIM905
HAM_WORDS = "meeting minutes drawing pump budget schedule invoice review patch parser tomorrow train".split(" ")  # noqa: SIM905
SPAM_WORDS += [f"offer{number}" for number in range(30)]
HAM_WORDS += [f"topic{number}" for number in range(30)]
COMMON = [f"word{number}" for number in range(60)]
JANE, BOB = 7, 8


def letter(number: int, *, spam: bool) -> bytes:
    chance = random.Random(f"{number} {spam}")
    words = chance.sample(SPAM_WORDS if spam else HAM_WORDS, 8) + chance.sample(COMMON, 15)
    chance.shuffle(words)
    sender = f"a{number}@{'deals' if spam else 'office'}{number % 7}.example"
    date = "Date: Tue, 10 Nov 2026 09:12:03 +0100"
    text = f"From: {sender}\r\nTo: jane@example.test\r\nSubject: {' '.join(words[:3])}\r\n{date}\r\n"
    return f"{text}Message-ID: <{number}@{sender}>\r\n\r\n{' '.join(words)}\r\n".encode()


def lesson(content: bytes, *, spam: bool, owner: int = SITE_ID, at: float = 1.0) -> Lesson:
    summary = summarise(content)
    return Lesson(owner, spam, summary.digest, tokens_of(content, summary).numbers, at)


async def here(octets: bytes) -> bytes:
    """The work of the process, without one."""
    return carry_out(octets)


class Desk:
    """Scorer, school and book together."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.settings = ScorerSettings(enough_spam=30, enough_ham=30)
        self.book = MemorySpamLessons()
        self.links: dict[str, Sequence[ListHit]] = {}
        self.asked: list[str] = []
        self.school = School(self.book, here, lambda: self.settings, self.clock)
        rules = RulesInUse(MemoryRuleBook(), lambda: self.settings)
        self.scorer = EmbeddedScorer(
            self.book, rules.current, self, enough=lambda: (self.settings.enough_spam, self.settings.enough_ham)
        )

    async def address(self, address: str) -> Sequence[ListHit]:
        raise AssertionError("addresses are looked up elsewhere")

    async def any_for(self, about: Literal["address", "domain"]) -> bool:
        return about == "domain"

    async def domain(self, *names: str) -> Sequence[ListHit]:
        self.asked += names
        return [hit for name in names for hit in self.links.get(name, ())]

    async def teach(self, count: int = 40) -> None:
        lessons = [lesson(letter(n, spam=spam), spam=spam) for n in range(count) for spam in (True, False)]
        await self.book.learn(lessons)
        await self.school.attend()

    async def report(self, content: bytes, account: int = SITE_ID) -> SpamReport:
        return await self.scorer.score(ScoredMail(content, summarise(content), account_id=account))

    async def points(self, content: bytes, account: int = SITE_ID) -> float:
        return (await self.report(content, account)).points


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await made.teach()
    return made


async def test_mail_like_what_was_taught_is_told_apart(desk: Desk) -> None:
    spam = [await desk.points(letter(n, spam=True)) for n in range(100, 120)]
    ham = [await desk.points(letter(n, spam=False)) for n in range(100, 120)]
    assert min(spam) >= SPAM_POINTS
    assert max(ham) < SPAM_POINTS


async def test_a_hit_says_which_words_decided(desk: Desk) -> None:
    (hit,) = [hit for hit in (await desk.report(letter(100, spam=True))).hits if hit.rule == "LEARNT_SITE"]
    assert hit.points >= SPAM_POINTS
    assert any(word in hit.why for word in SPAM_WORDS), hit.why
    assert (await desk.report(letter(1, spam=True))).points < CERTAIN_POINTS


async def test_until_enough_is_taught_only_rules_speak() -> None:
    desk = Desk()
    desk.settings = ScorerSettings(enough_spam=1_000, enough_ham=1_000)
    await desk.teach()
    assert await desk.book.version(SITE_ID) == 0
    report = await desk.report(letter(100, spam=True))
    assert not any(hit.rule.startswith("LEARNT") for hit in report.hits)


async def test_a_user_who_sees_it_otherwise_is_believed_for_their_own_mail_alone(desk: Desk) -> None:
    wanted = letter(300, spam=True)
    assert await desk.points(wanted, JANE) >= SPAM_POINTS
    await desk.book.learn([lesson(wanted, spam=False, owner=JANE)])
    await desk.school.attend()
    assert await desk.points(wanted, JANE) < SPAM_POINTS
    assert await desk.points(wanted, BOB) >= SPAM_POINTS
    assert await desk.points(wanted) >= SPAM_POINTS
    others = [await desk.points(letter(n, spam=True), JANE) for n in range(400, 420)]
    assert sum(points >= SPAM_POINTS for points in others) >= 18, "one letter rescued rescues not all spam"
    assert any(hit.rule == "LEARNT_USER" for hit in (await desk.report(wanted, JANE)).hits)


async def test_users_learn_before_the_site_has() -> None:
    desk = Desk()
    junk = letter(300, spam=True)
    before = await desk.points(junk, JANE)
    await desk.book.learn([lesson(junk, spam=True, owner=JANE)])
    await desk.school.attend()
    assert await desk.points(junk, JANE) > before + 30
    assert await desk.points(junk, BOB) == before


async def test_what_is_taken_back_stops_counting(desk: Desk) -> None:
    wanted = letter(300, spam=True)
    await desk.book.learn([lesson(wanted, spam=False, owner=JANE)])
    await desk.school.attend()
    await desk.book.unlearn(JANE, [summarise(wanted).digest])
    await desk.school.attend()
    assert await desk.points(wanted, JANE) >= SPAM_POINTS


async def test_the_site_is_fitted_when_enough_changed_or_time_has_passed(desk: Desk) -> None:
    assert await desk.school.attend() == 0
    await desk.book.learn([lesson(letter(500, spam=True), spam=True)])
    assert await desk.school.attend() == 0, "one lesson of eighty waits"
    desk.clock.advance(desk.settings.fit_after_s)
    assert await desk.school.attend() == 1
    await desk.book.learn([lesson(letter(n, spam=True), spam=True) for n in range(501, 510)])
    assert await desk.school.attend() == 1


async def test_a_failure_leaves_the_weights_and_is_not_repeated_at_once(desk: Desk) -> None:
    version, calls = await desk.book.version(SITE_ID), 0

    async def broken(_octets: bytes) -> bytes:
        nonlocal calls
        calls += 1
        raise Temporary("died")

    school = School(desk.book, broken, lambda: desk.settings, desk.clock)
    await desk.book.learn([lesson(letter(n, spam=True), spam=True) for n in range(501, 520)])
    with pytest.raises(Temporary):
        await school.attend()
    assert await school.attend() == 0
    assert calls == 1
    assert await desk.book.version(SITE_ID) == version
    desk.clock.advance(1_000.0)
    with pytest.raises(Temporary):
        await school.attend()


async def test_weights_that_are_damaged_leave_the_rules_to_speak(desk: Desk) -> None:
    await desk.book.keep_weights(SITE_ID, b"rubbish", 0, 0.0)
    assert not any(hit.rule.startswith("LEARNT") for hit in (await desk.report(letter(1, spam=True))).hits)


async def test_links_are_looked_up_once_for_each_domain(desk: Desk) -> None:
    hit = ListHit("uri.lists.example", "evil.example", "127.0.0.2", "", 40.0, "tag")
    desk.links = {"evil.example": (hit,)}
    body = b"\r\n\r\nhttp://a.evil.example/x http://b.evil.example/y https://good.example/ http://127.0.0.1/z\r\n"
    report = await desk.report(b"Subject: look" + body)
    (found,) = [each for each in report.hits if each.rule.startswith("LINK_URI")]
    assert (found.rule, found.points) == ("LINK_URI_LISTS_EXAMPLE", 40.0)
    assert "evil.example" in found.why
    assert [name for name in desk.asked if "example" in name] == ["evil.example", "good.example"]


async def test_lists_that_name_the_client_count(desk: Desk) -> None:
    content = letter(1, spam=False)
    mail = ScoredMail(content, summarise(content), dnsbl_hits=(("zen.lists.example", 60.0),))
    assert ("DNSBL_ZEN_LISTS_EXAMPLE", 60.0) in [(hit.rule, hit.points) for hit in (await desk.scorer.score(mail)).hits]


async def test_the_process_gives_what_the_function_gives(desk: Desk) -> None:
    there: list[bytes] = []

    async def kept(octets: bytes) -> bytes:
        there.append(octets)
        return await here(octets)

    await School(desk.book, kept, lambda: desk.settings, desk.clock).fit(SITE_ID)
    assert await FitProcess("posthouse.content.antispam.fit_process")(there[0]) == carry_out(there[0])
    with pytest.raises(Temporary):
        await FitProcess("posthouse.content.antispam.fit_process")(b"rubbish")


async def test_a_message_of_some_kilobytes_is_read_beside_the_loop(desk: Desk) -> None:
    """It takes a millisecond from 4 KiB on, and ten at 60: others get their turn meanwhile."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    await desk.report(letter(1, spam=True))  # weights and rules are at hand from here on
    watching = asyncio.create_task(others())
    await asyncio.sleep(0)
    before = turns
    await desk.report(letter(1, spam=True) + b"offer winner million\r\n" * 250)
    watching.cancel()
    assert turns > before
