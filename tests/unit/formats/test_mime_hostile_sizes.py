"""Messages made to be slow: each is done in about a second at most, and named as a problem where it passes a limit."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from posthouse.formats.mime import limits as words
from posthouse.formats.mime import summarise

MIXED = b"Content-Type: multipart/mixed; boundary=%s\r\n\r\n"
SIZE = 20 << 20


def nested_multiparts(count: int) -> bytes:
    return b"".join(MIXED % b"b%d" % number + b"--b%d\r\n" % number for number in range(count))


def deep_over_a_large_leaf() -> bytes:
    return nested_multiparts(48) + b"\r\n" + b"x" * SIZE


def look_alikes(line: bytes, boundary: bytes = b"b") -> bytes:
    return MIXED % boundary + b"--" + boundary + b"\r\n\r\n" + line * (SIZE // len(line))


CASES: list[tuple[str, Callable[[], bytes], str | None]] = [
    ("100,000 fields", lambda: b"X: 1\r\n" * 100_000 + b"\r\nbody", words.TOO_MANY_FIELDS),
    ("1,000 nested multiparts", lambda: nested_multiparts(1000), words.TOO_DEEP),
    ("10,000 nested multiparts", lambda: nested_multiparts(10_000), words.TOO_MUCH_WORK),
    ("10,000 nested messages", lambda: b"Content-Type: message/rfc822\r\n\r\n" * 10_000, words.TOO_DEEP),
    ("100,000 siblings", lambda: MIXED % b"b" + b"--b\r\n\r\nx\r\n" * 100_000, words.TOO_MANY_PARTS),
    ("nested over a large leaf", deep_over_a_large_leaf, words.TOO_MUCH_WORK),
    ("candidates for delimiters", lambda: look_alikes(b"--bX\r\n"), words.TOO_MUCH_WORK),
    ("candidates inside lines", lambda: look_alikes(b"--b"), words.TOO_MUCH_WORK),
    ("delimiters with endless padding", lambda: MIXED % b"b" + b"--b" + b" " * SIZE, None),
    ("one line as body", lambda: b"Subject: x\r\n\r\n" + b"x" * SIZE, None),
    ("one line without anything", lambda: b"x" * SIZE, words.HEADER_TOO_LARGE),
    ("one line as field", lambda: b"Subject: " + b"x" * SIZE, words.HEADER_TOO_LARGE),
    ("one field of spaces", lambda: b"Subject: x" + b" " * SIZE, words.HEADER_TOO_LARGE),
    ("one field of folds", lambda: b"Subject: x" + b"\r\n " * (SIZE // 3), words.HEADER_TOO_LARGE),
    ("many lines", lambda: b"Subject: x\r\n\r\n" + b"\r\n" * (SIZE // 2), None),
]
FIELDS: list[tuple[str, bytes]] = [
    ("spaces in subject", b"Subject: " + b" x" * 400_000),
    ("beginnings of encoded words", b"Subject: " + b"=?a?q?x" * 120_000),
    ("encoded words", b"Subject: " + b"=?utf-8?q?x?= " * 60_000),
    ("addresses", b"To: " + b"a@b," * 200_000),
    ("brackets", b"To: " + b"<" * 900_000),
    ("open comments", b"To: " + b"(" * 900_000),
    ("comments", b"To: " + b"()" * 450_000),
    ("open quotes", b'To: "' + b"\\" * 900_000),
    ("quotes", b"To: " + b'"' * 900_000),
    ("words", b"From: " + b"a " * 450_000),
    ("at signs", b"From: a" + b"@" * 900_000),
    ("groups", b"To: " + b"g:;" * 300_000),
    ("fields of one list", b"\r\n".join([b"To: " + b"a" * 450] * 1900)),
    ("references", b"References: " + b"<" * 900_000),
    ("identifiers", b"References: " + b"<a@b> " * 150_000),
    ("parameters", b"Content-Type: text/plain" + b"; a=b" * 150_000),
    ("semicolons", b"Content-Type: text/plain" + b";" * 900_000),
    ("spaces between semicolons", b"Content-Type: text/plain;" + b" " * 900_000),
    ("names without values", b"Content-Type: text/plain;" + b"a" * 900_000),
    ("continuations", b"Content-Type: text/plain" + b"".join(b"; a*%d*=x" % number for number in range(60_000))),
    ("percent signs", b"Content-Type: text/plain; a*=utf-8''" + b"%" * 900_000),
    ("languages", b"Content-Language: " + b"de," * 300_000),
    ("date", b"Date: " + b"(" * 400_000 + b"1" * 400_000),
    ("identifier", b"Message-ID: " + b"<a" * 400_000),
]
BODIES: list[tuple[str, bytes, bytes]] = [
    ("tags without end", b"text/html", b"<" * 200_000),
    ("styles without end", b"text/html", b"<style>" * 50_000),
    ("entities", b"text/html", b"&amp" * 50_000),
    ("open comments", b"text/html", b"<!--" * 50_000),
]


def seconds_of(content: bytes) -> tuple[float, tuple[str, ...]]:
    start = time.process_time()
    problems = summarise(content).problems
    return time.process_time() - start, problems


@pytest.mark.parametrize(("make", "problem"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_hostile_messages_end_soon(make: Callable[[], bytes], problem: str | None) -> None:
    seconds, problems = seconds_of(make())
    assert (problem in problems) if problem else problems == ()
    assert seconds < 2.0


@pytest.mark.parametrize("field", [pytest.param(case[1], id=case[0]) for case in FIELDS])
def test_hostile_fields_end_soon(field: bytes) -> None:
    seconds, problems = seconds_of(field + b"\r\n\r\nbody\r\n")
    assert problems == ()
    assert seconds < 2.0  # Half a second on an idle machine; quadratic work would take minutes.


@pytest.mark.parametrize(("kind", "body"), [pytest.param(*case[1:], id=case[0]) for case in BODIES])
def test_hostile_bodies_cost_no_more_than_their_first_octets(kind: bytes, body: bytes) -> None:
    seconds, _ = seconds_of(b"Content-Type: " + kind + b"\r\n\r\n" + body)
    assert seconds < 0.1
