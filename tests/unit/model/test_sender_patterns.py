"""What entries of sender lists look like, and what they match (CON-12)."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.base.errors import BadValue
from posthouse.model.address import Address
from posthouse.model.senders import MAX_PATTERN_CHARS, keys_of, matches, normal_pattern


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Jane.Doe@Example.COM", "jane.doe@example.com"),
        ("<jane@example.com>", "jane@example.com"),
        (" example.com ", "example.com"),
        (".example.com", "example.com"),
        ("@example.com", "@example.com"),
        ("*@example.com", "@example.com"),
        ("*.example.com", "*.example.com"),
        ("news-*@Lists.Example.com", "news-*@lists.example.com"),
        ("*@*.bücher.example", "*@*.xn--bcher-kva.example"),
        ("info@BÜCHER.example", "info@xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xyz", "xyz"),
    ],
)
def test_an_entry_is_kept_in_one_form(text: str, kept: str) -> None:
    assert normal_pattern(text) == kept
    assert normal_pattern(kept) == kept


@pytest.mark.parametrize(
    "text",
    ["", "  ", "*", "*@*", "?*", "*.*", "a b@example.com", "jane@", "exa mple.com", "a@b@c d", "-bad.example", "*@ex/ample.*",
     "a" * (MAX_PATTERN_CHARS + 1), "jane@example.com\n", "*a*b*c*d*e*f*g*h*i@example.com", "x\x00y@example.com"],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(text: str) -> None:
    if text.endswith("\n"):
        assert normal_pattern(text) == text.strip()
        return
    with pytest.raises(BadValue):
        normal_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "address", "fits"),
    [
        ("jane@example.com", "JANE@EXAMPLE.COM", True),
        ("jane@example.com", "jane@sub.example.com", False),
        ("example.com", "jane@example.com", True),
        ("example.com", "jane@a.b.example.com", True),
        ("example.com", "jane@badexample.com", False),
        ("example.com", "example.com@other.test", False),
        ("@example.com", "jane@example.com", True),
        ("@example.com", "jane@sub.example.com", False),
        ("*.example.com", "jane@sub.example.com", True),
        ("*.example.com", "jane@example.com", False),
        ("*.example.com", "jane@sub.example.com.evil.test", False),
        ("news-*@example.com", "news-42@example.com", True),
        ("news-*@example.com", "old-news-42@example.com", False),
        ("n?ws@example.com", "news@example.com", True),
        ("n?ws@example.com", "nws@example.com", False),
        ("xn--bcher-kva.example", "info@bücher.example", True),
        ("xyz", "win@cheap.xyz", True),
    ],
)
def test_matching(pattern: str, address: str, fits: bool) -> None:  # noqa: FBT001 - a table
    assert matches(pattern, Address.parse(address)) is fits


def test_a_name_of_many_labels_has_few_keys() -> None:
    assert len(keys_of(Address("a", ".".join(["x"] * 120)))) < 20


@given(st.text("ab.@*?", max_size=12), st.text("ab.@", max_size=16))
def test_wildcards_mean_what_they_mean_everywhere(pattern: str, text: str) -> None:
    from posthouse.model.senders import _fits

    assert _fits(pattern, text) is fnmatch.fnmatchcase(text, pattern)


@given(st.text(max_size=300))
def test_whatever_is_given_it_is_a_pattern_or_an_error(text: str) -> None:
    try:
        kept = normal_pattern(text)
    except BadValue:
        return
    assert normal_pattern(kept) == kept


def test_an_evil_pattern_takes_no_time() -> None:
    begun = time.process_time()
    for _ in range(500):
        matches("*a*a*a*a*a*a*a*b@example.com", Address("a" * 64, "example.com"))
    assert time.process_time() - begun < 2.0
