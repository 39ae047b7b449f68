"""Nothing that anybody uploads or sends gets more out of the engine than an error with a place, or a result."""

from __future__ import annotations

import string

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.content.filters import read, write
from posthouse.content.sieve import ScriptError, apply, compile_script, registry, run
from posthouse.content.sieve.facts import Unanswered
from posthouse.content.wordlists import Entry, WordList
from posthouse.formats.mime import index
from support.sieve import MESSAGE, facts, view

EXTENSIONS = (
    'require ["fileinto", "reject", "ereject", "copy", "envelope", "body", "variables", "vacation", "vacation-seconds",'
    ' "relational", "regex", "imap4flags", "subaddress", "editheader", "duplicate", "mailbox", "spamtest", "virustest",'
    ' "enotify", "include", "date", "index", "mime", "foreverypart", "extracttext", "replace", "enclose", "ihave",'
    ' "encoded-character", "environment", "special-use", "vnd.posthouse.filter", "vnd.posthouse.policy",'
    ' "comparator-i;ascii-numeric"];'
)
NAMES = (*registry.commands(), *registry.tests())
WORDS = st.sampled_from(NAMES) | st.sampled_from(
    ["if", "elsif", "else", "text:\nx\n.\n", "{", "}", "(", ")", "[", "]", ",", ";", "5", "10K", "#c\n",
     "/* c */", ":is", ":contains", ":matches", ":regex", ":value", ":count", ":comparator", ":copy", ":flags", ":over", ":all",
     ":domain", ":detail", ":mime", ":anychild", ":index", ":last", ":content", ":raw", ":days", ":zone", ":name", ":param",
     '"i;octet"', '"i;ascii-numeric"', '"gt"', '"from"', '"subject"', '"a@b.test"', '"*${1}*"', '"${x}"', '"(a*)*"', '"year"',
     '["a", "b"]', '"\\\\Seen"', '""', '"mailto:a@b.test"', '"${unicode:40}"']
)  # fmt: skip


def tried(script: str, content: bytes = MESSAGE) -> None:
    """Compiles, and runs what compiles; makes its changes."""
    try:
        made = compile_script(script, "system", traced=True)
    except ScriptError as error:
        assert error.line >= 1
        assert error.column >= 1
        return
    try:
        got = run(made, facts(content))
    except Unanswered:
        return
    assert isinstance(apply(content, index(content), got.changes), bytes)


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_script_or_has_an_error_with_a_place(text: str) -> None:
    tried(text)


@given(st.text(alphabet=string.ascii_letters + string.digits + ' \n\t"\\:;,()[]{}#*/.${}', max_size=300))
@settings(max_examples=200, deadline=None)
def test_text_that_looks_like_sieve_does_no_harm(text: str) -> None:
    tried(EXTENSIONS + text)


@given(st.lists(WORDS, max_size=40))
@settings(max_examples=300, deadline=None)
def test_words_of_the_language_in_any_order_do_no_harm(words: list[str]) -> None:
    tried(EXTENSIONS + " ".join(words))


def _joined(draw_words: list[str]) -> str:
    return " ".join(draw_words)


SENTENCES = st.sampled_from(
    ["keep;", "discard;", "stop;", 'fileinto "A";', 'redirect "a@b.test";', 'set "x" "${1}${x}";', 'addflag "a b";',
     'addheader "X" "${x}";', 'deleteheader "subject";', 'reject "no";', 'vacation :seconds 0 "x";', 'replace "y";',
     'tagsubject "t";', 'addfooter "f";', 'stripattachments :matches "*";', 'enclose "e";', "score :add 5;", "delivernow;"]
)  # fmt: skip
CONDITIONS = st.sampled_from(
    ['header :matches ["subject", "from"] "*e*"', 'address :regex "to" "(.*)@(.*)"', 'body :contains "buy"', "size :over 1K",
     'exists "subject"', 'hasflag "a"', 'string :is "${1}" "x"', 'attachment :matches "*.zip"', "true",
     'header :mime :anychild :param "filename" :matches "content-disposition" "*"', 'not date "date" "year" "2026"']
)  # fmt: skip
BLOCKS = st.recursive(
    SENTENCES,
    lambda inner: st.one_of(
        st.tuples(CONDITIONS, st.lists(inner, max_size=4)).map(lambda pair: f"if {pair[0]} {{ {_joined(pair[1])} }}"),
        st.lists(inner, max_size=3).map(lambda inside: f"foreverypart {{ {_joined(inside)} }}"),
    ),
    max_leaves=15,
)


@given(st.lists(BLOCKS, max_size=6), st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_good_scripts_on_bad_messages_end_with_a_result(blocks: list[str], junk: bytes) -> None:
    script = EXTENSIONS + " ".join(blocks)
    for content in (MESSAGE, junk, MESSAGE[: len(MESSAGE) // 2] + junk):
        tried(script, content)


@given(st.lists(BLOCKS, max_size=4))
@settings(max_examples=100, deadline=None)
def test_reading_and_writing_a_foreign_script_keeps_what_it_does(blocks: list[str]) -> None:
    script = EXTENSIONS + "\n" + "\n".join(blocks)
    document = read(script)
    assert not document.filters
    again = write(document)
    first = run(compile_script(script, "system"), facts())
    second = run(compile_script(again, "system"), facts())
    assert [type(action) for action in first.actions] == [type(action) for action in second.actions]
    assert read(again).pieces == document.pieces


@given(st.lists(st.text(min_size=1, max_size=30), max_size=20), st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_word_lists_of_anything_look_at_anything(entries: list[str], text: str) -> None:
    hits = WordList("x", [Entry(entry) for entry in entries]).hits(text.encode("utf-8", "replace"))
    assert set(hits.words) <= set(entries)


@given(st.binary(max_size=600))
@settings(max_examples=100, deadline=None)
def test_views_of_any_octets_answer(octets: bytes) -> None:
    seen = view(octets)
    assert isinstance(seen.plain_text.folded, bytes)
    assert all(isinstance(each.name, str) for each in seen.attachments)
    assert isinstance(seen.content_texts([""]), list)
