"""What scripts change about a message: header fields, subject, footers, parts (RFC 5293, RFC 5703, CON-2)."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage, MIMEPart

import pytest

from posthouse.content.sieve import apply
from posthouse.content.sieve.actions import AddFooter, AddHeader, Change, DeleteHeader, Enclose, ReplacePart, TagSubject
from posthouse.formats.mime import index
from support.sieve import MESSAGE, result

PLAIN = b"From: a@b.test\r\nSubject: Hi\r\n\r\nBody\r\n"


def changed(script: str, content: bytes = MESSAGE) -> bytes:
    got = result(script, content=content)
    assert not got.error, got.error
    return apply(content, index(content), got.changes)


def read(content: bytes) -> EmailMessage:
    """By the standard library's parser, which must find no defect."""
    parsed = email.message_from_bytes(content, policy=email.policy.SMTP)
    assert isinstance(parsed, EmailMessage)
    assert not parsed.defects
    return parsed


def text_of(part: MIMEPart | None) -> str:
    """Its text, line ends as Python has them."""
    assert part is not None
    text = part.get_content()
    assert isinstance(text, str)
    return text.replace("\r\n", "\n")


def test_a_field_is_added_in_front_or_at_the_end() -> None:
    out = changed('require "editheader"; addheader "X-A" "one"; addheader :last "X-B" "two";', PLAIN)
    assert out == b"X-A: one\r\nFrom: a@b.test\r\nSubject: Hi\r\nX-B: two\r\n\r\nBody\r\n"


def test_a_value_is_encoded_folded_and_cannot_begin_another_field() -> None:
    out = changed('require "editheader"; addheader "X-A" "caf\u00e9\r\nBcc: evil@x.test";', PLAIN)
    assert read(out)["X-A"] == "café Bcc: evil@x.test"
    assert read(out)["Bcc"] is None
    long = changed('require "editheader"; addheader "X-A" "' + "word " * 60 + '";', PLAIN)
    assert max(len(line) for line in long.split(b"\r\n")) <= 78
    assert read(long)["X-A"].split() == ["word"] * 60


def test_fields_are_deleted_by_name_value_and_position() -> None:
    fields = b"X: a\r\nX: b\r\nX: c\r\nFrom: a@b.test\r\n\r\nBody\r\n"
    assert changed('require "editheader"; deleteheader "x";', fields) == b"From: a@b.test\r\n\r\nBody\r\n"
    assert b"X: b" not in changed('require "editheader"; deleteheader :index 2 "x";', fields)
    assert b"X: c" not in changed('require "editheader"; deleteheader :index 1 :last "x";', fields)
    out = changed('require "editheader"; deleteheader :is "x" "a"; deleteheader :is "x" "c";', fields)
    assert out == b"X: b\r\nFrom: a@b.test\r\n\r\nBody\r\n"
    out = changed('require "editheader"; addheader "X" "new"; deleteheader :is "x" ["new", "b"];', fields)
    assert out == b"X: a\r\nX: c\r\nFrom: a@b.test\r\n\r\nBody\r\n"


@pytest.mark.parametrize("name", ["Received", "Auto-Submitted"])
def test_protected_fields_stay_and_are_not_added(name: str) -> None:
    content = f"{name}: x\r\nFrom: a@b.test\r\n\r\n".encode()
    script = f'require "editheader"; deleteheader "{name}"; addheader "{name}" "y";'
    assert changed(script, content) == content


def test_an_action_knows_the_changes_before_it_only() -> None:
    got = result(
        'require ["editheader", "fileinto", "copy"]; fileinto :copy "Raw"; addheader "X-A" "1"; keep; addheader "X-B" "2";',
        content=PLAIN,
    )
    raw, kept = got.actions
    assert apply(PLAIN, index(PLAIN), got.changes[: raw.changes]) == PLAIN
    assert apply(PLAIN, index(PLAIN), got.changes[: kept.changes]).startswith(b"X-A: 1\r\nFrom:")
    assert len(got.changes) == 2


def test_the_subject_is_tagged_once() -> None:
    out = changed('require "vnd.posthouse.filter"; tagsubject "[Ext] "; tagsubject "[Ext] ";')
    assert read(out)["Subject"] == "[Ext] Grüße from the Weekly  News"
    assert changed('require "vnd.posthouse.filter"; tagsubject "[Ext] ";', out) == out
    assert b"Subject: [x] \r\n" in changed('require "vnd.posthouse.filter"; tagsubject "[x] ";', b"From: a@b.test\r\n\r\n")


def test_a_footer_goes_under_the_text_and_into_the_html() -> None:
    out = read(changed('require "vnd.posthouse.filter"; addfooter "Sent by\n<Example> & Söhne";'))
    plain, html = out.get_body(("plain",)), out.get_body(("html",))
    assert text_of(plain) == "Hello Jane, the café opens.\nBuy now!\n\nSent by\n<Example> & Söhne\n"
    assert "<p>Sent by<br>" in text_of(html)
    assert "&lt;Example&gt; &amp; Söhne</p>" in text_of(html)
    assert [part.get_filename() for part in out.iter_attachments()][-2:] == ["Report 2026.zip", "photo.png"]


