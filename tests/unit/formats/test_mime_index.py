"""The index: fields, parts, offsets, section numbers, whatever the message looks like."""

from __future__ import annotations

import pytest

from posthouse.formats.mime import Limits, index
from posthouse.formats.mime import limits as words
from posthouse.formats.mime.tree import scan
from posthouse.model.summary import Part


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def shape(part: Part) -> object:
    """The tree as nested tuples: (section, type/subtype, children...)."""
    return (part.section, f"{part.type}/{part.subtype}", *map(shape, part.children))


def body(content: bytes, part: Part) -> bytes:
    return content[part.body_start : part.body_end]


MIXED = crlf(
    """From: a@example.com
Content-Type: multipart/mixed; boundary=outer

preamble
--outer
Content-Type: multipart/alternative; boundary="in ner"

--in ner

plain
--in ner
Content-Type: text/html

<p>rich</p>
--in ner--
--outer
Content-Type: message/rfc822

Subject: inside
Content-Type: multipart/digest; boundary=d

--d

From: x@example.com

first
--d
Content-Type: text/plain

second
--d--
--outer
Content-Type: message/rfc822

Subject: single

only
--outer--
epilogue
"""
)


def test_sections_are_numbered_as_imap_numbers_them() -> None:
    assert shape(index(MIXED)) == (
        "",
        "multipart/mixed",
        ("1", "multipart/alternative", ("1.1", "text/plain"), ("1.2", "text/html")),
        (
            "2",
            "message/rfc822",
            (
                "2",
                "multipart/digest",
                ("2.1", "message/rfc822", ("2.1.1", "text/plain")),
                ("2.2", "text/plain"),
            ),
        ),
        ("3", "message/rfc822", ("3.1", "text/plain")),
    )


def test_bodies_end_before_the_line_break_of_their_delimiter() -> None:
    root = index(MIXED)
    alternative, forwarded, single = root.children
    assert [body(MIXED, part) for part in alternative.children] == [b"plain", b"<p>rich</p>"]
    assert body(MIXED, forwarded.children[0].children[0].children[0]) == b"first"
    assert body(MIXED, single) == b"Subject: single\r\n\r\nonly"
    assert root.body_end == len(MIXED)


def test_fields_are_found_with_their_folds() -> None:
    content = b"Subject: one\r\n two\r\nX-Empty:\r\nto : a@example.com\r\n\r\nbody"
    root = index(content)
    assert [(field.name, content[field.start : field.end]) for field in root.headers] == [
        ("subject", b"Subject: one\r\n two\r\n"),
        ("x-empty", b"X-Empty:\r\n"),
        ("to", b"to : a@example.com\r\n"),
    ]
    assert [content[field.value_start : field.end] for field in root.headers] == [
        b"one\r\n two\r\n",
        b"\r\n",
        b"a@example.com\r\n",
    ]
    assert content[root.body_start :] == b"body"


@pytest.mark.parametrize(
    ("content", "names", "rest"),
    [
        pytest.param(b"", [], b"", id="nothing at all"),
        pytest.param(b"A: 1", ["a"], b"", id="no line end"),
        pytest.param(b"A: 1\r\n", ["a"], b"", id="no blank line and no body"),
        pytest.param(b"\r\nbody", [], b"body", id="no header"),
        pytest.param(b"A: 1\nB: 2\n\nbody\n", ["a", "b"], b"body\n", id="bare LF"),
        pytest.param(b"A: 1\r\nB: 2\n\r\nbody", ["a", "b"], b"body", id="mixed line ends"),
        pytest.param(b"A: 1\r\nHello, you\r\nB: 2\r\n", ["a"], b"Hello, you\r\nB: 2\r\n", id="missing separator"),
        pytest.param(b"From me Tue Nov 24\r\nA: 1\r\n\r\nx", ["a"], b"x", id="line of an mbox file"),
        pytest.param(b"just words\r\n\r\nmore", [], b"just words\r\n\r\nmore", id="no field at all"),
        pytest.param(b"\xe4: 1\r\n\r\nx", [], b"\xe4: 1\r\n\r\nx", id="field name outside ASCII"),
        pytest.param(b"A: \0\xff\r\n\r\nx", ["a"], b"x", id="any octet in a value"),
        pytest.param(b"A: 1\rB: 2\r\n\r\nx", ["a"], b"x", id="a bare CR ends nothing"),
    ],
)
def test_broken_headers_are_read_leniently(content: bytes, names: list[str], rest: bytes) -> None:
    root = index(content)
    assert [field.name for field in root.headers] == names
    assert content[root.body_start : root.body_end] == rest


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (b"", "text/plain"),
        (b"Content-Type: TEXT/HTML; charset=x\r\n", "text/html"),
        (b"Content-Type: text\r\n", "text/plain"),
        (b"Content-Type: ;;;\r\n", "text/plain"),
        (b"Content-Type: application/vnd.ms-excel (comment)\r\n", "application/vnd.ms-excel"),
        (b"Content-Type:\r\n image/png;\r\n\tname=x\r\n", "image/png"),
    ],
)
def test_types(header: bytes, kind: str) -> None:
    root = index(header + b"\r\nbody")
    assert f"{root.type}/{root.subtype}" == kind


