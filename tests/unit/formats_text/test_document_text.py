"""The text of attached documents: every format, every script, nothing from what only looks like text."""

from __future__ import annotations

import pytest

from posthouse.formats.mime import index
from posthouse.formats.text.documents import Kind, document_text, kind_of
from posthouse.formats.text.limits import TextLimits
from posthouse.formats.text.message import file_name, message_text
from posthouse.formats.text.parts import walk
from support import documents as make

SCRIPTS = {
    "latin": "Größe naïve façade",
    "cyrillic": "Съешь ещё этих мягких булок",
    "greek": "ΣΊΣΥΦΟΣ και λόγος",
    "hebrew": "שלום עולם",
    "arabic": "السلام عليكم ورحمة الله",
    "devanagari": "नमस्ते दुनिया",
    "thai": "สวัสดีชาวโลก",
    "chinese": "你好，世界 会议纪要",
    "japanese": "東京都 カタカナ ひらがな",
    "korean": "안녕하세요 세계",
    "emoji": "party 🎉👩‍👩‍👧 time",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize(
    ("kind", "octets"),
    [("word", make.docx), ("sheet", make.xlsx), ("slides", make.pptx), ("opendocument", make.odt), ("opendocument", make.ods)],
)
def test_every_script_comes_out_as_it_went_in(kind: Kind, octets: object, text: str) -> None:
    assert text in document_text(kind, octets(text))  # type: ignore[operator]


@pytest.mark.parametrize("text", [text for name, text in SCRIPTS.items() if name != "emoji"])
def test_rtf_gives_its_text_and_not_its_fonts(text: str) -> None:
    found = document_text("rtf", make.rtf(text))
    assert text in found
    assert "Secretfont" not in found
    assert "Hidden" not in found


def test_rtf_in_a_code_page_is_decoded() -> None:
    assert "Привет" in document_text("rtf", b"{\\rtf1\\ansi\\ansicpg1251 \\'cf\\'f0\\'e8\\'e2\\'e5\\'f2}")


def test_a_word_that_is_cut_into_runs_is_one_word() -> None:
    assert "international" in document_text("word", make.docx("international", runs_of=3))


def test_paragraphs_and_cells_do_not_run_together() -> None:
    assert "onetwo" not in document_text("word", make.docx("one", "two"))
    assert "onetwo" not in document_text("sheet", make.xlsx("one", "two"))
    assert "onetwo" not in document_text("opendocument", make.ods("one", "two"))
    assert "onetwo" not in document_text("slides", make.pptx("one", "two"))


def test_headers_notes_titles_numbers_and_sheet_names_are_text_too() -> None:
    word = document_text("word", make.docx("body", header="confidential", title="Grand plan"))
    assert "confidential" in word
    assert "Grand plan" in word
    sheet = document_text("sheet", make.xlsx("rent", 1250, sheet="Spring budget"))
    assert "1250" in sheet
    assert "Spring budget" in sheet
    assert "whisper" in document_text("slides", make.pptx("loud", notes="whisper"))
    assert "page three" in document_text("opendocument", make.odt("body", footer="page three"))


def test_slides_come_in_their_order() -> None:
    text = document_text("slides", make.pptx(*[f"<{number}>" for number in range(1, 12)]))
    assert text.index("<2>") < text.index("<10>") < text.index("<11>")


def test_a_pdf_gives_its_pages_and_its_title() -> None:
    text = document_text("pdf", make.pdf("The first page", "quarterly figures (draft)", title="Report 2026"))
    assert "The first page" in text
    assert "quarterly figures (draft)" in text
    assert "Report 2026" in text


def test_plain_text_in_other_clothes_is_read_as_it_is() -> None:
    assert document_text("plain", '{"ключ": "значение"}'.encode()) == '{"ключ": "значение"}'


def test_text_ends_at_the_limit() -> None:
    limits = TextLimits(chars=10)
    for kind, octets in (
        ("word", make.docx("x" * 100)), ("pdf", make.pdf("x" * 100)), ("rtf", make.rtf("x" * 100)), ("plain", b"x" * 100),
    ):  # fmt: skip
        assert len(document_text(kind, octets, limits)) <= 10  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content_type", "name", "kind"),
    [
        (make.DOCX, "a", "word"),
        (make.XLSX, "", "sheet"),
        (make.PPTX, "", "slides"),
        (make.ODT, "", "opendocument"),
        (make.ODS, "", "opendocument"),
        (make.PDF, "", "pdf"),
        ("application/octet-stream", "Minutes.DOCX", "word"),
        ("application/octet-stream", "x.pdf", "pdf"),
        ("application/x-unknown", "table.ods", "opendocument"),
        ("application/json", "", "plain"),
        ("application/atom+xml", "", "plain"),
        ("application/rtf", "", "rtf"),
        ("text/rtf", "", "rtf"),
        ("text/plain", "x.pdf", None),
        ("image/png", "x.pdf", None),
        ("application/octet-stream", "x.exe", None),
        ("application/octet-stream", "", None),
    ],
)
def test_documents_are_known_by_their_type_or_their_name(content_type: str, name: str, kind: Kind | None) -> None:
    part = list(walk(index(make.letter((content_type, name, b"x")))))[-1]
    assert kind_of(part, file_name(part)) == kind


def test_a_message_names_its_documents_and_attachments() -> None:
    text = message_text(
        make.letter((make.PDF, "a.pdf", make.pdf("x")), ("image/png", "pic.png", b"\x89PNG"), (make.DOCX, "", b""))
    )
    assert text.names == ("a.pdf", "pic.png")
    assert [one.kind for one in text.attached] == ["pdf", "word"]
    assert text.whole


def test_documents_in_attached_messages_are_found() -> None:
    inner = make.letter((make.DOCX, "deep.docx", make.docx("x")))
    top = b'Content-Type: multipart/mixed; boundary="o"\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n'
    outer = top + inner + b"\r\n--o--\r\n"
    text = message_text(outer)
    assert [one.kind for one in text.attached] == ["word"]
    assert "subject: papers" in text.body


def test_a_message_with_too_much_text_says_so() -> None:
    text = message_text(b"Subject: x\r\n\r\n" + b"y" * 100, TextLimits(chars=50))
    assert not text.whole
    assert len(text.head) + len(text.body) <= 50
