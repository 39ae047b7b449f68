"""Documents made to hurt: each is refused, or read within its limits, in bounded time and memory."""

from __future__ import annotations

import contextlib
import io
import time
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats.text.documents import KINDS, Kind, Unreadable, document_text
from posthouse.formats.text.html import visible_text
from posthouse.formats.text.limits import TextLimits
from posthouse.formats.text.message import message_text
from support import documents as make


def test_a_zip_bomb_is_given_up_at_the_budget() -> None:
    bomb = make.zip_bomb(200 << 20)
    assert len(bomb) < 1 << 20
    with pytest.raises(Unreadable, match="unpacks to too much"):
        document_text("word", bomb, TextLimits(unpacked_bytes=8 << 20))


def test_an_archive_of_many_members_is_refused_before_it_is_listed() -> None:
    many = make.archive({f"word/document{n}.xml": "" for n in range(500)}, zipfile.ZIP_STORED)
    with pytest.raises(Unreadable, match="too many members"):
        document_text("word", many, TextLimits(archive_members=100))


def test_an_archive_that_lies_about_its_directory_is_refused() -> None:
    octets = bytearray(make.docx("x"))
    at = octets.rfind(b"PK\x05\x06")
    octets[at + 12 : at + 16] = (1 << 31).to_bytes(4, "little")
    with pytest.raises(Unreadable):
        document_text("word", bytes(octets))


def test_entities_are_not_expanded() -> None:
    lol = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>'
    with pytest.raises(Unreadable, match="entities"):
        document_text("word", make.archive({"word/document.xml": lol}))


def test_external_entities_are_not_fetched() -> None:
    xxe = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x><t>&a;</t></x>'
    with pytest.raises(Unreadable, match="entities"):
        document_text("word", make.archive({"word/document.xml": xxe}))


def test_deep_xml_is_no_trouble() -> None:
    deep = "<t>" * 200_000 + "bottom" + "</t>" * 200_000
    assert "bottom" in document_text("word", make.archive({"word/document.xml": deep}))


def test_an_encrypted_archive_and_an_unknown_compression_are_refused() -> None:
    octets = bytearray(make.docx("x"))
    flags = octets.rfind(b"PK\x01\x02") + 8
    octets[flags] |= 1
    with pytest.raises(Unreadable):
        document_text("word", bytes(octets))
    with pytest.raises(Unreadable, match="compression"):
        document_text("word", make.archive({"word/document.xml": "<x/>"}, zipfile.ZIP_LZMA))


def test_a_pdf_whose_pages_are_their_own_children_ends() -> None:
    started = time.monotonic()
    with contextlib.suppress(Unreadable):
        document_text("pdf", make.looping_pdf())
    assert time.monotonic() - started < 30


def test_a_pdf_whose_page_unpacks_to_much_is_read_within_its_limits() -> None:
    bomb = zlib.compress(b"BT /F1 12 Tf (x) Tj ET\n" + b" " * (150 << 20), 9)
    octets = make.pdf("y").replace(make.pdf("y").split(b"stream\n")[1].split(b"\nendstream")[0], bomb)
    with contextlib.suppress(Unreadable):
        assert len(document_text("pdf", octets, TextLimits(chars=1000))) <= 1000


def test_an_encrypted_or_broken_pdf_is_refused() -> None:
    for octets in (b"%PDF-1.4\nnothing", b"", b"%PDF-1.7\n" + b"\0" * 1000):
        with pytest.raises(Unreadable):
            document_text("pdf", octets)


def test_rtf_nested_without_end_is_refused() -> None:
    with pytest.raises(Unreadable, match="nested"):
        document_text("rtf", b"{\\rtf1" + b"{" * 100_000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("octets", [b"", b"PK", b"PK\x05\x06" + b"\0" * 18, b"{\\rtf", b"\xff" * 1000, make.docx("x")[:-30]])
def test_what_is_no_such_document_raises_nothing_else(kind: Kind, octets: bytes) -> None:
    with contextlib.suppress(Unreadable):
        document_text(kind, octets)


WHOLE: dict[Kind, bytes] = {
    "word": make.docx("words"),
    "sheet": make.xlsx("words"),
    "slides": make.pptx("words"),
    "opendocument": make.odt("words"),
    "rtf": make.rtf("words"),
}


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(WHOLE)), changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=8))
def test_damaged_documents_raise_nothing_else(kind: Kind, changes: list[tuple[float, int]]) -> None:
    octets = bytearray(WHOLE[kind])
    for place, octet in changes:
        octets[int(place * len(octets))] = octet
    with contextlib.suppress(Unreadable):
        document_text(kind, bytes(octets))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["<", ">", "<b>", "</b>", "<!--", "-->", "<style", "</style>", "&amp;", "&#", "é", "İ", " "])))
def test_any_markup_reads_as_something(pieces: list[str]) -> None:
    visible_text("".join(pieces))


@pytest.mark.parametrize("piece", ["<", "<!--", "<style", "<b ", "&", "&#x", "<style></style>", "</", "<a<a"])
def test_markup_takes_time_by_its_length(piece: str) -> None:
    started = time.monotonic()
    visible_text(piece * (1_000_000 // len(piece)))
    assert time.monotonic() - started < 15


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_octets_are_a_message(octets: bytes) -> None:
    message_text(octets)
    message_text(make.letter(("application/pdf", "x.pdf", octets)) + octets)


def test_overlapping_members_count_against_one_budget() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for number in range(1, 30):
            made.writestr(f"ppt/slides/slide{number}.xml", "<x>" + " " * (1 << 20) + "</x>")
    with pytest.raises(Unreadable, match="unpacks to too much"):
        document_text("slides", out.getvalue(), TextLimits(unpacked_bytes=10 << 20))
