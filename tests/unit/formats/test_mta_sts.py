"""MTA-STS records and policies: what RFC 8461 shows is read, everything else is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.formats.mta_sts import BadPolicy, StsPolicy, parse, record_id

POLICY = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


def test_the_policy_of_the_standard_is_read() -> None:
    assert parse(POLICY) == StsPolicy("enforce", ("mail.example.com", "*.example.net"), 604800)
    assert parse(POLICY.replace(b"\r\n", b"\n")) == parse(POLICY)
    assert parse(b"\r\n".join(line.encode() for line in parse(POLICY).lines)) == parse(POLICY)


def test_unknown_keys_are_passed_over_and_the_first_of_a_key_counts() -> None:
    assert parse(POLICY + b"later: thing\r\nmode: none\r\n").mode == "enforce"


def test_a_pattern_covers_one_label() -> None:
    policy = parse(POLICY)
    assert policy.covers("mail.example.com") and policy.covers("MX1.example.net.")
    assert not policy.covers("a.b.example.net") and not policy.covers("example.net") and not policy.covers("mail.evil.com")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "version"),
        (POLICY.replace(b"STSv1", b"STSv2"), "version"),
        (POLICY.replace(b"enforce", b"maybe"), "mode"),
        (POLICY.replace(b"604800", b"-1"), "max_age"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1\n", "no host"),
        (POLICY.replace(b"mail.example.com", b"mail.*.com"), "not a host"),
        (POLICY + b"\xff", "UTF-8"),
        (POLICY + b"<html>\n", "key: value"),
        (POLICY + b"x: y\n" * 20_000, "too long"),
    ],
)
def test_what_is_no_policy_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(BadPolicy, match=why):
        parse(body)


def test_the_age_is_bounded() -> None:
    assert parse(POLICY.replace(b"604800", b"9999999999")).max_age_s == 31_557_600


def test_a_domain_announces_one_policy_or_none() -> None:
    assert record_id(["v=STSv1; id=20160831085700Z;"]) == "20160831085700Z"
    assert record_id(["v=spf1 -all", "v=STSv1;id=a"]) == "a"
    assert record_id([]) == record_id(["v=STSv1; id=a", "v=STSv1; id=b"]) == record_id(["v=STSv1; id=a b"]) == ""


@given(st.binary(max_size=300))
def test_fuzz_policies(body: bytes) -> None:
    try:
        assert parse(body).mode in ("enforce", "testing", "none")
    except BadPolicy:
        return


@given(st.lists(st.text(max_size=60), max_size=4))
def test_fuzz_records(texts: list[str]) -> None:
    assert len(record_id(texts)) <= 32
