"""What submission adds and takes away."""

from __future__ import annotations

from posthouse.formats import submission_fixes
from posthouse.formats.mime import index

DATE = "Tue, 24 Nov 2026 03:59:00 +0000"


def added(content: bytes, sender: str = "") -> bytes:
    return submission_fixes.missing_fields(content, index(content), date=DATE, message_id="<1@x>", sender=sender)


def test_missing_date_and_message_id_are_added() -> None:
    assert added(b"From: a@b.example\r\n\r\nx") == f"Date: {DATE}\r\nMessage-ID: <1@x>\r\n".encode()


def test_what_is_there_stays() -> None:
    assert added(b"DATE: yesterday\r\nmessage-id: <0@y>\r\n\r\nx") == b""


def test_several_authors_get_a_sender() -> None:
    content = b"Date: x\r\nMessage-ID: y\r\nFrom: a@b.example, c@d.example\r\n\r\nx"
    assert added(content, "a@b.example") == b"Sender: <a@b.example>\r\n"
    assert added(content) == b""
    assert added(content.replace(b"From:", b"Sender: c@d.example\r\nFrom:"), "a@b.example") == b""
    assert added(b'Date: x\r\nMessage-ID: y\r\nFrom: "B, A" <a@b.example>\r\n\r\nx', "a@b.example") == b""


def test_bcc_goes_and_nothing_else() -> None:
    content = b"From: a@b.example\r\nBCC: x@y.example,\r\n z@y.example\r\nTo: t@b.example\r\n"
    content += b"bcc: w@y.example\r\n\r\nBcc: in the body\r\n"
    assert submission_fixes.without_bcc(content, index(content)) == (
        b"From: a@b.example\r\nTo: t@b.example\r\n\r\nBcc: in the body\r\n"
    )


def test_without_bcc_the_content_is_not_copied() -> None:
    content = b"From: a@b.example\r\n\r\nx"
    assert submission_fixes.without_bcc(content, index(content)) is content
