"""Summaries of messages that got or lost header fields are those that parsing anew would give."""

from __future__ import annotations

import pytest

from posthouse.formats.folding import fold
from posthouse.formats.mime import summarise
from posthouse.formats.mime.fronted import with_fields, without

MESSAGES = [
    b"",
    b"\r\n",
    b"no header at all\r\n",
    b"From: a@b.test\r\nSubject: x\r\n\r\nbody\r\n",
    b"From: a@b.test\r\nSubject: x\r\nX: folded\r\n more\r\n\r\n",
    b"From: a@b.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b\r\n"
    b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
    b"--c\r\n\r\ntwo\r\n--c--\r\n--b--\r\n",
]
NEW = b"X-One: first\r\nX-Two: second\r\n\tfolded\r\n"


@pytest.mark.parametrize("content", MESSAGES, ids=range(len(MESSAGES)))
def test_fields_in_front(content: bytes) -> None:
    content = b"Received: by x\r\n" + content
    joined, summary = with_fields(content, summarise(content), NEW)
    assert joined == NEW + content
    assert summary == summarise(joined)


def test_fields_behind_the_first() -> None:
    content = b"Return-Path: <>\r\n" + MESSAGES[-1]
    joined, summary = with_fields(content, summarise(content), NEW, after=1)
    assert joined == b"Return-Path: <>\r\n" + NEW + MESSAGES[-1]
    assert summary == summarise(joined)


@pytest.mark.parametrize("where", ["front", "middle", "end"])
def test_fields_taken_out(where: str) -> None:
    lie = b"X-Lie: yes,\r\n it is\r\n"
    head, _, rest = MESSAGES[-1].partition(b"\r\n\r\n")
    fields = head.split(b"\r\n")
    fields.insert({"front": 0, "middle": 1, "end": 2}[where], lie.rstrip())
    content = b"\r\n".join(fields) + b"\r\n\r\n" + rest
    before = summarise(content)
    joined, summary = without(content, before, [field for field in before.root.headers if field.name == "x-lie"])
    assert joined == MESSAGES[-1]
    assert summary == summarise(joined)


def test_folding_changes_no_word_and_breaks_no_line_twice() -> None:
    value = "  ".join(["word" * 10, "x" * 100, "end", "a=b;"] * 5)
    field = fold("Name", value)
    assert field.startswith(b"Name: wordword")
    lines = field.removesuffix(b"\r\n").split(b"\r\n")
    assert all(line.strip() for line in lines)
    assert all(line.startswith(b" ") for line in lines[1:])
    assert all(len(line) <= 78 or b" " not in line.strip() for line in lines)
    assert b" ".join(field.split()).decode() == " ".join(["Name:", *value.split()])
