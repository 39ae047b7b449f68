"""What scripts do: every action, the implicit keep, order, and what does not go together."""

from __future__ import annotations

import pytest

from posthouse.content.sieve import Limits
from posthouse.content.sieve.facts import MailboxIdExists, Remembered, SpecialUseExists
from support.sieve import MESSAGE, outcome, result

ACTIONS = [
    # the implicit keep (RFC 5228 §2.10.2)
    ("", ["implicit keep"]),
    ("# nothing", ["implicit keep"]),
    ("stop;", ["implicit keep"]),
    ("keep;", ["keep"]),
    ("keep; keep;", ["keep"]),
    ("discard;", ["discard"]),
    ("discard; keep;", ["discard", "keep"]),
    ("discard; discard;", ["discard"]),
    ("if false { discard; }", ["implicit keep"]),
    ("if false { discard; } else { keep; }", ["keep"]),
    ("if false { discard; } elsif true { keep; } else { stop; }", ["keep"]),
    ("if false { } elsif false { discard; } elsif true { } else { discard; }", ["implicit keep"]),
    ("if true { stop; } discard;", ["implicit keep"]),
    ("if true { if true { stop; } } discard;", ["implicit keep"]),
    # fileinto, redirect and their copies
    ('require "fileinto"; fileinto "News";', ["fileinto News"]),
    ('require "fileinto"; fileinto "inbox/sub";', ["fileinto INBOX/sub"]),
    ('require "fileinto"; fileinto "A"; fileinto "B"; fileinto "A";', ["fileinto A", "fileinto B"]),
    ('require "fileinto"; fileinto "A"; keep;', ["fileinto A", "keep"]),
    ('require ["fileinto", "copy"]; fileinto :copy "A";', ["fileinto A", "implicit keep"]),
    ('require ["fileinto", "mailbox"]; fileinto :create "A";', ["fileinto A create"]),
    ('redirect "a@example.org";', ["redirect a@example.org"]),
    ('redirect "a@example.org"; redirect "A@example.org";', ["redirect a@example.org"]),
    ('redirect "a@example.org"; keep;', ["redirect a@example.org", "keep"]),
    ('require "copy"; redirect :copy "a@example.org";', ["redirect a@example.org", "implicit keep"]),
    ('require "variables"; set "x" "a"; redirect "${x}@example.org";', ["redirect a@example.org"]),
    # reject
    ('require "reject"; reject "No thanks";', ["reject No thanks"]),
    ('require "ereject"; ereject "No thanks";', ["ereject No thanks"]),
    ('require "reject"; reject text:\nTwo\nlines\n..dot\n.\n;', ["reject Two\r\nlines\r\n.dot\r\n"]),
    ('require "reject"; discard; reject "No";', ["discard", "reject No"]),
    # flags
    ('require "imap4flags"; setflag "\\\\Seen"; keep;', ["keep \\Seen"]),
    ('require "imap4flags"; setflag "\\\\seen";', ["implicit keep \\Seen"]),
    ('require "imap4flags"; addflag ["\\\\Flagged", "a b"]; removeflag "A";', ["implicit keep \\Flagged b"]),
    ('require "imap4flags"; addflag "a"; addflag "A"; keep;', ["keep a"]),
    ('require "imap4flags"; addflag "a"; keep :flags ["b", "\\\\Nonsense"];', ["keep b"]),
    ('require ["imap4flags", "fileinto"]; addflag "a"; fileinto "X"; addflag "b"; fileinto "Y";',
     ["fileinto X a", "fileinto Y a b"]),
    ('require ["imap4flags", "fileinto"]; fileinto :flags "a" "X"; fileinto :flags "b" "X";', ["fileinto X a b"]),
    ('require ["imap4flags", "variables"]; setflag "v" "a b"; addflag "v" "c"; removeflag "v" "b"; keep :flags "${v}";',
     ["keep a c"]),
    ('require ["imap4flags", "variables"]; setflag "v" "a"; if hasflag "v" "A" { discard; }', ["discard"]),
    ('require "imap4flags"; setflag "a"; if hasflag ["x y", "b a"] { discard; }', ["discard"]),
    ('require ["imap4flags", "relational"]; setflag "a b"; if hasflag :count "eq" "2" { discard; }', ["discard"]),
    ('require "imap4flags"; setflag "abc"; if hasflag :contains "b" { discard; }', ["discard"]),
    # variables
    ('require ["variables", "fileinto"]; set "A" "x"; fileinto "${a}${none}y";', ["fileinto xy"]),
    ('require ["variables", "fileinto"]; set :upper "a" "xy"; fileinto "${a}";', ["fileinto XY"]),
    ('require ["variables", "fileinto"]; set :lower :upperfirst "a" "jUMBLED"; fileinto "${a}";', ["fileinto Jumbled"]),
    ('require ["variables", "fileinto"]; set :lowerfirst "a" "XY"; fileinto "${a}";', ["fileinto xY"]),
    ('require ["variables", "fileinto"]; set :length "a" "four"; fileinto "${a}";', ["fileinto 4"]),
    ('require ["variables", "fileinto"]; set "a" "News"; if header :matches "subject" "*${a}" { fileinto "${1}"; }',
     ["fileinto Grüße from the Weekly  "]),
    ('require ["variables", "fileinto"]; if address :matches "from" "*@*.test" { fileinto "${2}/${1}"; }',
     ["fileinto Elsewhere/Lena"]),
    ('require ["variables", "fileinto"]; if header :matches "subject" "*from*" { fileinto "${0}"; }',
     ["fileinto Grüße from the Weekly  News"]),
    ('require ["variables", "fileinto", "regex"]; if header :regex "subject" "(we[a-z]+)" { fileinto "${1}"; }',
     ["fileinto Weekly"]),
    ('require ["variables", "fileinto"]; fileinto "$";', ["fileinto $"]),
    ('require ["variables", "fileinto"]; fileinto "${a"; ', ["fileinto ${a"]),
    ('require "fileinto"; fileinto "${a}";', ["fileinto ${a}"]),
    ('require ["variables", "regex"]; set :quoteregex "a" "a.b"; if string :regex "a.b" "^${a}$" { discard; }', ["discard"]),
    ('require ["variables", "regex"]; set :quoteregex "a" "a.b"; if string :regex "axb" "^${a}$" { discard; }',
     ["implicit keep"]),
    # notify
    ('require "enotify"; notify :importance "1" :message "hi" "mailto:a@example.org";',
     ["notify 1 mailto:a@example.org hi", "implicit keep"]),
    # ours
    ('require "vnd.posthouse.filter"; score :add 10; if score :atleast 10 { discard; }', ["score 10", "discard"]),
    ('require "vnd.posthouse.filter"; score :subtract 5;', ["score -5", "implicit keep"]),
    ('require "vnd.posthouse.filter"; score :set 0;', ["score =0", "implicit keep"]),
    ('require "vnd.posthouse.filter"; excerpt :chars 50 "a@example.org";', ["excerpt 50 a@example.org", "implicit keep"]),
    # parts
    ('require ["foreverypart", "mime", "fileinto"];'
     ' foreverypart { if header :mime :contenttype "content-type" "image/png" { fileinto "Pictures"; break; } }',
     ["fileinto Pictures"]),
    ('require ["foreverypart", "mime", "extracttext", "variables", "fileinto"];'
     ' foreverypart { if header :mime :subtype "content-type" "plain" { extracttext :first 10 :upper "t"; } }'
     ' fileinto "${t}";', ["fileinto HELLO JANE"]),
    ('require ["foreverypart", "variables", "fileinto"]; set "n" "";'
     ' foreverypart { set "n" "${n}x"; } fileinto "${n}";', ["fileinto xxxxx"]),
    ('require ["foreverypart", "variables", "fileinto"]; set "n" "";'
     ' foreverypart :name "a" { foreverypart { set "n" "${n}x"; break :name "a"; } } fileinto "${n}";', ["fileinto x"]),
    # ihave
    ('require "ihave"; if ihave "vnd.nobody" { nobody "knows" :this 5; } else { discard; }', ["discard"]),
    ('require "ihave"; if ihave "fileinto" { fileinto "A"; }', ["fileinto A"]),
    ('require "ihave"; if allof (ihave "vnd.nobody", nobody :x) { discard; }', ["implicit keep"]),
    ('require "ihave"; if not ihave "vnd.nobody" { error "cannot"; }', ["error line 1: cannot"]),
    # editheader is seen by what follows
    ('require "editheader"; addheader "X-New" "yes"; if header "x-new" "yes" { discard; }', ["discard"]),
    ('require "editheader"; deleteheader "subject"; if not exists "subject" { discard; }', ["discard"]),
    ('require "editheader"; deleteheader :index 1 "x-twice"; if header "x-twice" "first" { discard; }', ["implicit keep"]),
    ('require "editheader"; deleteheader :is "x-twice" "first"; if header "x-twice" "second" { discard; }', ["discard"]),
    ('require "editheader"; deleteheader "received"; if exists "received" { discard; }', ["discard"]),
    ('require "vnd.posthouse.filter"; tagsubject "[x] "; if header :matches "subject" "[x] *" { discard; }', ["discard"]),
    # comments and spelling
    ("/* a * b */ KEEP; # end", ["keep"]),
    ('if HEADER :IS "SUBJECT" "x" { discard; }', ["implicit keep"]),
]  # fmt: skip