@pytest.mark.parametrize(
    ("text", "bodies"),
    [
        pytest.param("--b\n\none\n--b\n\ntwo", [b"one", b"two"], id="closing delimiter missing"),
        pytest.param("--b \t\n\none\n--b--  \n", [b"one"], id="padding after the boundary"),
        pytest.param("--b\n--b\n\nx\n--b--", [b"", b"x"], id="a part of nothing"),
        pytest.param("--b\n\n--b--\n", [b""], id="a part without body"),
        pytest.param("--b\n\none\n--bb\n--b-\nx--b\n--b--\n", [b"one\r\n--bb\r\n--b-\r\nx--b"], id="lines that look alike"),
        pytest.param(
            "--b--\n\nno\n--b\n\nlate\n", [b"--b--\r\n\r\nno\r\n--b\r\n\r\nlate\r\n"], id="closed before it is opened"
        ),
        pytest.param("no delimiter", [b"no delimiter"], id="no delimiter: one text part"),
        pytest.param("", [b""], id="no body"),
    ],
)
def test_delimiters(text: str, bodies: list[bytes]) -> None:
    content = crlf("Content-Type: multipart/mixed; boundary=b\n\n" + text)
    root = index(content)
    assert [body(content, part) for part in root.children] == bodies
    assert [part.section for part in root.children] == [str(number + 1) for number in range(len(bodies))]


@pytest.mark.parametrize("declared", [b"", b'; boundary=""', b"; boundary"])
def test_multipart_without_boundary_has_its_body_as_one_text(declared: bytes) -> None:
    content = b"Content-Type: multipart/mixed" + declared + b"\r\n\r\n--\r\nwords\r\n"
    assert shape(index(content)) == ("", "multipart/mixed", ("1", "text/plain"))
    assert body(content, index(content).children[0]) == b"--\r\nwords\r\n"


def test_outer_boundary_ends_an_inner_multipart_that_was_never_closed() -> None:
    content = crlf(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n"
        "--bb\n\ninner\n--b\n\nouter\n--b--\n"
    )
    root = index(content)
    assert body(content, root.children[0].children[0]) == b"inner"
    assert body(content, root.children[1]) == b"outer"


def test_boundaries_that_are_prefixes_of_each_other_are_kept_apart() -> None:
    content = crlf(
        "Content-Type: multipart/mixed; boundary=abc\n\n--abc\nContent-Type: multipart/mixed; boundary=abcd\n\n"
        "--abcd\n\none\n--abcd\n\ntwo\n--abcd--\n--abc\n\nthree\n--abc--\n"
    )
    root = index(content)
    assert [body(content, part) for part in root.children[0].children] == [b"one", b"two"]
    assert body(content, root.children[1]) == b"three"


def test_delimiters_with_bare_lf_are_found() -> None:
    content = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n"
    assert [body(content, part) for part in index(content).children] == [b"one", b"two"]


def test_lines_count_line_ends_of_texts_and_messages() -> None:
    assert index(b"\r\none\r\ntwo\r\n").lines == 2
    assert index(b"\r\none\r\ntwo").lines == 1
    assert index(b"Content-Type: message/rfc822\r\n\r\nA: 1\r\n\r\nx\r\n").lines == 3
    assert index(b"Content-Type: image/png\r\n\r\none\r\n").lines == 0


def test_other_content_fields_are_read() -> None:
    part = index(
        b"Content-Transfer-Encoding: BASE64 (or so)\r\nContent-ID: <x@y>\r\nContent-Description: a\r\n thing\r\n"
        b'Content-Disposition: Attachment; filename="a b.txt"\r\n\r\n'
    )
    assert (part.encoding, part.content_id, part.description) == ("base64", "<x@y>", "a thing")
    assert (part.disposition, part.disposition_params) == ("attachment", (("filename", "a b.txt"),))


SMALL = Limits(max_headers=5, max_header_bytes=200, max_parts=4, max_depth=3)


def test_a_message_within_its_limits_has_no_problems() -> None:
    assert scan(b"A: 1\r\n" * 5 + b"\r\nbody", SMALL)[1] == ()


def test_too_many_fields_end_the_index_of_fields_but_not_of_the_body() -> None:
    content = b"A: 1\r\n" * 6 + b"\r\nbody"
    root, problems = scan(content, SMALL)
    assert problems == (words.TOO_MANY_FIELDS,)
    assert len(root.headers) == 5
    assert content[root.body_start :] == b"body"


@pytest.mark.parametrize("rest", [b"A: " + b"x" * 300, b"x" * 300 + b": 1", b"A: 1\r\n" + b"y" * 300 + b": 2"])
def test_a_header_that_is_too_large_is_a_problem_wherever_the_limit_falls(rest: bytes) -> None:
    content = rest + b"\r\n\r\nbody"
    root, problems = scan(content, SMALL)
    assert problems == (words.HEADER_TOO_LARGE,)
    assert content[root.body_start :] == b"body"


def test_a_long_body_without_header_is_no_problem() -> None:
    root, problems = scan(b"\r\n" + b"x" * 1000, SMALL)
    assert (root.body_start, problems) == (2, ())


def test_headers_of_all_parts_share_the_limit_on_octets() -> None:
    parts = "".join(f"--b\nX: {'x' * 80}\n\nbody {number}\n" for number in range(3))
    _, problems = scan(crlf("Content-Type: multipart/mixed; boundary=b\n\n" + parts), SMALL)
    assert problems == (words.HEADER_TOO_LARGE,)


def test_too_many_parts() -> None:
    root, problems = scan(crlf("Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n\nx\n" * 6), SMALL)
    assert problems == (words.TOO_MANY_PARTS,)
    assert len(root.children) == 3


def test_too_deep() -> None:
    content = b"Content-Type: message/rfc822\r\n\r\n" * 4 + b"Subject: deep\r\n\r\nx"
    root, problems = scan(content, SMALL)
    assert problems == (words.TOO_DEEP,)
    depth = 1
    while root.children:
        root = root.children[0]
        depth += 1
    assert depth == 3
