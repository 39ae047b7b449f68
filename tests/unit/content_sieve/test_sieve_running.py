"""Running: questions, includes, the trace, limits on time, speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from posthouse.base.errors import Temporary
from posthouse.content.sieve import Limits, compile_script, execute, run
from posthouse.content.sieve.facts import IncludedScript, MailboxExists, Question
from support.sieve import facts, outcome, result, told, view


class Answers:
    """Knows some answers, counts the questions; those that it does not know fail."""

    def __init__(self, known: Mapping[Question, object]) -> None:
        self.known = known
        self.asked: list[Question] = []

    async def answer(self, question: Question) -> object:
        self.asked.append(question)
        if question not in self.known:
            raise Temporary("Try later", cause="the store is away")
        return self.known[question]


EXISTS = 'require ["mailbox", "fileinto"]; if mailboxexists "A" { fileinto "A"; } elsif mailboxexists "B" { fileinto "B"; }'


async def test_questions_are_asked_when_met_and_once_a_message() -> None:
    lookups, known = Answers({MailboxExists("A"): False, MailboxExists("B"): True}), facts()
    script = compile_script(EXISTS)
    got = await execute(script, known, lookups)
    assert [told(action) for action in got.actions] == ["fileinto B"]
    assert lookups.asked == [MailboxExists("A"), MailboxExists("B")]
    await execute(script, known, lookups)
    assert len(lookups.asked) == 2


async def test_what_cannot_be_answered_keeps_the_message() -> None:
    got = await execute(compile_script(EXISTS), facts(), Answers({}))
    assert [told(action) for action in got.actions] == ["implicit keep"]
    assert "the store is away" in got.error


async def test_a_script_that_asks_nothing_does_not_wait() -> None:
    lookups = Answers({})
    coroutine = execute(compile_script("keep;"), facts(), lookups)
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    assert [told(action) for action in ended.value.value.actions] == ["keep"]
    assert lookups.asked == []


async def test_too_many_questions_end_the_run() -> None:
    names = [f"m{n}" for n in range(101)]
    tests = ", ".join(f'mailboxexists "{name}"' for name in names)
    script = compile_script(f'require "mailbox"; if anyof ({tests}) {{ discard; }}')
    got = await execute(script, facts(), Answers({MailboxExists(name): False for name in names}))
    assert got.error == "the script asks more than 100 questions"


def included(**scripts: str | None) -> dict[Question, object]:
    return {IncludedScript("personal", name): text for name, text in scripts.items()}


INCLUDE = 'require ["include", "variables", "fileinto"];'


@pytest.mark.parametrize(
    ("script", "others", "expected"),
    [
        ('include "a";', {"a": "discard;"}, ["discard"]),
        ('include "a"; keep;', {"a": 'require "include"; return; discard;'}, ["keep"]),
        ('include "a"; keep;', {"a": "stop;"}, ["implicit keep"]),
        ('include :optional "a";', {"a": None}, ["implicit keep"]),
        ('include :once "a"; include :once "a";', {"a": 'redirect "x@y.test"; keep;'}, ["redirect x@y.test", "keep"]),
        ('set "v" "mine"; include "a"; fileinto "${v}";',
         {"a": 'require "variables"; set "v" "theirs";'}, ["fileinto mine"]),
        ('global "v"; set "v" "x"; include "a"; fileinto "${v}";',
         {"a": 'require ["include", "variables"]; global "v"; set "v" "${v}y";'}, ["fileinto xy"]),
        ('set "global.v" "x"; include "a"; fileinto "${global.v}";',
         {"a": 'require ["include", "variables"]; set "global.v" "${global.v}z";'}, ["fileinto xz"]),
        ('include "a";', {"a": 'require "include"; include "b";', "b": "discard;"}, ["discard"]),
        ("return; discard;", {}, ["implicit keep"]),
    ],
)  # fmt: skip
def test_scripts_include_others(script: str, others: dict[str, str | None], expected: list[str]) -> None:
    assert outcome(INCLUDE + script, answers=included(**others)) == expected


@pytest.mark.parametrize(
    ("others", "problem"),
    [
        ({"a": None}, "there is no script 'a'"),
        ({"a": "nonsense;"}, "the included script 'a': line 1, column 1"),
        ({"a": 'require "include"; include "a";'}, "includes itself"),
        ({"a": 'require "include"; include "b";', "b": 'require "include"; include "a";'}, "includes itself"),
    ],
)
def test_includes_that_cannot_be_are_errors(others: dict[str, str | None], problem: str) -> None:
    assert problem in outcome('require "include"; include "a";', answers=included(**others))[0]


def test_includes_that_multiply_are_stopped() -> None:
    chain: dict[str, str | None] = {f"s{n}": 'require "include";' + f'include "s{n + 1}";' * 9 for n in range(8)}
    chain["s8"] = "keep;"
    assert outcome('require "include"; include "s0";', answers=included(**chain))[0].startswith("error")


def test_the_trace_tells_each_step_and_why() -> None:
    script = """require ["fileinto", "variables"];
