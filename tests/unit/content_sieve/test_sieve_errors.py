"""Wrong scripts are refused with a place and a reason, before they run (RFC 5228 §2.10.5)."""

from __future__ import annotations

import pytest

from posthouse.content.sieve import ScriptError, compile_script
from posthouse.content.sieve.parser import MAX_DEPTH, parse

WRONG = [
    ("keep", 1, 5, "expected"),
    ("keep;\n  kep;", 2, 3, "there is no command 'kep'"),
    ('if header "a" "b" keep;', 1, 1, "if needs a block"),
    ("if true { keep;", 1, 16, "expected a command or '}'"),
    ("if true keep; }", 1, 15, "expected a command"),
    ("}", 1, 1, "expected a command"),
    ('fileinto "A";', 1, 1, 'fileinto needs require "fileinto"'),
    ('require "fileinto"; fileinto;', 1, 21, "fileinto needs a string"),
    ('require "fileinto"; fileinto "A" "B";', 1, 34, "takes no further argument"),
    ('require "fileinto"; fileinto ["A"];', 1, 30, "takes a string"),
    ('require "fileinto"; fileinto 5;', 1, 30, "takes a string"),
    ('require "fileinto"; fileinto :copy "A";', 1, 30, 'needs require "copy"'),
    ('require ["fileinto", "copy"]; fileinto :copy :copy "A";', 1, 46, "given twice"),
    ('require "fileinto"; fileinto "a//b";', 1, 30, "empty levels"),
    ('REQUIRE ["FILEINTO"];', 1, 9, "there is no extension 'FILEINTO'"),
    ('require "nonsense";', 1, 9, "there is no extension 'nonsense'"),
    ('keep; require "fileinto";', 1, 7, "require must come first"),
    ('if true { require "fileinto"; }', 1, 11, "require must come first"),
    ("else { keep; }", 1, 1, "else without if"),
    ("if true { } else { } elsif true { }", 1, 22, "elsif after else"),
    ("keep { stop; }", 1, 1, "takes no block"),
    ("if true;", 1, 1, "needs a block"),
    ("if keep { }", 1, 4, "keep is not a test"),
    ("true;", 1, 1, "true is not a command"),
    ("if not (true) { }", 1, 4, "takes one test"),
    ("if allof true { }", 1, 4, "list of tests"),
    ("if true (true) { }", 1, 10, "takes no test"),
    ('if header :foo "a" "b" { }', 1, 11, "has no argument :foo"),
    ('if header :is :contains "a" "b" { }', 1, 15, "does not go with"),
    ('if header :comparator "i;nothing" "a" "b" { }', 1, 11, "there is no comparator"),
    ('if header :comparator "i;ascii-numeric" "a" "b" { }', 1, 11, 'needs require "comparator-i;ascii-numeric"'),
    ('require "comparator-i;ascii-numeric"; if header :contains :comparator "i;ascii-numeric" "a" "b" { }', 1, 59, "does not"),
    ('require "relational"; if header :value "foo" "a" "b" { }', 1, 33, "takes one of"),
    ('if header :value "gt" "a" "b" { }', 1, 11, 'needs require "relational"'),
    ('if header :regex "a" "b" { }', 1, 11, 'needs require "regex"'),
    ('require "regex"; if header :regex "a" "(" { }', 1, 39, "missing )"),
    ('require "regex"; if header :regex "a" "(a)\\\\1" { }', 1, 39, "invalid escape sequence"),
    ('require "regex"; if header :regex "a" "(a{900}){900}" { }', 1, 39, ""),
    ('require "regex"; if header :regex "a" "x{999}y{999}z{999}" { }', 1, 39, "too complex"),
    ('if header "two words" "b" { }', 1, 11, "not the name of a header field"),
    ('if size 5 { }', 1, 9, "takes no further argument"),
    ("if size { }", 1, 4, "size needs :over or :under"),
    ("if size :over { }", 1, 9, ":over needs a number"),
    ('if size :over "5" { }', 1, 15, ":over needs a number"),
    ("if size :over 5 :under 6 { }", 1, 17, "does not go with"),
    ("if size :over 5T { }", 1, 15, "is not a number"),
    ("if size :over 9999999999 { }", 1, 15, "is not a number"),
    ('require "envelope"; if envelope "orcpt" "x" { }', 1, 33, "has no part"),
    ('require "date"; if currentdate "century" "x" { }', 1, 32, "no date part"),
    ('require "date"; if currentdate :zone "CET" "year" "x" { }', 1, 38, "is not a zone"),
    ('redirect "nobody";', 1, 10, "local@domain"),
    ('require "index"; if header :last "a" "b" { }', 1, 28, ":last needs :index"),
    ('require "index"; if header :index 0 "a" "b" { }', 1, 28, "counts from 1"),
    ('require "variables"; set "1" "x";', 1, 26, "not the name of a variable"),
    ('require "variables"; set "a.b" "x";', 1, 26, "not the name of a variable"),
    ('require "variables"; set :upper :lower "a" "x";', 1, 33, "does not go with"),
    ('require ["variables", "fileinto"]; fileinto "${a.b}";', 1, 45, "no namespace"),
    ('require ["variables", "fileinto"]; fileinto "${100}";', 1, 45, "no match variable"),
    ('require ["encoded-character", "fileinto"]; fileinto "${unicode:d800}";', 1, 53, "not a Unicode character"),
    ('require "enotify"; notify "sip:x";', 1, 27, "is not a method"),
    ('require "enotify"; notify :importance "9" "mailto:a@b.test";', 1, 27, "1, 2 or 3"),
    ('require "foreverypart"; break;', 1, 25, "break without foreverypart"),
    ('require "foreverypart"; foreverypart { break :name "x"; }', 1, 40, "break without foreverypart x"),
    ('require ["extracttext", "variables"]; extracttext "x";', 1, 39, "needs a foreverypart"),
    ('if header :anychild "a" "b" { }', 1, 11, 'needs require "mime"'),
    ('require ["include", "variables"]; set "a" "x"; include "${a}";', 1, 56, "must not have variables"),
    ('require "vnd.posthouse.filter"; if client :network "x" { discard; }', 1, 52, "is not a network"),
    ('require "vnd.posthouse.filter"; if direction "up" { discard; }', 1, 46, "in"),
    ('require "vnd.posthouse.filter"; if authresult "pass" { discard; }', 1, 36, "needs :spf"),
    ('require "vnd.posthouse.filter"; score 5;', 1, 39, "takes no further"),
    ('reject "x";', 1, 1, 'needs require "reject"'),
    ('"keep";', 1, 1, "expected a command"),
    ('keep "', 1, 6, "no closing quote"),
    ("/* never", 1, 1, "a comment has no end"),
    ('reject text:\nnever ends', 1, 8, "line of one dot"),
    ("keep;\x00", 1, 6, "NUL"),
    ("keep ?;", 1, 6, "'?' does not belong here"),
    ('if header ["a" "b"] "c" { }', 1, 16, "expected ',' or ']'"),
    ("if header [] \"c\" { }", 1, 12, "expected a string"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "line", "column", "text"), WRONG, ids=[case[0][:60] for case in WRONG])
