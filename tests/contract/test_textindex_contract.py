"""What interfaces/textindex.py promises, held against the index in memory and the one on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from posthouse.interfaces.textindex import Term, Where
from support import documents as make
from support.mail_backends import KINDS
from support.text_indexes import TEXT_CHARS, Indexed, text_indexes


@pytest.fixture(params=KINDS)
async def indexed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Indexed]:
    async with text_indexes(request.param, tmp_path) as made:
        yield made


def message(subject: str = "x", body: str = "x", extra: str = "") -> bytes:
    head = f"From: Ann <ann@a.example>\r\nSubject: {subject}\r\n{extra}MIME-Version: 1.0\r\n"
    return f"{head}Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n".encode()


async def found(indexed: Indexed, text: str, where: Where = "text", *, fuzzy: bool = False) -> set[int] | None:
    uids = await indexed.index.may_match(indexed.mailbox_id, Term(where, text, fuzzy))
    return None if uids is None else set(uids)


async def test_what_has_the_text_is_among_the_answers_and_what_has_not_is_left_out(indexed: Indexed) -> None:
    first, second, third = await indexed.add(message("budget"), message(body="the BUDGET of May"), message("lunch"))
    await indexed.catch_up()
    assert await found(indexed, "Budget") == {first, second}
    assert await found(indexed, "budget", "head") == {first}
    assert await found(indexed, "budget", "body") == {second}
    assert await found(indexed, "udge") == {first, second}
    assert await found(indexed, "subject: lunch", "head") == {third}
    assert await found(indexed, "nowhere") == set()


async def test_what_is_not_indexed_yet_is_always_among_the_answers(indexed: Indexed) -> None:
    (old,) = await indexed.add(message("old"))
    await indexed.catch_up()
    (new,) = await indexed.add(message("new"))
    assert await found(indexed, "nowhere") == {new}
    assert await found(indexed, "subject: old") == {old, new}
    await indexed.catch_up()
    assert await found(indexed, "nowhere") == set()


async def test_a_text_longer_than_the_limit_is_always_among_the_answers(indexed: Indexed) -> None:
    (long, short) = await indexed.add(message(body="a " * TEXT_CHARS + "needle"), message())
    await indexed.catch_up()
    assert await found(indexed, "needle") == {long}
    assert await found(indexed, "other") == {long}
    assert short not in (await found(indexed, "needle") or ())


@pytest.mark.parametrize("text", ["", "a", "ab", "a\0bc", "a\x1ebcd"])
async def test_what_cannot_be_asked_is_not_answered(indexed: Indexed, text: str) -> None:
    await indexed.add(message(body="abcd"))
    await indexed.catch_up()
    assert await found(indexed, text) is None


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("Straße in Köln", "STRASSE"),
        ("STRASSE", "straße"),
        ("Größe", "GRÖSSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ("Съешь ещё булок", "ЕЩЁ БУЛОК"),
        ("İstanbul", "i̇stanbul"),
        ("ısı", "ısı"),
        ("ﬁnance ﬃ", "FINANCE FFI"),
        ("שלום עולם", "שלום"),
        ("السلام عليكم", "السلام"),
        ("नमस्ते दुनिया", "नमस्ते"),
        ("สวัสดีชาวโลก", "ชาว"),
        ("会议纪要", "会议"),
        ("会议纪要", "要"),
        ("東京都庁", "京都庁"),
        ("안녕하세요", "녕하"),
        ("party 🎉🎊🥳 time", "🎉🎊"),
        ('say "hello" (now) AND NOT*', '"hello" (now) AND NOT*'),
        ("x^2 + col:umn - {a b}", "col:umn - {a"),
    ],
)
async def test_every_script_is_found_by_any_part_of_it(indexed: Indexed, body: str, wanted: str) -> None:
    (there, _) = await indexed.add(message(body=body), message(body="something else"))
    await indexed.catch_up()
    assert await found(indexed, wanted, "body") == {there}


async def test_the_very_last_characters_of_a_message_are_found(indexed: Indexed) -> None:
    there, _ = await indexed.add(message(body="会议纪要").rstrip(), message(body="x"))
    await indexed.catch_up()
    for wanted in ("要", "纪要", "议纪要"):
        assert await found(indexed, wanted, "body") == {there}


async def test_dotless_i_is_no_dotted_i_as_in_the_search_itself(indexed: Indexed) -> None:
    await indexed.add(message(body="kızlar"))
    await indexed.catch_up()
    assert await found(indexed, "kizlar", "body") == set()


async def test_long_texts_are_found(indexed: Indexed) -> None:
    sentence = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness"
    (there, _) = await indexed.add(message(body=sentence), message(body=sentence[:50]))
    await indexed.catch_up()
    assert await found(indexed, sentence) == {there}


async def test_encoded_headers_addresses_and_any_field_are_found(indexed: Indexed) -> None:
    (there, _) = await indexed.add(
        message("=?utf-8?q?caf=C3=A9?=", extra="X-Spam-Level: ****\r\nCc: <bob@b.example>\r\n"), message()
    )
    await indexed.catch_up()
    for text in ("CAFÉ", "x-spam-level:", "****", "bob@b.example", "cc: <bob"):
        assert await found(indexed, text, "head") == {there}, text


async def test_an_address_is_found_as_the_envelope_shows_it(indexed: Indexed) -> None:
    (there,) = await indexed.add(b'From: "Jo\\hn   Q" <JQ@A.example>\r\nSubject: x\r\n\r\nx\r\n')
    await indexed.catch_up()
    assert await found(indexed, "John   Q", "head") == {there}


async def test_documents_are_found_by_text_and_by_name(indexed: Indexed) -> None:
    papers = (
        (make.DOCX, "minutes.docx", make.docx("Wombat protocol")),
        (make.PDF, "", make.pdf("quokka census")),
        (make.ODT, "brief.odt", make.odt("Бобры и выдры")),
    )
    (with_papers, _) = await indexed.add(make.letter(*papers), message())
    await indexed.catch_up()
    for text in ("WOMBAT", "quokka census", "бобры и", "Minutes.docx", "see the attached"):
        assert await found(indexed, text, "body") == {with_papers}, text
        assert await found(indexed, text, "head") == set(), text


async def test_the_text_of_documents_can_be_read_back(indexed: Indexed) -> None:
    with_papers, without = await indexed.add(make.letter((make.DOCX, "Plan.docx", make.docx("Wombat"))), message())
    await indexed.catch_up()
    facts = {one.uid: one.body_id for one in await indexed.store.facts(indexed.mailbox_id, [with_papers, without])}
    assert await indexed.index.with_documents(list(facts.values())) == {facts[with_papers]}
    text = await indexed.index.document_text(facts[with_papers])
    assert "wombat" in text
    assert "plan.docx" in text
    assert await indexed.index.document_text(facts[without]) == ""
    assert await indexed.index.document_text(999_999) == ""


async def test_a_document_that_cannot_be_read_hides_nothing_else(indexed: Indexed) -> None:
    papers = ((make.PDF, "bad.pdf", b"%PDF-nonsense"), (make.DOCX, "bomb.docx", make.zip_bomb(100 << 20)))
    (there, _) = await indexed.add(make.letter(*papers, (make.DOCX, "", make.docx("wombat"))), message())
    await indexed.catch_up()
    assert await found(indexed, "wombat") == {there}
    assert await found(indexed, "bad.pdf") == {there}


async def test_html_is_found_as_it_is_written_and_as_it_is_seen(indexed: Indexed) -> None:
    html = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p class=lead>inter<b>nation</b>al &euro;5</p>\r\n"
    (there, _) = await indexed.add(html, message())
    await indexed.catch_up()
    for text in ("international €5", "<b>nation", "class=lead"):
        assert await found(indexed, text, "body") == {there}, text


async def test_nothing_is_found_across_the_pieces_of_a_message(indexed: Indexed) -> None:
    two = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n'
    await indexed.add(two)
    await indexed.catch_up()
    assert await found(indexed, "onetwo") == set()


async def test_one_content_in_many_mailboxes_answers_for_each_alone(indexed: Indexed) -> None:
    (uid,) = await indexed.add(message("budget"))
    other = await indexed.store.create(7, "Other")
    await indexed.store.append(other.mailbox_id, [])
    copied = await indexed.store.copy(indexed.mailbox_id, [uid], other.mailbox_id)
    await indexed.catch_up()
    assert await found(indexed, "budget") == {uid}
    assert await indexed.index.may_match(other.mailbox_id, Term("text", "budget")) == frozenset(copied.target_uids)
    await indexed.remove(uid)
    assert await found(indexed, "budget") == set()


async def test_an_unknown_mailbox_has_no_answers(indexed: Indexed) -> None:
    await indexed.add(message("budget"))
    await indexed.catch_up()
    assert await indexed.index.may_match(999_999, Term("text", "budget")) == frozenset()


async def test_fuzzy_also_answers_with_what_comes_near(indexed: Indexed) -> None:
    exact, plural, typo, accent, far = await indexed.add(
        message("invoice"), message("invoices"), message("invoise"), message("invôice"), message("voice")
    )
    await indexed.catch_up()
    near = await found(indexed, "invoice", fuzzy=True)
    assert near is not None
    assert near >= {exact, plural, typo, accent}
    assert far not in near


async def test_fuzzy_looks_into_documents(indexed: Indexed) -> None:
    (there, _) = await indexed.add(make.letter((make.DOCX, "", make.docx("Wombat protocol"))), message())
    await indexed.catch_up()
    assert await found(indexed, "wombt", "body", fuzzy=True) == {there}


async def test_the_status_counts(indexed: Indexed) -> None:
    await indexed.add(message("one"), message("two"), make.letter((make.DOCX, "a.docx", make.docx("x"))))
    await indexed.catch_up()
    status = await indexed.index.status()
    assert (status.indexed, status.waiting, status.unread, status.documents, status.documents_waiting) == (3, 0, 0, 1, 0)
