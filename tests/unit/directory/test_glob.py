"""Globs: as fnmatch has them, without brackets, and never slow."""

from __future__ import annotations

import fnmatch

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.base.glob import is_glob, matches


@settings(max_examples=300, deadline=None)
@given(pattern=st.text("ab*?", max_size=8), text=st.text("abc", max_size=8))
def test_stars_and_question_marks_match_as_fnmatch_does(pattern: str, text: str) -> None:
    assert matches(pattern, text) == fnmatch.fnmatchcase(text, pattern)


def test_brackets_are_letters_and_case_does_not_matter() -> None:
    assert matches("[A]*", "[a]x")
    assert not matches("[a]", "a")


def test_a_pattern_of_many_stars_is_quick() -> None:
    assert not matches("*a" * 200 + "b", "a" * 2_000)


def test_only_stars_and_question_marks_make_a_glob() -> None:
    assert [is_glob(text) for text in ("a*", "a?", "a[b]%_", "")] == [True, True, False, False]
