"""Every test of the language, true and false, on one message (RFC 5228 §5 and the extensions)."""

from __future__ import annotations

from typing import Any

import pytest

from posthouse.content.sieve.facts import (
    InAddressBook,
    InGroup,
    Listed,
    MailboxExists,
    MailboxIdExists,
    SpecialUseExists,
    WordListNamed,
)
from posthouse.content.wordlists import Entry, WordList
from support.sieve import holds

TRUE = [
    # logic
    ("true", ""),
    ("not false", ""),
    ("allof (true, true)", ""),
    ("anyof (false, true)", ""),
    ("not allof (true, false)", ""),
    # header, match types
    ('header :is "Subject" "grüße from the weekly  news"', ""),
    ('header :contains "subject" "WEEKLY"', ""),
    ('header "X-Priority" "3"', ""),
    ('header :contains ["x-none", "subject"] ["nothing", "news"]', ""),
    ('header :matches "subject" "*weekly*news"', ""),
    ('header :matches "subject" "Gr??e*"', ""),
    ('header :matches "subject" "*"', ""),
    ('header :matches "x-empty" ""', ""),
    ('header :is "x-empty" ""', ""),
    ('header :contains "x-empty" ""', ""),
    ('header :comparator "i;octet" :contains "subject" "Weekly"', ""),
    ('header :comparator "i;ascii-casemap" :contains "subject" "weekly"', ""),
    ('header :comparator "i;unicode-casemap" :contains "subject" "GRÜSSE"', "comparator-i;unicode-casemap"),
    ('header :is :comparator "i;ascii-numeric" "x-priority" "03"', "comparator-i;ascii-numeric"),
    ('header :regex "subject" "^Gr.+e .* (News|Olds)$"', "regex"),
    ('header :regex "subject" ["no", "week(ly|end)"]', "regex"),
    ('header :regex :comparator "i;octet" "subject" "Weekly"', "regex"),
    ('header :value "lt" :comparator "i;ascii-numeric" "x-priority" "5"', "relational comparator-i;ascii-numeric"),
    ('header :value "ge" :comparator "i;ascii-numeric" "x-priority" "3"', "relational comparator-i;ascii-numeric"),
    ('header :value "ne" "x-priority" "4"', "relational"),
    ('header :value "gt" "x-twice" "rest"', "relational"),
    ('header :count "eq" :comparator "i;ascii-numeric" "x-twice" "2"', "relational comparator-i;ascii-numeric"),
    ('header :count "ge" :comparator "i;ascii-numeric" ["x-twice", "subject"] "3"', "relational comparator-i;ascii-numeric"),
    ('header :count "eq" "x-none" "0"', "relational"),
    ('header :index 2 :is "x-twice" "second"', "index"),
    ('header :index 1 :last :is "x-twice" "second"', "index"),
    ('header :index 2 :last :is "x-twice" "first"', "index"),
    # many keys in one pass
    ('header :contains "subject" [' + ", ".join(f'"no{n}"' for n in range(50)) + ', "weekly"]', ""),
    ('header :matches "subject" [' + ", ".join(f'"no{n}*"' for n in range(50)) + ', "*weekly*"]', ""),
    ('header :is "x-priority" [' + ", ".join(f'"{n}"' for n in range(50)) + "]", ""),
    # exists, size
    ('exists "subject"', ""),
    ('exists ["from", "date"]', ""),
    ('not exists ["from", "x-none"]', ""),
    ("size :over 100", ""),
    ("size :under 2K", ""),
    ("not size :over 1M", ""),
    # address, envelope
    ('address :is "from" "lena@elsewhere.test"', ""),
    ('address :all :is "from" "LENA@elsewhere.TEST"', ""),
    ('address :localpart :is "to" "omar"', ""),
    ('address :domain :is ["to", "cc"] "example.org"', ""),
    ('address :domain :contains "from" "elsewhere"', ""),
    ('address :user :is "to" "jane"', "subaddress"),
    ('address :detail :is "to" "news"', "subaddress"),
    ('address :count "eq" "to" "2"', "relational"),
    ('address :index 1 :is "to" "omar@example.org"', "index"),
    ('envelope :is "from" "lena@elsewhere.test"', "envelope"),
    ('envelope :domain :is "to" "example.test"', "envelope"),
    ('envelope :detail :is "to" "news"', "envelope subaddress"),
    ('envelope :user :is "to" "jane"', "envelope subaddress"),
    ('not envelope :matches "auth" "*"', "envelope"),
    # body
    ('body :contains "Buy now"', "body"),
    ('body :contains "café opens"', "body"),
    ('body :text :contains "hello jane, click here"', "body"),
    ('not body :text :contains "hidden"', "body"),
    ('body :raw :contains "caf=C3=A9"', "body"),
    ('body :raw :contains "Content-Type: image/png"', "body"),
    ('body :content "text" :contains "<b>Jane"', "body"),
    ('body :content "text/html" :contains "http://x.test"', "body"),
    ('not body :content "text/plain" :contains "http://x.test"', "body"),
    ('body :content "image" :contains "PNG"', "body"),
    ('body :matches "*caf? opens*"', "body"),
    ('body :regex "buy +now"', "body regex"),
    ("body :regex [" + ", ".join(f'"(no|way){n}+"' for n in range(40)) + ', "b[u]y"]', "body regex"),
    ("body :contains [" + ", ".join(f'"word{n}"' for n in range(60)) + ', "opens"]', "body"),
    ('body :comparator "i;octet" :contains "Buy"', "body"),
    # dates
    ('currentdate :is "date" "2026-09-21"', "date"),
    ('currentdate :is "weekday" "1"', "date"),
    ('currentdate :is "time" "14:13:20"', "date"),
    ('currentdate :zone "+0200" :is "hour" "16"', "date"),
    ('currentdate :zone "+0200" :is "iso8601" "2026-09-21T16:13:20+02:00"', "date"),
    ('currentdate :zone "-0130" :is "std11" "Mon, 21 Sep 2026 12:43:20 -0130"', "date"),
    ('currentdate :is "julian" "61304"', "date"),
    ('currentdate :value "ge" "date" "2026-01-01"', "date relational"),
    ('date :zone "+0000" "date" "hour" "16"', "date"),
    ('date :originalzone "date" "hour" "18"', "date"),
    ('date :originalzone "date" "zone" "+0200"', "date"),
    ('date :originalzone :is "received" "second" "19"', "date"),
    ('date "date" "year" "2026"', "date"),
    ('date "date" "month" "09"', "date"),
    ('date "date" "day" "21"', "date"),
    ('date "date" "minute" "10"', "date"),
    ('not date :matches "x-priority" "year" "*"', "date"),
    # mime
    ('header :mime :anychild :contenttype :is "content-type" "image/png"', "mime"),
    ('header :mime :anychild :param "filename" :matches "content-disposition" "*.zip"', "mime"),
    ('header :mime :type :is "content-type" "multipart"', "mime"),
    ('header :mime :anychild :subtype :is "content-type" "html"', "mime"),
    ('exists :mime :anychild "content-disposition"', "mime"),
    ('not exists :mime "content-disposition"', "mime"),
    # environment, spam, virus
    ('environment :is "name" "Posthouse"', "environment"),
    ('environment :is "remote-ip" "192.0.2.9"', "environment"),
    ('not environment :matches "vnd.unknown" "*"', "environment"),
    # ours
    ('direction "in"', "vnd.posthouse.filter"),
    ("not authenticated", "vnd.posthouse.filter"),
    ('client :is "192.0.2.9"', "vnd.posthouse.filter"),
    ('client :network ["10.0.0.0/8", "192.0.2.0/24"]', "vnd.posthouse.filter"),
    ('client :host :matches "*.elsewhere.test"', "vnd.posthouse.filter"),
    ('client :helo :contains "mx"', "vnd.posthouse.filter"),
    ('attachment :matches "*.png"', "vnd.posthouse.filter"),
    ('attachment :filename :is "report 2026.zip"', "vnd.posthouse.filter"),
    ('attachment :declared :is "application/zip"', "vnd.posthouse.filter"),
    ('attachment :detected :is "image/png"', "vnd.posthouse.filter"),
    ('attachment :member :matches "*.exe"', "vnd.posthouse.filter"),
    ('attachment :count "eq" "2"', "vnd.posthouse.filter relational"),
    ("attachment :size :over 3", "vnd.posthouse.filter"),
    ("not attachment :size :over 1K", "vnd.posthouse.filter"),
    ("attachment", "vnd.posthouse.filter"),
    ('authresult :spf "none"', "vnd.posthouse.filter"),
    ('indomain :sender "elsewhere.test"', "vnd.posthouse.filter"),
    ('indomain :recipient ["example.net", "test"]', "vnd.posthouse.filter"),
    # strings
    ('string :is "a" "A"', "variables"),
    ('string :count "eq" ["a", "", "b"] "2"', "variables relational"),
    ('valid_notify_method "mailto:a@example.org"', "enotify"),
    ('not valid_notify_method "xmpp:a@example.org"', "enotify"),
    ('notify_method_capability "mailto:a@example.org" "online" "maybe"', "enotify"),
    ('ihave "fileinto"', "ihave"),
    ('not ihave "vnd.nobody.this"', "ihave"),
    ('string :is "${hex:40}" "@"', "encoded-character variables"),
    ('string :is "${unicode:40 263A}" "@☺"', "encoded-character variables"),
    ('string :is "${hex:zz}" "${hex:zz}"', "encoded-character variables"),
]
FALSE = [
    ("false", ""),
    ("not true", ""),
    ("allof (true, false)", ""),
    ("anyof (false, false)", ""),
    ('header :is "subject" "news"', ""),
    ('header :contains "x-none" ""', ""),
    ('header :matches "subject" "?eekly"', ""),
    ('header :matches "subject" "\\\\*"', ""),
    ('header :comparator "i;octet" :contains "subject" "weekly"', ""),
    ('header :regex "subject" "^weekly"', "regex"),
    ('header :index 3 :is "x-twice" "second"', "index"),
    ('header :value "gt" :comparator "i;ascii-numeric" "x-priority" "3"', "relational comparator-i;ascii-numeric"),
    ('exists ["subject", "x-none"]', ""),
    ("size :over 1M", ""),
    ('address :localpart :is "from" "elsewhere"', ""),
    ('address :detail :matches "from" "*"', "subaddress"),
    ('address :is "subject" "lena"', ""),
    ('envelope :is "from" ""', "envelope"),
    ('body :contains "no such words"', "body"),
    ('body :content "" :contains "no such words"', "body"),
    ('body :content "text/calendar" :contains ""', "body"),
    ('currentdate :is "year" "2025"', "date"),
    ('date :is "x-none" "year" "2026"', "date"),
    ('spamtest :value "ge" :comparator "i;ascii-numeric" "1"', "spamtest relational comparator-i;ascii-numeric"),
    ('direction "out"', "vnd.posthouse.filter"),
    ("authenticated", "vnd.posthouse.filter"),
    ('client :network "10.0.0.0/8"', "vnd.posthouse.filter"),
    ('attachment :matches "*.exe"', "vnd.posthouse.filter"),
    ('attachment :filename :count "gt" "2"', "vnd.posthouse.filter relational"),
    ("score :atleast 1", "vnd.posthouse.filter"),
    ("score :below 100", "vnd.posthouse.filter"),
    ('indomain :sender "here.test"', "vnd.posthouse.filter"),
    ('hasflag "\\\\Seen"', "imap4flags"),
]


