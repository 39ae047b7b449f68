"""Modified UTF-7 and LIST's patterns, each against a naive model; dates."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model import utf7
from posthouse.protocols.imap import dates
from posthouse.protocols.imap.listing import Pattern

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


@given(TEXT)
@settings(max_examples=300, deadline=None)
def test_any_name_survives_the_wire(name: str) -> None:
    raw = utf7.encode(name)
    assert all(0x20 <= octet < 0x7F for octet in raw)
    assert utf7.decode(raw) == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        (b"&-", "&"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"&2D3eAA-", "\U0001f600"),
        ("é".encode(), "é"),
    ],
)
def test_names_known_from_elsewhere(raw: bytes, name: str) -> None:
    assert utf7.decode(raw) == name


@pytest.mark.parametrize("raw", [b"a&b", b"&AOk", b"&A-", b"&2AA-", b"&AAAAA-", b"\xff", b"&*-"])
def test_broken_names_are_errors(raw: bytes) -> None:
    with pytest.raises(ValueError):
        utf7.decode(raw)


def naive(pattern: str, name: str) -> bool:
    expression = "".join(".*" if char == "*" else "[^/]*" if char == "%" else re.escape(char) for char in pattern)
    return re.fullmatch(expression, name, re.S) is not None


@given(st.text("ab/%*", max_size=8), st.text("ab/", max_size=8))
@settings(max_examples=300, deadline=None)
def test_patterns_match_as_the_naive_model(pattern: str, name: str) -> None:
    assert Pattern(pattern).match(name) == naive(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("inbox", "INBOX", True),
        ("iNb*", "INBOX", True),
        ("inbox/%", "INBOX/a", True),
        ("%", "INBOX", True),
        ("sent", "Sent", False),
        ("inboxes", "INBOXES", False),
        ("*", "", True),
        ("", "a", False),
    ],
)
def test_inbox_fits_in_any_case_and_nothing_else_does(pattern: str, name: str, *, fits: bool) -> None:
    assert Pattern(pattern).match(name) is fits


def test_a_pattern_of_many_stars_takes_no_longer_than_its_length() -> None:
    pattern = Pattern("*a" * 500 + "*b")
    started = time.process_time()
    assert not pattern.match("a" * 5000)
    assert time.process_time() - started < 1.0


@given(st.integers(-(10**11), 2 * 10**11))
@settings(max_examples=300, deadline=None)
def test_a_moment_survives_the_wire(at: int) -> None:
    if -62_135_596_800 <= at < 253_402_300_800:
        assert dates.moment(dates.render_moment(at).strip(b'"')) == at
    else:
        assert len(dates.render_moment(at)) == 28


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
@settings(max_examples=200, deadline=None)
def test_a_moment_is_what_the_calendar_says(when: datetime) -> None:
    text = when.strftime("%d-%b-%Y %H:%M:%S +0130").encode()
    assert dates.moment(text) == when.replace(tzinfo=UTC, microsecond=0).timestamp() - 5400


def test_a_day_with_one_digit_may_have_a_space_before_it() -> None:
    assert dates.moment(b" 1-Jan-1970 00:00:01 +0000") == dates.moment(b"1-Jan-1970 00:00:01 +0000") == 1
