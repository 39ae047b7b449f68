"""What fuzzy search takes for near, and how near."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats.text import near


@pytest.mark.parametrize(
    ("wanted", "word", "nearness"),
    [
        ("meeting", "meeting", near.SAME_WORD),
        ("meet", "meeting", near.BEGINS),
        ("meting", "meeting", near.ONE_OFF),
        ("meetting", "meeting", near.ONE_OFF),
        ("meeping", "meeting", near.ONE_OFF),
        ("metering", "meeting", 0),
        ("meetign", "meeting", near.ONE_OFF),
        ("beeting", "meeting", 0),
        ("cat", "car", 0),
        ("ca", "cat", 0),
        ("meeting", "meet", 0),
    ],
)
def test_nearness(wanted: str, word: str, nearness: int) -> None:
    assert near.nearness(wanted, word) == nearness


@pytest.mark.parametrize(
    ("text", "wanted", "score"),
    [
        ("The MEETING is at ten", "meeting is", 100),
        ("Crème Brûlée", "creme brulee", near.SAME_WORD),
        ("Müller & Söhne", "Muller", near.SAME_WORD),
        ("meetings and invoices", "invoice meeting", near.BEGINS),
        ("Helo wrld", "hello world", near.ONE_OFF),
        ("hello", "hello world", 0),
        ("anything", "", 100),
        ("anything", "...", 0),
        ("東京都庁", "京都", 100),
    ],
)
def test_scores(text: str, wanted: str, score: int) -> None:
    assert near.score(text, wanted) == score


@settings(max_examples=200, deadline=None)
@given(st.text("abc", min_size=4, max_size=8), st.integers(0, 7), st.sampled_from("abc"), st.sampled_from("+-=x"))
def test_one_edit_is_one_off_and_it_is_mutual(word: str, at: int, letter: str, edit: str) -> None:
    at = min(at, len(word) - 1)
    other = {
        "+": word[:at] + letter + word[at:],
        "-": word[:at] + word[at + 1 :],
        "=": word[:at] + letter + word[at + 1 :],
        "x": word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    }[edit]
    if other != word:
        assert near.one_off(word, other)
        assert near.one_off(other, word)
