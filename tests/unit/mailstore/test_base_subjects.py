"""The base subject (RFC 5256 §2.1) and the order of texts (RFC 5051)."""

from __future__ import annotations

import time

import pytest

from posthouse.mailstore.subjects import base_subject, collated


@pytest.mark.parametrize(
    ("subject", "base", "replied"),
    [
        ("hello", "hello", False),
        ("Re: hello", "hello", True),
        ("RE: re: Fwd: FW:hello", "hello", True),
        ("re  :  hello  there ", "hello there", True),
        ("Re[2]: hello", "hello", True),
        ("re [x] : hello", "hello", True),
        ("[list] hello", "hello", False),
        ("[a] [b] Re: [c] hello", "hello", True),
        ("[list]", "[list]", False),
        ("[a] [b]", "[b]", False),
        ("hello (fwd)", "hello", True),
        ("hello (FWD) (fwd) ", "hello", True),
        ("[Fwd: hello]", "hello", True),
        ("[fwd: [fwd: Re: hello (fwd)]]", "hello", True),
        ("Re: [Fwd: hello]", "hello", True),
        ("\thello\r\n  there", "hello there", False),
        ("regards", "regards", False),
        ("forward: x", "forward: x", False),
        ("", "", False),
        ("Re:", "", True),
        ("(fwd)", "", True),
    ],
)
def test_the_base_subject(subject: str, base: str, *, replied: bool) -> None:
    assert base_subject(subject) == (base, replied)


def test_hostile_subjects_take_no_time() -> None:
    started_at = time.process_time()
    for piece in ("[x] ", "re: ", "re [", "(fwd) ", "[fwd: ", "[", "re[a]", " " * 50):
        base_subject(piece * 5000)
        base_subject(piece * 5000 + "x")
    assert time.process_time() - started_at < 5


@pytest.mark.parametrize(("one", "other"), [("apple", "APPLE"), ("straße", "STRASSE"), ("é", "E\u0301"), ("ﬁ", "FI")])
def test_texts_that_count_as_equal(one: str, other: str) -> None:
    assert collated(one).casefold() == collated(other).casefold()


def test_order_is_by_upper_case_letters() -> None:
    assert sorted(["b", "A", "_", "a", "B"], key=collated) == ["A", "a", "b", "B", "_"]
