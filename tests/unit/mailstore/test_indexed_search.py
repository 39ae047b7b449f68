"""A search with the index finds exactly what it finds without, and opens what may match alone."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.interfaces.textindex import IndexStatus, Term
from posthouse.mailstore.search import Scope, search
from posthouse.mailstore.view import MailboxView
from posthouse.protocols.imap import search_keys as k
from posthouse.protocols.imap.search_keys import SearchKey
from posthouse.protocols.imap.sequence import SequenceSet
from support import documents as make
from support.text_indexes import Indexed, text_indexes

PIECES = (
    "budget", "Budgét", "meeting", "straße", "STRASSE", "ΣΊΣΥΦΟΣ", "İı", "ﬁ", "会议", "京都", "สวัสดี", "🎉", "a", "ab",
    "abc", " ", "  ",
    ", ", '"', "\\", "<x@y.example>", "=?utf-8?q?caf=C3=A9?=", "=?iso-8859-1?b?6Q==?=", "(c)", ":",
    "\x1e", "&amp;", "<b>", "</b>", "é",
)  # fmt: skip
TEXT = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
CHARSETS = ("utf-8", "iso-8859-1", "utf-16", "utf-7", "koi8-r", "us-ascii", "nonsense")
FIELDS = ("subject", "from", "to", "cc", "x-note")


def encoded(text: str, charset: str) -> bytes:
    try:
        return text.encode(charset)
    except (LookupError, UnicodeError):
        return text.encode()


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    names = draw(st.lists(st.sampled_from(FIELDS), max_size=4))
    head = "".join(f"{name}: {draw(TEXT)}\r\n" for name in names).encode()
    form = draw(st.sampled_from(("plain", "html", "mixed", "nested", "bare")))
    charset = draw(st.sampled_from(CHARSETS))
    body = encoded(draw(TEXT), charset)
    kind = b"Content-Type: text/%b; charset=%b\r\n\r\n%b\r\n"
    if form in ("plain", "html"):
        return head + kind % (form.encode(), charset.encode(), body)
    if form == "bare":
        return head + b"\r\n" + body
    inner = kind % (b"plain", charset.encode(), body)
    if form == "nested":
        inner = b"Content-Type: message/rfc822\r\n\r\nSubject: " + encoded(draw(TEXT), "utf-8") + b"\r\n" + inner
    return (
        head
        + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        + inner
        + b"\r\n--b\r\n\r\n"
        + body
        + b"\r\n--b--\r\n"
    )


TEXT_KEYS = st.builds(k.TextKey, st.sampled_from(("body", "text")), TEXT)
HEADER_KEYS = st.builds(k.HeaderKey, st.sampled_from((*FIELDS, "none", "")), TEXT)
LEAVES = (
    TEXT_KEYS
    | HEADER_KEYS
    | st.builds(k.SizeKey, st.sampled_from(("larger", "smaller")), st.integers(0, 400))
    | st.just(k.All())
)
KEYS: st.SearchStrategy[SearchKey] = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(k.Not, inner)
        | st.builds(k.Or, inner, inner)
        | st.builds(k.And, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=5,
)


async def scope_of(indexed: Indexed) -> Scope:
    info, rows = await indexed.store.rows(indexed.mailbox_id)
    view = MailboxView.of(rows, info.mod_seq, info.uid_next)
    return Scope(indexed.store, indexed.mailbox_id, view, (), 1.79e9, index=indexed.index)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@settings(max_examples=60, deadline=None)
@given(
    old=st.lists(messages(), min_size=1, max_size=12),
    new=st.lists(messages(), max_size=3),
    wanted=st.lists(KEYS, min_size=1, max_size=12),
)
def test_with_and_without_the_index_it_is_the_same(
    kind: str, old: list[bytes], new: list[bytes], wanted: list[SearchKey]
) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with text_indexes(kind, Path(folder)) as indexed:
                await indexed.add(*old)
                await indexed.catch_up()
                await indexed.add(*new)
                if len(old) > 2:
                    await indexed.remove(2)
                scope = await scope_of(indexed)
                for key in wanted:
                    with_index = list(await search(key, replace(scope, answers={})))
                    assert with_index == list(await search(key, replace(scope, index=None))), key

    with mock.patch("posthouse.mailstore.narrow.FEW", 0):
        asyncio.run(run())


class Oracle:
    """An index that knows; counts what it is asked."""

    def __init__(self, answers: dict[str, frozenset[int] | None]) -> None:
        self.answers = answers
        self.asked: list[Term] = []

    async def may_match(self, mailbox_id: int, term: Term) -> frozenset[int] | None:
        self.asked.append(term)
        return self.answers.get(term.text)

    async def with_documents(self, body_ids: Sequence[int]) -> frozenset[int]:
        return frozenset()

    async def document_text(self, body_id: int) -> str:
        return ""

    async def status(self) -> IndexStatus:
        raise NotImplementedError


class CountingStore:
    """Counts the messages that are opened, of a store with 100 of them."""

    def __init__(self, indexed: Indexed) -> None:
        self.opened = 0
        self.rows, self.facts = indexed.store.rows, indexed.store.facts
        self._content = indexed.store.content

    async def content(self, body_id: int) -> bytes:
        self.opened += 1
        return await self._content(body_id)


async def opened(
    key: SearchKey, answers: dict[str, frozenset[int] | None], tmp_path: Path
) -> tuple[list[int], int, list[Term]]:
    """(UIDs found, messages opened, what the index was asked), in a mailbox of 100 messages ``Subject: n<i>, body <i>``."""
    async with text_indexes("memory", tmp_path) as indexed:
        await indexed.add(*(f"Subject: n{number}.\r\n\r\nbody {number}.\r\n".encode() for number in range(1, 101)))
        oracle, store = Oracle(answers), CountingStore(indexed)
        scope = replace(await scope_of(indexed), store=store, index=oracle)  # type: ignore[arg-type]
        found = await search(key, scope)
        return [at + 1 for at in found], store.opened, oracle.asked


async def test_only_what_may_match_is_opened(tmp_path: Path) -> None:
    answers: dict[str, frozenset[int] | None] = {"body 7.": frozenset({7, 8})}
    assert (await opened(k.TextKey("body", "body 7."), answers, tmp_path))[:2] == ([7], 2)


async def test_without_an_answer_all_are_opened(tmp_path: Path) -> None:
    assert (await opened(k.TextKey("body", "body 7."), {}, tmp_path))[:2] == ([7], 100)


async def test_a_negation_opens_what_it_negates(tmp_path: Path) -> None:
    found, count, _ = await opened(k.Not(k.TextKey("body", "body 7.")), {"body 7.": frozenset({7, 9})}, tmp_path)
    assert (len(found), count) == (99, 2)
    assert 7 not in found


async def test_a_conjunction_is_bounded_by_all_its_operands(tmp_path: Path) -> None:
    answers: dict[str, frozenset[int] | None] = {"body": frozenset(range(1, 51)), "7.": frozenset({7, 17, 77})}
    key = k.And((k.TextKey("body", "body"), k.Not(k.TextKey("text", "zzz")), k.TextKey("body", "7.")))
    found, count, _ = await opened(key, answers, tmp_path)
    assert (found, count) == ([7, 17], 2)


async def test_an_alternative_is_bounded_only_if_both_sides_are(tmp_path: Path) -> None:
    key = k.Or(k.TextKey("body", "body 7."), k.TextKey("body", "body 8."))
    both: dict[str, frozenset[int] | None] = {"body 7.": frozenset({7}), "body 8.": frozenset({8})}
    assert (await opened(key, both, tmp_path))[:2] == ([7, 8], 2)
    assert (await opened(key, {"body 7.": frozenset({7})}, tmp_path))[:2] == ([7, 8], 100)


async def test_few_candidates_are_looked_at_without_asking(tmp_path: Path) -> None:
    key = k.And((k.UidKey(SequenceSet(((5, 9),))), k.TextKey("body", "body 7.")))
    found, count, asked = await opened(key, {"body 7.": frozenset({7})}, tmp_path)
    assert (found, count, asked) == ([7], 5, [])


async def test_the_same_text_is_asked_for_once(tmp_path: Path) -> None:
    text = k.TextKey("body", "body 7.")
    _, _, asked = await opened(k.Or(k.And((text, k.Not(text))), text), {"body 7.": frozenset({7})}, tmp_path)
    assert asked == [Term("body", "body 7.")]


async def test_a_field_that_must_be_there_is_asked_for_by_its_name(tmp_path: Path) -> None:
    found, count, asked = await opened(k.HeaderKey("list-id", ""), {"list-id:": frozenset({3})}, tmp_path)
    assert (found, count, asked) == ([], 1, [Term("head", "list-id:")])


async def test_words_of_documents_are_found_once_they_are_indexed(tmp_path: Path) -> None:
    async with text_indexes("sqlite", tmp_path) as indexed:
        await indexed.add(make.letter((make.DOCX, "a.docx", make.docx("Wombat"))), b"Subject: x\r\n\r\nwombat\r\n")
        wanted = k.TextKey("body", "WOMBAT")
        assert list(await search(wanted, await scope_of(indexed))) == [1]
        await indexed.catch_up()
        assert list(await search(wanted, await scope_of(indexed))) == [0, 1]
        assert list(await search(k.TextKey("body", "wo"), await scope_of(indexed))) == [0, 1], "also by a look at each"
        assert list(await search(k.HeaderKey("subject", "wombat"), await scope_of(indexed))) == []


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_fuzzy_finds_near_words_and_says_how_near(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.mailstore.narrow.FEW", 0)
    async with text_indexes(kind, tmp_path) as indexed:
        texts = ("the invoice", "the invôice", "all invoices here", "an invioce", "my voice")
        await indexed.add(
            *(
                f"Subject: =?utf-8?q?{text.replace(' ', '_').replace('ô', '=C3=B4')}?=\r\n\r\n{text}\r\n".encode()
                for text in texts
            )
        )
        await indexed.catch_up()
        for key in (k.TextKey("body", "Invoice", fuzzy=True), k.HeaderKey("subject", "Invoice", fuzzy=True)):
            scope = await scope_of(indexed)
            assert list(await search(key, scope)) == [0, 1, 2, 3]
            assert [scope.relevancy(uid) for uid in (1, 2, 3, 4)] == [100, 90, 100, 50]
        scope = await scope_of(indexed)
        assert list(await search(k.TextKey("body", "Invoice"), scope)) == [0, 2]
        assert scope.relevancy(1) == 100
