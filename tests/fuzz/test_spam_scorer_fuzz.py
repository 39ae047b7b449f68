"""Whatever octets a stranger sends, the embedded scorer gives points, in bounded time, with bounded tokens and reasons."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.backends.memory.rule_book import MemoryRuleBook
from posthouse.backends.memory.spam_lessons import MemorySpamLessons
from posthouse.base.clock import ManualClock
from posthouse.content.antispam.bundles import BadBundle, public_key, verified
from posthouse.content.antispam.embedded import EmbeddedScorer
from posthouse.content.antispam.rulegroups import BadRules, parse_group
from posthouse.content.antispam.rules_in_use import RulesInUse
from posthouse.content.antispam.ruleset import RuleSet
from posthouse.content.antispam.school import School, carry_out
from posthouse.content.antispam.tokens import MAX_TOKENS, tokens_of
from posthouse.content.antispam.weights import BrokenWeights, parse
from posthouse.formats.mime import summarise
from posthouse.model.settings import ScorerSettings
from posthouse.model.spam import SITE_ID, ScoredMail
from posthouse.model.spam_learning import Lesson

PIECES = st.sampled_from([
    b"From: ", b"To: ", b"Subject: ", b"Date: ", b"Received: from ", b"Message-ID: <", b"Reply-To: ", b"Content-Type: ",
    b"text/html; charset=", b"multipart/mixed; boundary=x", b"message/rfc822", b"Content-Transfer-Encoding: base64",
    b"quoted-printable", b"\r\n", b"\n", b"\r\n\r\n", b"--x", b"--x--", b"=?utf-8?b?", b"?=", b"utf-16",
    b"iso-2022-jp", b"utf-7",
    b"<html>", b"<a href=\"http://", b"<!--", b"-->", b"<font size=-7", b"style=\"display:none\"", b"http://a@1.2.3.4:99/x?y#z",
    b"www.example.org/", b"mailto:", b"@", b"<", b">", b"\"", b"(", b")", b";", b",", b"\x00", b"\xff\xfe", b"\xe2\x80\x8b",
    "Здравствуйте".encode(), "发票".encode(), b"viagra", b"A" * 500, b" \t", b"[192.0.2.1]", b"Re: ",
    b"attachment; filename=a.exe",
])  # fmt: skip
OCTETS = st.lists(st.one_of(PIECES, st.binary(max_size=12)), max_size=60).map(b"".join)
TEXT = st.text(max_size=60)


async def scorer() -> EmbeddedScorer:
    """With rules of all groups, and weights of a few lessons."""
    wanted = ScorerSettings(rule_groups=("default", "europe", "no8bit"))
    book = MemorySpamLessons()
    contents = [(b"Subject: pills %d\n\nbuy pills now" % n, True) for n in range(5)]
    contents += [(b"Subject: minutes %d\n\nthe minutes of monday" % n, False) for n in range(5)]
    lessons = [
        Lesson(SITE_ID, spam, bytes([n]), tokens_of(c, summarise(c)).numbers, 0.0) for n, (c, spam) in enumerate(contents)
    ]
    await book.learn(lessons)

    async def here(octets: bytes) -> bytes:
        return carry_out(octets)

    await School(book, here, lambda: wanted, ManualClock()).fit(SITE_ID)
    return EmbeddedScorer(book, RulesInUse(MemoryRuleBook(), lambda: wanted).current, enough=lambda: (1, 1))


@settings(max_examples=300, deadline=None)
@given(OCTETS, TEXT, TEXT, TEXT)
async def test_any_octets_are_scored(octets: bytes, sender: str, helo: str, host: str) -> None:
    asked = ScoredMail(octets, summarise(octets), sender, (), "203.0.113.9", host, helo, account_id=7)
    began = time.process_time()
    report = await (await shared()).score(asked)
    assert time.process_time() - began < 1.0
    assert all(0 < len(hit.why) <= 300 and hit.why.isprintable() for hit in report.hits)
    assert all(abs(hit.points) <= 1_000 for hit in report.hits)
    found = tokens_of(octets, asked.summary)
    assert len(found.header) <= MAX_TOKENS
    assert len(found.body) <= MAX_TOKENS
    assert all(0 <= number < 1 << 32 for number in found.numbers)


MADE: list[EmbeddedScorer] = []


async def shared() -> EmbeddedScorer:
    if not MADE:
        MADE.append(await scorer())
    return MADE[0]


@given(st.binary(max_size=300))
def test_any_octets_are_weights_or_refused(octets: bytes) -> None:
    try:
        parse(octets)
    except BrokenWeights:
        return
    raise AssertionError("a checksum by chance")


@given(st.one_of(TEXT, st.lists(st.sampled_from([
    'name = "default"\n', "[[rules]]\n", 'name = "A"\n', "points = ", "1", "nan", "-inf", 'why = "w"\n', 'body = "', "(",
    "a{1000}",
    '"\n', "facts = [", '"!list"', "]\n", "[lists]\n", "free_mail = ", "evidence = true\n", "\n",
]), max_size=25).map("".join)))  # fmt: skip
def test_any_text_is_a_group_or_refused(text: str) -> None:
    try:
        RuleSet([parse_group(text)])
    except BadRules as error:
        assert str(error)


@given(st.binary(max_size=200), st.binary(max_size=100))
def test_any_octets_are_no_signed_manifest(manifest: bytes, signature: bytes) -> None:
    key = public_key("A" * 42 + "A=")
    try:
        verified(manifest, signature, key)
    except BadBundle:
        return
    raise AssertionError("signed by nobody")