def test_it_is_refused_with_its_place(script: str, line: int, column: int, text: str) -> None:
    with pytest.raises(ScriptError) as caught:
        compile_script(script)
    assert (caught.value.line, caught.value.column) == (line, column), caught.value.public
    assert text in caught.value.problem


def test_nesting_has_a_limit() -> None:
    inside = "if true { " * (MAX_DEPTH // 2) + "}" * (MAX_DEPTH // 2)
    compile_script(inside)
    for deep in ("if true { " * 1000 + "}" * 1000, "if " + "not " * 1000 + "true { }", "if " + "anyof (" * 1000):
        with pytest.raises(ScriptError, match="nested deeper"):
            compile_script(deep)


def test_size_strings_and_words_have_limits() -> None:
    with pytest.raises(ScriptError, match="longer than 1048576 octets"):
        parse("#" * ((1 << 20) + 1))
    with pytest.raises(ScriptError, match="longer than 1048576 octets"):
        parse("#" + "é" * (1 << 19))
    with pytest.raises(ScriptError, match="longer than 262144 characters"):
        parse('redirect "' + "x" * 262_145 + '";')
    with pytest.raises(ScriptError, match="more than 100000 words"):
        parse("keep;" * 60_000)
    with pytest.raises(ScriptError, match="fewer arguments"):
        parse("keep " + "1 " * 200 + ";")


def test_lines_and_columns_count_characters_after_crlf() -> None:
    with pytest.raises(ScriptError) as caught:
        compile_script('keep;\r\n/* é\r\n */ "x";')
    assert (caught.value.line, caught.value.column) == (3, 5)