@pytest.mark.parametrize(("test", "requires"), TRUE, ids=[test[:70] for test, _ in TRUE])
def test_it_holds(test: str, requires: str) -> None:
    assert holds(test, requires)


@pytest.mark.parametrize(("test", "requires"), FALSE, ids=[test[:70] for test, _ in FALSE])
def test_it_does_not_hold(test: str, requires: str) -> None:
    assert not holds(test, requires)


SPAM = "spamtest spamtestplus relational comparator-i;ascii-numeric vnd.posthouse.filter"


@pytest.mark.parametrize(
    ("score", "value", "percent"), [(None, 0, 0), (-20.0, 1, 0), (0.0, 1, 0), (50.0, 5, 50), (99.0, 9, 99), (300.0, 10, 100)]
)
def test_the_spam_score_is_seen_on_both_scales(score: float | None, value: int, percent: int) -> None:
    numeric = ':value "eq" :comparator "i;ascii-numeric"'
    assert holds(f'spamtest {numeric} "{value}"', SPAM, score=score)
    assert holds(f'spamtest :percent {numeric} "{percent}"', SPAM, score=score)
    assert holds("score :atleast 50", SPAM, score=score) == (score is not None and score >= 50)
    assert holds("score :below 50", SPAM, score=score) == (score is not None and score < 50)