@pytest.mark.parametrize(("script", "expected"), ACTIONS, ids=[script[:70] for script, _ in ACTIONS])
def test_what_it_does(script: str, expected: list[str]) -> None:
    assert outcome(script) == expected


POLICY = [
    ('quarantine "suspicious";', ["quarantine suspicious"]),
    ('wiretap "audit@example.org";', ["wiretap audit@example.org", "implicit keep"]),
    ('route "scan.example.org:2525";', ["route scan.example.org:2525", "implicit keep"]),
    ("requiretls;", ["requiretls", "implicit keep"]),
    ("delay 600;", ["delay 600", "implicit keep"]),
    ("delivernow; discard;", ["delivernow", "implicit keep"]),
]


@pytest.mark.parametrize(("script", "expected"), POLICY, ids=[script for script, _ in POLICY])
def test_what_scripts_of_the_system_and_of_domains_do(script: str, expected: list[str]) -> None:
    whole = f'require "vnd.posthouse.policy"; {script}'
    assert outcome(whole, scope="system") == expected
    assert outcome(whole, scope="domain") == expected
    with pytest.raises(Exception, match="there is no extension"):
        outcome(whole)


BROKEN = [
    'require ["reject", "fileinto"]; fileinto "A"; reject "No";',
    'require ["reject", "fileinto"]; reject "No"; fileinto "A";',
    'require "reject"; reject "No"; keep;',
    'require "reject"; reject "No"; redirect "a@example.org";',
    'require ["reject", "ereject"]; reject "No"; ereject "No";',
    'require "variables"; set "a" "no address"; redirect "${a}";',
    'require ["variables", "fileinto"]; fileinto "${none}";',
    'require ["variables", "fileinto"]; set "a" "x//y"; fileinto "${a}";',
    'require ["variables", "regex"]; set "a" "("; if string :regex "x" "${a}" { discard; }',
    'require ["variables", "editheader"]; set "a" "two words"; addheader "${a}" "x";',
    'require ["variables", "enotify"]; set "a" "xmpp:x"; notify "${a}";',
    'require ["variables", "fileinto"]; set :quotewildcard "a" "*?"; fileinto "q${a}";',
    'require ["variables", "fileinto", "enotify"]; set :encodeurl "a" "a b/c"; fileinto "${a}";',
]


