"""Binary messages in a form that all clients can read (RFC 3516 §4)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats.mime import index, sections
from posthouse.formats.mime.binary import without_binary


def leaf(body: bytes, encoding: bytes = b"binary") -> bytes:
    return b"Content-Type: application/x\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body


def tree(*parts: bytes) -> bytes:
    inner = b"".join(b"\r\n--x1\r\n" + part for part in parts) + b"\r\n--x1--\r\n"
    head = b"Subject: s\r\nContent-Type: multipart/mixed; boundary=x1\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    return head + inner


def test_messages_without_binary_parts_stay_the_same_object() -> None:
    for content in (b"", b"Subject: x\r\n\r\n\0", leaf(b"QQ==", b"base64"), leaf(b"text", b"8bit")):
        assert without_binary(content) is content


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_parts_have_the_same_content_afterwards(bodies: list[bytes]) -> None:
    bodies = [body for body in bodies if b"--x1" not in body and not body.endswith((b"\r", b"\n"))] or [b"\0"]
    content = without_binary(tree(*map(leaf, bodies)))
    root = index(content)
    assert [sections.decoded(content, part) for part in root.children] == bodies
    assert root.encoding == "8bit" and {part.encoding for part in root.children} == {"base64"}
    assert b"\0" not in content


def test_a_message_that_is_one_binary_part() -> None:
    content = without_binary(leaf(b"\0\n\r\0" * 100))
    assert sections.decoded(content, index(content)) == b"\0\n\r\0" * 100
    assert max(map(len, content.split(b"\r\n"))) <= 78
