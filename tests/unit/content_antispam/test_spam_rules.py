"""Rule groups: read strictly, tried on samples, asked in one pass (CON-8, CON-10)."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from posthouse.content.antispam.rulegroups import BadRules, parse_group, shipped_groups
from posthouse.content.antispam.ruleset import RuleSet, without
from posthouse.content.antispam.selftest import shipped_samples, tried
from posthouse.content.antispam.texts import texts_of
from posthouse.formats.mime import summarise
from posthouse.model.mail_authentication import AuthReport, DkimResult, DmarcResult, SpfResult
from posthouse.model.spam import SPAM_POINTS, ScoredMail

GOOD = 'name = "default"\ntitle = "t"\n'
RULE = '[[rules]]\nname = "A_RULE"\npoints = 5\nwhy = "because"\n'


def mail(content: str, **known: object) -> ScoredMail:
    octets = content.replace("\n", "\r\n").encode()
    return replace(ScoredMail(octets, summarise(octets)), **known)  # type: ignore[arg-type]


def names(rules: RuleSet, asked: ScoredMail) -> set[str]:
    return {found.rule.name for found in rules.found(asked, texts_of(asked.content, asked.summary))}


@pytest.fixture(scope="module")
def shipped() -> RuleSet:
    return RuleSet(parse_group(text) for text in shipped_groups().values())


def test_the_programs_own_groups_judge_the_samples_rightly() -> None:
    assert set(tried(shipped_groups(), {})) == {"default", "europe", "no8bit"}
    assert len(shipped_samples()) >= 8


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not = [toml", "TOML"),
        ('name = "Default"', "name"),
        (GOOD + "more = 1", "unknown: more"),
        (GOOD + RULE, "asks nothing"),
        (GOOD + RULE + 'facts = ["no_such"]', "no fact 'no_such'"),
        (GOOD + RULE + "body = 5", "expression"),
        (GOOD + RULE + 'colour = "red"', "unknown: colour"),
        (GOOD + RULE.replace("5", "1e400") + 'body = "x"', "points"),
        (GOOD + RULE.replace("5", "true") + 'body = "x"', "points"),
        (GOOD + RULE.replace("A_RULE", "a rule") + 'body = "x"', "capital"),
        (GOOD + (RULE + 'body = "x"\n') * 2, "same name"),
        (GOOD + RULE + 'header = "no colon"', "header"),
        (GOOD + '[lists]\nfree_mail = ["Not A Host"]', "list free_mail"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_whole(text: str, says: str) -> None:
    with pytest.raises(BadRules, match=says):
        parse_group(text)


@pytest.mark.parametrize("expression", ["(unclosed", "a{1000}{1000}", r"(x)\1", "(?<=a)b"])
def test_expressions_that_are_not_linear_are_refused(expression: str) -> None:
    group = parse_group(GOOD + RULE + f"body = '{expression}'")
    with pytest.raises(BadRules, match="A_RULE"):
        RuleSet([group])


def test_rules_that_call_a_sample_what_it_is_not_are_refused() -> None:
    greedy = shipped_groups()["default"] + '\n[[rules]]\nname = "ALL"\npoints = 80\nwhy = "all"\nsubject = "."\n'
    with pytest.raises(BadRules, match="sample ham-"):
        tried({"default": greedy}, {})
    with pytest.raises(BadRules, match="sample spam-new"):
        tried(shipped_groups(), {"spam-new.eml": b"Subject: hello\r\n\r\nhow are you\r\n"})


def test_all_conditions_of_a_rule_must_hold() -> None:
    rules = RuleSet(
        [parse_group(GOOD + RULE + 'subject = "watch"\nbody = "cheap"\nheader = "x-mailer: ^evil"\nfacts = ["!list"]')]
    )
    text = "Subject: Watches\nX-Mailer: Evil 1\n\nCHEAP ones\n"
    assert names(rules, mail(text)) == {"A_RULE"}
    for change in (("Watches", "Clocks"), ("Evil", "Good"), ("CHEAP", "dear"), ("X-Mailer", "List-Id: x\nX-Mailer")):
        assert names(rules, mail(text.replace(*change))) == set()


def test_the_way_is_judged_by_what_the_connection_showed(shipped: RuleSet) -> None:
    text = "From: a@example.org\nSubject: hi\n\nhello\n"
    asked = mail(text, client_address="203.0.113.9", client_host="", helo="[203.0.113.9]", sender="a@example.org")
    assert {"CLIENT_UNNAMED", "HELO_ADDRESS"} <= names(shipped, asked)
    home = replace(asked, client_host="host-77-12-1-9.dyn.example.com", helo="pc")
    assert {"CLIENT_DYNAMIC", "HELO_PLAIN"} <= names(shipped, home)
    assert not names(shipped, replace(asked, outgoing=True)) & {"CLIENT_UNNAMED", "HELO_ADDRESS", "NO_DATE"}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "fe80::1", ""])
def test_clients_of_ones_own_network_need_no_names(shipped: RuleSet, address: str) -> None:
    asked = mail("From: a@example.org\nSubject: hi\n\nhello\n", client_address=address, helo="printer")
    assert not names(shipped, asked) & {"CLIENT_UNNAMED", "HELO_PLAIN"}


def test_a_bare_message_typed_by_hand_is_no_spam(shipped: RuleSet) -> None:
    asked = mail("Subject: after\n\nstill here\n", client_address="203.0.113.9", helo="[203.0.113.9]", auth=AuthReport())
    assert sum(found.rule.points for found in shipped.found(asked, texts_of(asked.content, asked.summary))) < SPAM_POINTS


def test_authentication_counts(shipped: RuleSet) -> None:
    text = "From: a@example.org\nSubject: hi\n\nhello\n"
    failed = AuthReport(
        spf=SpfResult("fail", "mailfrom", "example.org", "a@example.org"),
        dkim=(DkimResult("fail", "example.org", "s"),),
        dmarc=DmarcResult("fail", "example.org"),
    )
    assert {"SPF_FAIL", "DKIM_INVALID", "DMARC_FAIL", "NO_AUTH"} <= names(shipped, mail(text, auth=failed))
    passed = AuthReport(
        spf=SpfResult("pass", "mailfrom", "example.org", "a@example.org"), dmarc=DmarcResult("pass", "example.org")
    )
    assert names(shipped, mail(text, auth=passed)) & {"DMARC_PASS", "NO_AUTH"} == {"DMARC_PASS"}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("NAME_IS_ADDRESS", 'From: "boss@bank.example" <x@evil.example>\n\nhi\n'),
        ("LINK_DISGUISED", 'Content-Type: text/html\n\n<a href="http://evil.example/x">https://bank.example/login</a>\n'),
        ("LINK_USER", "\nhttp://bank.example@evil.example/\n"),
        ("LINK_ADDRESS", "\nhttp://203.0.113.7/x\n"),
        ("INVISIBLE_LETTERS", "Content-Type: text/plain; charset=utf-8\n\nvia\u200bgra\n"),
        ("MIXED_LETTERS", "Content-Type: text/plain; charset=utf-8\n\nр\u0430ypal\n"),
        ("BROKEN_WORDS", "Content-Type: text/html\n\n<html>vi<!-- x -->agra\n"),
        ("HIDDEN_TEXT", 'Content-Type: text/html\n\n<p style="display:none">x</p>\n'),
        ("BASE64_TEXT", "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGVsbG8gdGhlcmU=\n"),
        ("PROGRAM", 'Content-Type: application/octet-stream; name="photo.jpg.exe"\n\nMZ\n'),
        ("ALPHABET_CYRILLIC", "Content-Type: text/plain; charset=utf-8\n\nЗдравствуйте, купите наши часы сегодня\n"),
        ("EU_PHISHING", "\nIhr Konto wurde gesperrt\n"),
        ("LINK_CHEAP", "\nhttp://a.example.org/ and http://b.example.icu/ more\n"),
        ("FIELD_DOUBLED", "From: a@example.org\nFrom: b@example.org\n\nx\n"),
    ],
)
def test_what_spam_does_to_hide_is_found(shipped: RuleSet, rule: str, text: str) -> None:
    assert rule in names(shipped, mail(text))


def test_a_rule_can_be_switched_off() -> None:
    group = parse_group(GOOD + RULE + 'body = "x"')
    assert names(RuleSet([without(group, ["A_RULE"])]), mail("\nx\n")) == set()


HOSTILE = [
    "<a " * 20_000,
    '<a href="http://x' * 3_000,
    "a " * 30_000,
    "http://" + "a@" * 20_000,
    "=?utf-8?q?" * 5_000,
    "<" * 40_000,
    "x<!--" * 9_000,
    "1.1." * 20_000,
    "viagra" * 8_000,
    "a!" * 20_000,
    "\u200b".join("ab" * 10_000),
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_takes_long(shipped: RuleSet, body: str) -> None:
    for head in ("Content-Type: text/html; charset=utf-8\n\n", "Subject: "):
        asked = mail(head + body + "\n")
        began = time.process_time()
        names(shipped, asked)
        assert time.process_time() - began < 0.5