@pytest.mark.parametrize("virus", range(6))
def test_the_virus_result_is_seen(virus: int) -> None:
    test = 'virustest :value "ge" :comparator "i;ascii-numeric" "4"'
    assert holds(test, "virustest relational comparator-i;ascii-numeric", virus=virus) == (virus >= 4)


OURS = "vnd.posthouse.filter"


@pytest.mark.parametrize(
    ("test", "known"),
    [
        ('authresult :dmarc ["fail", "permerror"]', {"dmarc": "fail"}),
        ('authresult :spf "softfail"', {"spf": "softfail"}),
        ('authresult :dkim "pass"', {"dkim": "pass"}),
        ("authenticated", {"account": "jane@example.test"}),
        ('authenticated :matches "*@example.test"', {"account": "jane@example.test"}),
        ('direction "out"', {"direction": "out"}),
        ('client :network "2001:db8::/32"', {"client_address": "2001:db8::7"}),
        ('indomain :recipient "example.org"', {"recipient": "", "recipients": ("a@example.net", "b@example.org")}),
    ],
)
def test_facts_of_the_session_are_seen(test: str, known: dict[str, Any]) -> None:
    assert holds(test, OURS, **known)
    assert not holds(test, OURS)


def test_the_null_sender_is_an_empty_text() -> None:
    assert holds('envelope :is "from" ""', "envelope", sender="")
    assert holds('envelope :all :matches "from" ""', "envelope", sender="")


