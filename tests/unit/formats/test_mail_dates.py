"""Dates both ways."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats import dates

AT = 1_795_492_740.0  # 2026-11-24 03:59:00 UTC


def test_render() -> None:
    assert dates.render(AT) == "Tue, 24 Nov 2026 03:59:00 +0000"
    assert dates.render(AT + 0.9) == dates.render(AT)
    assert dates.render(0) == "Thu, 1 Jan 1970 00:00:00 +0000"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("Tue, 24 Nov 2026 03:59:00 +0000", AT),
        ("Tue, 24 Nov 2026 04:59:00 +0100 (CET)", AT),
        ("24 Nov 2026 03:59 GMT", AT),
        ("Tue,24 nov 26 03:59:00 UT", AT),
        ("Mon, 23 Nov 2026 22:59:00 EST", AT),
        ("Tuesday, 24-Nov-26 03:59:00 GMT", AT),
        ("Tue, 24 Nov 2026 03:59:00", AT),
        ("Tue, 24 November 2026 03:59:00 XYZ", AT),
        ("Tue Nov 24 03:59:00 2026", AT),
        ("Tue, 24 Nov 2026 03:59:60 +0000", AT + 59),
        ("Fri, 31 Dec 99 23:00:00 -0100", 946_684_800.0),
        ("", None),
        ("yesterday", None),
        ("Tue, 31 Feb 2026 03:59:00 +0000", None),
        ("Tue, 24 Foo 2026 03:59:00 +0000", None),
        ("Tue, 24 Nov 2026 25:59:00 +0000", None),
        ("Tue, 24 Nov 0000 03:59:00 +0000", None),
    ],
)
def test_parse(text: str, at: float | None) -> None:
    assert dates.parse(text) == at


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 4_000_000_000))
def test_round_trips_agree_with_the_standard_library(second: int) -> None:
    assert dates.parse(dates.render(second)) == second
    assert email.utils.parsedate_to_datetime(dates.render(second)).timestamp() == second


def test_internal_date() -> None:
    assert dates.parse_internal("24-Nov-2026 05:59:00 +0200") == AT
    assert dates.parse_internal(" 1-Jan-1970 00:00:00 +0000") == 0


@pytest.mark.parametrize("text", ["", "24-Nov-2026", "1-Jan-1970 00:00:00 +0000", "31-Feb-2026 00:00:00 +0000"])
def test_bad_internal_dates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="date-time"):
        dates.parse_internal(text)