def test_a_footer_goes_before_the_end_of_the_body() -> None:
    content = b"Content-Type: text/html\r\n\r\n<html><body>Hi</BODY></html>"
    assert b"Hi<p>x</p>\r\n</BODY></html>" in apply(content, index(content), [AddFooter("x")])


@pytest.mark.parametrize(
    "content",
    [
        b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nHi\r\n--b\r\nContent-Type: a/b\r\n\r\n--b--\r\n",
        b"Content-Type: application/pkcs7-mime\r\n\r\nMIIB",
        b"Content-Type: image/png\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment\r\n\r\nHi\r\n--b--\r\n",
    ],
    ids=["signed", "encrypted", "no text", "attached text"],
)  # fmt: skip
def test_a_footer_breaks_no_seal_and_touches_no_attachment(content: bytes) -> None:
    assert apply(content, index(content), [AddFooter("x")]) == content


def test_attachments_are_stripped_and_a_notice_is_left() -> None:
    script = 'require "vnd.posthouse.filter"; stripattachments :member :matches :notice "Taken out." "*.exe";'
    out = read(changed(script))
    kinds = [part.get_content_type() for part in out.iter_parts()]
    assert kinds == ["text/plain", "text/html", "text/plain", "image/png"]
    notice = list(out.iter_parts())[2]
    assert text_of(notice) == "Taken out.\n(Report 2026.zip)\n"
    assert notice.get_filename() is None
    assert changed('require "vnd.posthouse.filter"; stripattachments :matches "*.scr";') == MESSAGE


def test_a_message_that_is_an_attachment_is_stripped_too() -> None:
    kind = b"Content-Type: application/x-dosexec; name=a.exe\r\nContent-Transfer-Encoding: base64\r\n"
    content = b"From: a@b.test\r\n" + kind + b"\r\nTVo=\r\n"
    out = read(changed('require "vnd.posthouse.filter"; stripattachments :matches "*.exe";', content))
    assert out["From"] == "a@b.test"
    assert out.get_content_type() == "text/plain"
    assert "a.exe" in text_of(out)


def test_a_part_is_replaced_within_foreverypart() -> None:
    script = """require ["foreverypart", "mime", "replace"];
        foreverypart { if header :mime :contenttype :is "content-type" "text/html" { replace "No HTML, s\u00f6rry."; } }"""
    out = read(changed(script))
    parts = list(out.iter_parts())
    assert [part.get_content_type() for part in parts][:3] == ["text/plain", "text/plain", "application/zip"]
    assert text_of(parts[1]) == "No HTML, sörry."
    assert text_of(parts[0]) == "Hello Jane, the café opens.\nBuy now!"


def test_the_whole_message_is_replaced_with_subject_and_sender() -> None:
    out = read(changed('require "replace"; replace :subject "N\u00e4h" :from "x@y.test" "All gone.";'))
    assert (out["Subject"], out["From"], out["Message-ID"]) == ("Näh", "x@y.test", "<one@elsewhere.test>")
    assert text_of(out) == "All gone."
    mime = 'require "replace"; replace :mime "Content-Type: text/html\r\n\r\n<b>gone</b>";'
    assert read(changed(mime)).get_content_type() == "text/html"


def test_a_message_is_enclosed() -> None:
    script = 'require "enclose"; enclose :subject "Fwd" :headers ["X-Y: z", "no field"] "See below.";'
    out = read(changed(script))
    assert (out["Subject"], out["X-Y"], out["From"]) == ("Fwd", "z", '"Lena, L." <Lena@Elsewhere.test>')
    text, inner = out.iter_parts()
    assert text_of(text) == "See below."
    assert inner.get_content_type() == "message/rfc822"
    embedded = inner.get_content()
    assert embedded["Subject"] == "Grüße from the Weekly  News"
    assert MESSAGE in changed(script)


def test_changes_on_headerless_and_odd_messages_do_not_fail() -> None:
    every: list[Change] = [
        AddHeader("A", "b"),
        AddHeader("A", "b", last=True),
        DeleteHeader("a", (0, 7)),
        TagSubject("x "),
        AddFooter("x"),
        ReplacePart("1.2.3", "x"),
        ReplacePart("", "x", mime=True),
        Enclose("x", "", ()),
    ]
    for content in (b"", b"\r\n", b"no header at all", b"A: b", b"A: b\n\nc", MESSAGE[:300], b"From x\r\nA: b\r\n\r\nc"):
        for change in every:
            assert isinstance(apply(content, index(content), [change]), bytes)
        assert isinstance(apply(content, index(content), every), bytes)