def test_scripts_before_the_split_see_all_recipients() -> None:
    both = {"recipient": "", "recipients": ("a@example.net", "b@example.org")}
    assert holds('envelope :is "to" "b@example.org"', "envelope", **both)
    assert holds('envelope :count "eq" "to" "2"', "envelope relational", **both)


def test_what_others_know_is_asked() -> None:
    words = WordList("corporate", [Entry("weekly", 5), Entry("café opens", 7), Entry("hell*", 3)])
    answers = {
        MailboxExists("News"): True,
        MailboxExists("Gone"): False,
        MailboxIdExists("F1"): True,
        SpecialUseExists("", "\\Junk"): True,
        SpecialUseExists("News", "\\Junk"): False,
        InGroup("lena@elsewhere.test", "staff@example.test"): True,
        InGroup("jane+news@example.test", "staff@example.test"): False,
        InAddressBook("lena@elsewhere.test", ""): True,
        Listed("zen.example.org", "192.0.2.9"): ("127.0.0.2", "127.0.0.4"),
        Listed("none.example.org", "192.0.2.9"): (),
        WordListNamed("corporate"): words,
        WordListNamed("missing"): None,
    }
    cases = [
        ('mailboxexists "News"', "mailbox", True),
        ('mailboxexists ["News", "Gone"]', "mailbox", False),
        ('mailboxidexists "F1"', "mailboxid", True),
        ('specialuse_exists "\\\\Junk"', "special-use", True),
        ('specialuse_exists "News" "\\\\Junk"', "special-use", False),
        ('ingroup :sender "staff@example.test"', OURS, True),
        ('ingroup :recipient "staff@example.test"', OURS, False),
        ('inaddressbook :sender ""', OURS, True),
        ('wordlist "corporate"', OURS, True),
        ('wordlist :atleast 15 "corporate"', OURS, True),
        ('wordlist :atleast 16 "corporate"', OURS, False),
        ('wordlist :subject :atleast 5 "corporate"', OURS, True),
        ('wordlist :subject :atleast 6 "corporate"', OURS, False),
        ('wordlist :body :atleast 10 "corporate"', OURS, True),
        ('wordlist ["missing", "corporate"]', OURS, True),
        ('wordlist "missing"', OURS, False),
    ]
    for test, requires, expected in cases:
        assert holds(test, requires, answers=answers) == expected, test
    policy = "vnd.posthouse.policy"
    assert holds('dnsbl ["none.example.org", "ZEN.example.org"]', policy, answers=answers, scope="system")
    assert holds('dnsbl :code "127.0.0.4" "zen.example.org"', policy, answers=answers, scope="system")
    assert not holds('dnsbl :code "127.0.0.9" "zen.example.org"', policy, answers=answers, scope="domain")
