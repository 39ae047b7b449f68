"""Canonical forms: RFC 6376's examples, dkimpy's forms for whatever hypothesis thinks of, and time that stays linear."""

from __future__ import annotations

import hashlib
import time

import pytest
from dkim.canonicalization import Relaxed, Simple  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.mailauth.dkim.canonical import Bodies, relaxed_body, relaxed_header

PIECES = st.lists(
    st.sampled_from([b"a", b"word", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b" \r\n", b".", b"\xff"]), max_size=40
)


def simple_body(body: bytes) -> bytes:
    """What ``Bodies`` hashes in the simple form, found by its hash."""
    for candidate in (Simple.canonicalize_body(body), body):
        if hashlib.sha256(candidate).digest() == Bodies(memoryview(body)).sha256("simple"):
            return candidate
    raise AssertionError("neither form")


def test_the_examples_of_rfc_6376() -> None:
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    assert relaxed_body(body) == b" C\r\nD E\r\n"
    assert simple_body(body) == b" C \r\nD \t E\r\n"
    assert relaxed_header(b"A: X\r\n", 2) == b"a:X\r\n"
    assert relaxed_header(b"B : Y\t\r\n\tZ  \r\n", 3) == b"b:Y Z\r\n"


@pytest.mark.parametrize(
    ("body", "relaxed", "simple"),
    [
        (b"", b"", b"\r\n"),
        (b"\r\n", b"", b"\r\n"),
        (b"\r\n\r\n\r\n", b"", b"\r\n"),
        (b"x", b"x\r\n", b"x\r\n"),
        (b"x\r\n", b"x\r\n", b"x\r\n"),
        (b"x\r\n \r\n\t\r\n", b"x\r\n", b"x\r\n \r\n\t\r\n"),
        (b"\r\nx", b"\r\nx\r\n", b"\r\nx\r\n"),
        (b" x", b" x\r\n", b" x\r\n"),
    ],
)
def test_empty_and_unfinished_bodies(body: bytes, relaxed: bytes, simple: bytes) -> None:
    assert relaxed_body(body) == relaxed
    assert Bodies(memoryview(body)).sha256("simple") == hashlib.sha256(simple).digest()


@given(PIECES)
@settings(max_examples=300, deadline=None)
def test_bodies_are_as_dkimpy_makes_them(pieces: list[bytes]) -> None:
    body = b"".join(pieces) + b"\r\n"
    assert relaxed_body(body) == Relaxed.canonicalize_body(body).removesuffix(b"\r\n" * (not body.strip()))
    assert Bodies(memoryview(body)).sha256("simple") == hashlib.sha256(Simple.canonicalize_body(body)).digest()


@given(st.lists(st.sampled_from([b"a", b"Word", b" ", b"\t", b"\r\n ", b"\r\n\t", b"=", b";"]), max_size=30))
@settings(max_examples=300, deadline=None)
def test_fields_are_as_dkimpy_makes_them(pieces: list[bytes]) -> None:
    value = b" " + b"".join(pieces) + b"\r\n"
    [(name, expected)] = Relaxed.canonicalize_headers([(b"SubJect", value)])
    assert relaxed_header(b"SubJect:" + value, 8) == name + b":" + expected


def test_a_vertical_tab_is_no_white_space() -> None:
    assert relaxed_header(b"A: x \x0b  y\r\n", 2) == b"a:x \x0b y\r\n"


def test_a_part_of_the_body_is_hashed_by_its_own_length() -> None:
    bodies = Bodies(memoryview(b"Hello  there\r\n\r\n"))
    assert bodies.length("relaxed") == len(b"Hello there\r\n")
    assert bodies.sha256("relaxed", 5) == hashlib.sha256(b"Hello").digest()
    assert bodies.sha256("relaxed", 0) == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("piece", [b" ", b"\t", b" \t", b"\r\n", b" \r\n", b"\r", b"\n", b"a \r\n\r\n"])
def test_four_megabytes_of_anything_take_well_under_a_second(piece: bytes) -> None:
    body = piece * ((4 << 20) // len(piece))
    started = time.process_time()
    relaxed_body(body)
    Bodies(memoryview(body)).sha256("simple")
    assert time.process_time() - started < 1.0
