"""Expressions on strangers' text: bounded in size and time, the same result in pieces as whole."""

from __future__ import annotations

import random
import time

import pytest

from posthouse.content.patterns import OVERLAP_BYTES, PIECE_BYTES, AnyOf, AnyWord, Expression, PatternError


class Counting:
    """A deadline that counts, and ends after some."""

    def __init__(self, allowed: int) -> None:
        self.left = allowed

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise TimeoutError


def test_an_expression_is_found_anywhere_in_a_long_text() -> None:
    needle = Expression("need(l)e", ignore_case=True)
    for place in (0, 5, PIECE_BYTES - 3, PIECE_BYTES, 3 * PIECE_BYTES - OVERLAP_BYTES - 2, 100_000 - 6):
        text = b"x" * place + b"NEEDLE" + b"x" * (100_000 - 6 - place)
        assert needle.found_in(text)
        assert needle.spans(text) == [(place, place + 6), (place + 4, place + 5)]
    assert not needle.found_in(b"x" * 100_000)


def test_anchors_mean_the_whole_text_also_in_pieces() -> None:
    text = b"a" * 40_000 + b"end"
    assert Expression("^a", ignore_case=False).found_in(text)
    assert Expression("end$", ignore_case=False).found_in(text)
    assert not Expression("^end", ignore_case=False).found_in(text)
    assert not Expression("a$", ignore_case=False).found_in(text)
    assert not Expression(r"\bend", ignore_case=False).found_in(text)


def test_the_deadline_is_asked_between_pieces() -> None:
    with pytest.raises(TimeoutError):
        Expression("z", ignore_case=False).found_in(b"x" * 1_000_000, Counting(5))
    assert not Expression("z", ignore_case=False).found_in(b"x" * 50_000, Counting(5))


@pytest.mark.parametrize("bad", ["(", "a{2000}", "(a{100}){100}", r"(a)\1", "(?=a)", "x" * 2001, "[z-a]", "\ud800"])
def test_what_is_no_expression_or_too_large_a_one_is_refused(bad: str) -> None:
    with pytest.raises(PatternError):
        Expression(bad, ignore_case=False)


def test_one_of_many_expressions_is_found_though_they_do_not_fit_into_one() -> None:
    many = AnyOf([f"(one|two){n}[0-9]+x{{50}}" for n in range(200)], ignore_case=True)
    assert many.found_in(b"... TWO199" + b"7" + b"X" * 50)
    assert not many.found_in(b"... three199")
    assert not AnyOf([], ignore_case=True).found_in(b"x")


def test_one_of_many_words_is_found_as_it_is() -> None:
    many = AnyWord([f"word{n}." for n in range(3000)])
    assert many.found_in(b"a word2999. b")
    assert not many.found_in(b"a word2999! b")
    assert AnyWord(["", "x"]).found_in(b"")
    assert not AnyWord([]).found_in(b"x")
    long = "x" * 20_000
    assert AnyWord([long, "never"]).found_in(b"-" * 70_000 + long.encode() + b"-" * 9_000)
    assert not AnyWord([long, "never"]).found_in(b"-" * 70_000 + long[1:].encode() + b"-" * 9_000)
    border = b"-" * (PIECE_BYTES - 3) + b"needle" + b"-" * 40_000
    assert AnyWord(["needle", "x"]).found_in(border)


def test_a_text_that_comes_close_to_ten_thousand_words_is_no_slower() -> None:
    chance = random.Random(2)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=8)) for _ in range(10_000)]
    text = " ".join(f"{word[:-1]}0" for word in words).encode() * 2
    many = AnyWord(words)
    start = time.process_time()
    assert not many.found_in(text)
    assert time.process_time() - start < 0.2