if anyof (header :contains "subject" "olds",
          header :contains "subject" ["weekly", "daily"]) {
    fileinto "News";
} else {
    discard;
}
set "a" "b";
"""
    lines = result(script, traced=True).trace
    assert [(line.line, line.outcome) for line in lines] == [
        (2, "false"), (3, "true"), (2, "true"), (4, "done"), (8, "done"),
    ]  # fmt: skip
    assert lines[1].text == 'header :contains "subject" ["weekly", "daily"]'
    assert lines[1].detail == "Grüße from the Weekly  News"
    assert lines[3].text == 'fileinto "News"'
    assert result(script).trace == ()


def test_the_trace_has_a_limit() -> None:
    script = "if true { }" * 2000
    assert len(result(script, traced=True).trace) == 1000


def test_time_is_limited_by_the_clock_that_the_facts_bring() -> None:
    ticks = iter(range(10_000))
    got = result("if true { keep; keep; }" * 200, steady=lambda: float(next(ticks)), limits=Limits(seconds=1.5))
    assert got.error == "the script took longer than 1.5 seconds"


BOMBS = [
    r'"(a|aa)+$"', r'"([a-zA-Z]+)*$"', r'"(a|a?)+$"', r'"(.*a){12}b"', r'"^(([a-z])+.)+[A-Z]([a-z])+$"',
    r'"(x+x+)+y"', r'"[ab]*a[ab]{180}c"', r'"(?:a?){300}a{300}z"', r'"((a*)*)*(b*)*z{20}"',
]  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_expression_and_no_text_hold_it_up(bomb: str) -> None:
    evil = (b"a" * 5000 + b"ab" * 20_000 + bytes(97 + ((n * 2654435761 >> 13) & 1) for n in range(500_000))) + b"!"
    content = b"From: a@b.test\r\nSubject: " + b"a" * 900 + b"!\r\n\r\n" + evil
    script = f'require ["regex", "body"]; if anyof (header :regex "subject" {bomb}, body :regex {bomb}) {{ discard; }}'
    start = time.process_time()
    got = result(script, content=content)
    assert time.process_time() - start < 3.0
    assert got.actions


def test_a_hundred_bombs_at_once_end_in_time_and_keep_the_message() -> None:
    text = bytes(97 + ((n * n * 31 + n // 7) * 2654435761 >> 13 & 1) for n in range(300_000))
    keys = ", ".join(f'"[ab]*a[ab]{{{100 + n}}}c"' for n in range(100))
    start = time.process_time()
    got = result(f'require ["regex", "body"]; if body :regex [{keys}] {{ discard; }}', content=b"A: b\r\n\r\n" + text)
    assert time.process_time() - start < 5.0
    assert [told(action) for action in got.actions] == ["implicit keep"]


def test_wildcards_and_thousands_of_keys_do_not_either() -> None:
    subject = b"a" * 5000
    content = b"Subject: " + subject + b"\r\n\r\n" + b"ab " * 100_000
    stars = '"' + "*a" * 60 + '*b"'
    start = time.process_time()
    assert outcome(f'if header :matches "subject" {stars} {{ discard; }}', content=content) == ["implicit keep"]
    keys = ", ".join(f'"word{n}"' for n in range(5000))
    script = f'require "body"; if body :contains [{keys}] {{ discard; }}'
    assert outcome(script, content=content) == ["implicit keep"]
    assert time.process_time() - start < 3.0


def best(work: Callable[[], object], times: int = 30) -> float:
    """The shortest of some runs, in seconds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


BODY = " ".join(f"{word}{n % 977}" for n in range(4000) for word in ("Lorem", "ipsum", "dolor", "sit", "amet", "elit")).encode()
USER = """require ["fileinto", "envelope", "variables", "subaddress", "imap4flags"];
if header :contains "Subject" ["viagra", "lottery", "casino"] { discard; stop; }
if address :domain :is "From" ["evil.test", "bad.test"] { fileinto "Junk Mail"; stop; }
if header :matches "List-Id" "*<*.list>" { set "l" "${2}"; fileinto "Lists/${l}"; stop; }
if envelope :detail "to" "shop" { fileinto "Shop"; }
if allof (header :contains "Subject" "invoice", not address :is "From" "boss@example.test") { addflag "\\\\Flagged"; }
if exists ["X-Spam-Flag", "X-Other"] { fileinto "Junk Mail"; }
if size :over 20M { fileinto "Big"; }
if header :is "X-Priority" ["1", "2"] { addflag "$Important"; }
if address :all :contains ["To", "Cc"] ["list@example.org", "team@example.org"] { fileinto "Team"; }
if header :matches "Subject" ["*[ticket *]*", "*case #*"] { fileinto "Support"; }
"""


def test_two_thousand_words_on_a_large_body_take_under_a_millisecond() -> None:
    body = BODY[: 100 << 10]
    content, seen = b"Subject: x\r\n\r\n" + body, view(b"Subject: x\r\n\r\n" + body)
    assert len(content) > 100 << 10
    keys = ", ".join(f'"word{n}xyz"' for n in range(2000))
    script = compile_script(f'require "body"; if body :contains [{keys}] {{ discard; }}')
    assert best(lambda: run(script, facts(message=seen))) < 0.001 * SLACK


def test_a_hundred_expressions_on_a_large_body_take_under_a_millisecond() -> None:
    seen = view(b"Subject: x\r\n\r\n" + BODY[: 100 << 10])
    keys = ", ".join(f'"(cheap|free)\\\\s+thing{n}[0-9]{{2,4}}"' for n in range(100))
    script = compile_script(f'require ["body", "regex"]; if body :regex [{keys}] {{ discard; }}')
    assert best(lambda: run(script, facts(message=seen))) < 0.001 * SLACK


def test_a_users_ten_rules_take_under_150_microseconds() -> None:
    script = compile_script(USER)
    assert [told(action) for action in run(script, facts()).actions] == ["fileinto Team"]
    assert best(lambda: run(script, facts()), 200) < 0.000150 * SLACK


SLACK = 4
"""The machine that runs the tests may be shared; the figures themselves are for a quiet one."""
