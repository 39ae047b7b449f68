"""Answers of spam engines that are none: an error of the one kind, or a report, whatever the octets are."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posthouse.backends.scanners import rspamd, spamd
from posthouse.model.scanners import ScannerPlace
from posthouse.model.spam import RuleHit
from posthouse.pipeline.spam_fields import spam_fields

REPORT = (
    b"SPAMD/1.1 0 EX_OK\r\nContent-length: 300\r\nSpam: True ; 14.5 / 5.0\r\n\r\nContent analysis details:\n\n"
    b" pts rule name              description\n---- ---------------------- ----------\n"
    b" 2.7 MISSING_DATE           Missing Date: header\n-0.0 NO_RECEIVED            Informational\n"
    b"  10 BIG_ONE                a long\n                            story\n"
)
JSON = (
    b'{"score": 8.8, "required_score": 15.0, "action": "add header", "symbols": {"MISSING_DATE": {"name": "MISSING_DATE",'
    b' "score": 1.0, "description": "no date", "options": ["a", 1]}}}'
)
HTTP = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(JSON), JSON)


def sound(hits: tuple[RuleHit, ...]) -> None:
    assert len(hits) < 600
    for hit in hits:
        assert math.isfinite(hit.points)
        assert hit.rule.isascii()
        assert hit.why.isprintable() or not hit.why
    for _, value in spam_fields(hits, (), 50.0, "mx.example.test", report=True):
        assert value.isascii()
        assert value.isprintable()
        assert len(value) < 20_000


def mutated(whole: bytes) -> st.SearchStrategy[bytes]:
    """Cut, and with something put in."""
    return st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)), st.binary(max_size=20)).map(
        lambda given: whole[: given[0]] + given[2] + whole[given[1] :]
    )


@given(st.one_of(st.binary(max_size=300), mutated(REPORT)))
@example(REPORT[:191] + "\ue000".encode() + REPORT)
def test_any_answer_of_spamd(answer: bytes) -> None:
    try:
        sound(spamd.hits_of(answer))
    except ValueError:
        return


@given(st.one_of(st.binary(max_size=300), mutated(HTTP)))
def test_any_answer_of_rspamd(answer: bytes) -> None:
    try:
        sound(rspamd.hits_of(rspamd.body_of(answer)))
    except ValueError:
        return


@given(st.one_of(st.binary(max_size=300), mutated(JSON)))
def test_any_json_of_rspamd(body: bytes) -> None:
    try:
        sound(rspamd.hits_of(body))
    except ValueError:
        return


@given(st.text(max_size=60))
def test_any_place(text: str) -> None:
    try:
        place = ScannerPlace.parse(text)
    except ValueError:
        return
    assert ScannerPlace.parse(str(place)) == place


def test_a_report_is_read_row_by_row() -> None:
    assert spamd.hits_of(REPORT) == (
        RuleHit("MISSING_DATE", 27.0, "Missing Date: header"),
        RuleHit("NO_RECEIVED", -0.0, "Informational"),
        RuleHit("BIG_ONE", 100.0, "a long story"),
        RuleHit("SPAMASSASSIN", 18.0, "what its report does not tell rule by rule"),
    )


@pytest.mark.parametrize(
    "answer",
    [b"", b"SPAMD/1.0 76 Bad header line\r\n\r\n", b"SPAMD/1.1 0 EX_OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
     b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; nan / 5.0\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_report_is_an_error(answer: bytes) -> None:
    with pytest.raises(ValueError):
        spamd.hits_of(answer)


def test_what_rspamd_would_mark_has_fifty_points_whatever_its_bounds() -> None:
    assert sum(hit.points for hit in rspamd.hits_of(rspamd.body_of(HTTP))) == pytest.approx(8.8 * 125 / 15, abs=0.02)
    low = JSON.replace(b"8.8", b"2.0")
    hits = rspamd.hits_of(low)
    assert (hits[-1].rule, hits[-1].why) == ("RSPAMD_ACTION", "its bounds say: add header")
    assert sum(hit.points for hit in hits) == pytest.approx(50)
    greylisted = low.replace(b"add header", b"greylist")
    assert sum(hit.points for hit in rspamd.hits_of(greylisted)) == pytest.approx(2 * 125 / 15, abs=0.02)


@pytest.mark.parametrize(
    "answer",
    [HTTP[:-10], HTTP.replace(b"200 OK", b"500 No"), HTTP.replace(JSON, b'{"error": "x"}' + b" " * (len(JSON) - 14)), b"x"],
)
def test_what_is_no_answer_is_an_error(answer: bytes) -> None:
    with pytest.raises(ValueError):
        rspamd.hits_of(rspamd.body_of(answer))
