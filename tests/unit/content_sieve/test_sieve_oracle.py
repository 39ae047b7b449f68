"""Against sievelib's parser, which others wrote: what it takes, ours takes, and what ours writes, it takes."""

from __future__ import annotations

import pytest

from posthouse.content.sieve import ScriptError, compile_script
from posthouse.content.sieve.parser import parse

oracle = pytest.importorskip("sievelib.parser")

SCRIPTS = [
    "keep;",
    'require ["fileinto", "reject"]; if header :contains "Subject" "x" { fileinto "A"; } else { reject "no"; }',
    'require "fileinto"; if anyof (header :is "a" ["b", "c"], not exists "d", size :over 10K) { fileinto "A"; stop; }',
    'if address :domain :is ["From", "Sender"] "example.com" { discard; }',
    'if allof (true, anyof (false, not true)) { keep; } elsif size :under 5M { redirect "a@b.test"; }',
    'require "envelope"; if envelope :all :contains "to" "me" { keep; }',
    'require "vacation"; vacation :days 7 :subject "Away" "I am away";',
    'require ["body"]; if body :raw :contains "x" { discard; }',
    'require ["copy", "fileinto"]; fileinto :copy "A";',
    'require ["variables"]; set "a" "b";',
    'require ["imap4flags"]; setflag "\\\\Seen"; keep;',
    'require ["date", "relational"]; if currentdate :value "ge" "date" "2026-01-01" { keep; }',
    'require "reject"; reject text:\nSeveral\nlines\n..\n.\n;',
    "# comment\n/* another */ keep; # end",
]
WRONG = ["if { }", "if true keep;", "fileinto;", "}", "if anyof (true, ) { }", 'keep "x"', '"x";']
"""Left out: what it lets pass against the RFC (a missing last semicolon, missing keys), and i;ascii-numeric, unknown to it."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_both_take_it(script: str) -> None:
    compile_script(script)
    theirs = oracle.Parser()
    assert theirs.parse(script), theirs.error


@pytest.mark.parametrize("script", WRONG)
def test_both_refuse_it(script: str) -> None:
    with pytest.raises(ScriptError):
        compile_script(script)
    assert not oracle.Parser().parse(script)


@pytest.mark.parametrize("script", SCRIPTS)
def test_both_see_the_same_commands(script: str) -> None:
    theirs = oracle.Parser()
    assert theirs.parse(script)
    assert [command.name for command in parse(script)] == [command.name for command in theirs.result]