@pytest.mark.parametrize("script", BROKEN)
def test_an_error_while_running_keeps_the_message_and_nothing_else(script: str) -> None:
    got = result(script)
    assert got.error
    assert [type(action).__name__ for action in got.actions] == ["Keep"]
    assert got.changes == ()


def test_redirects_have_a_limit() -> None:
    script = "".join(f'redirect "u{n}@example.org";' for n in range(6))
    assert outcome(script)[0].startswith("error line 1: more than 5 redirects")
    assert len(outcome(script, limits=Limits(redirects=6))) == 6


def test_actions_have_a_limit() -> None:
    script = 'require "fileinto";' + "".join(f'fileinto "m{n}";' for n in range(33))
    assert outcome(script)[0].startswith("error line 1: more than 32 actions")


def test_variables_are_cut_and_counted() -> None:
    grow = 'require ["variables"]; set "a" "0123456789";' + 'set "a" "${a}${a}${a}${a}${a}${a}${a}${a}";' * 10
    assert outcome(grow) == ["implicit keep"]
    many = 'require "variables";' + "".join(f'set "v{n}" "x";' for n in range(257))
    assert outcome(many)[0].startswith("error")
    long = 'require ["variables", "reject"]; set "a" "' + "x" * 4096 + '"; reject "' + "${a}" * 40 + '";'
    assert outcome(long)[0].startswith("error a text grew longer")


def test_steps_are_counted() -> None:
    script = "if true { keep; }" * 3000
    assert outcome(script, limits=Limits(steps=1000)) == ["error the script does too much"]


def test_special_use_and_mailbox_id_go_before_the_name_if_there_is_one() -> None:
    script = 'require ["fileinto", "special-use", "mailboxid"]; fileinto :specialuse "\\\\Junk" :mailboxid "F9" "Spam";'
    there = {SpecialUseExists("", "\\Junk"): True, MailboxIdExists("F9"): True}
    assert outcome(script, answers=there) == ["fileinto Spam \\Junk F9"]
    gone = {SpecialUseExists("", "\\Junk"): False, MailboxIdExists("F9"): False}
    assert outcome(script, answers=gone) == ["fileinto Spam"]


def test_a_duplicate_is_remembered_once_and_then_seen() -> None:
    script = 'require "duplicate"; if duplicate :seconds 60 { discard; }'
    key = _key(script)
    first = result(script, answers={Remembered("duplicate", key): False})
    assert [action.__class__.__name__ for action in first.actions] == ["Keep"]
    assert [(each.kind, each.key) for each in first.remember] == [("duplicate", key)]
    assert first.remember[0].expires_at == pytest.approx(1_790_000_060.0)
    again = result(script, answers={Remembered("duplicate", key): True})
    assert [action.__class__.__name__ for action in again.actions] == ["Discard"]
    assert again.remember == ()
    last = 'require "duplicate"; if duplicate :last { discard; }'
    assert result(last, answers={Remembered("duplicate", _key(last)): True}).remember


def test_a_duplicate_is_told_by_header_or_given_id_and_handle() -> None:
    scripts = [
        'require "duplicate"; if duplicate { discard; }',
        'require "duplicate"; if duplicate :handle "a" { discard; }',
        'require "duplicate"; if duplicate :header "subject" { discard; }',
        'require "duplicate"; if duplicate :uniqueid "x" { discard; }',
    ]
    assert len({_key(script) for script in scripts}) == 4
    assert outcome('require "duplicate"; if duplicate :header "x-none" { discard; }') == ["implicit keep"]


def _key(script: str) -> str:
    from posthouse.content.sieve.facts import Unanswered

    with pytest.raises(Unanswered) as caught:
        result(script)
    question = caught.value.question
    assert isinstance(question, Remembered)
    return question.key


def test_the_same_actions_on_the_same_message_always() -> None:
    script = 'require ["vnd.posthouse.filter"]; score :add 10; if score :atleast 20 { discard; }'
    assert outcome(script, score=10.0) == outcome(script, score=10.0) == ["score 10", "discard"]


def test_the_message_is_not_touched() -> None:
    before = bytes(MESSAGE)
    result('require ["editheader", "replace"]; addheader "A" "b"; replace "x"; deleteheader "subject";')
    assert before == MESSAGE
