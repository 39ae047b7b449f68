"""Names in a Maildir: flags, keywords, folders; both ways, and nothing that leads out of the tree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.formats import maildir


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("1600000000.M1P2.host,S=12:2,FS", ("1600000000.M1P2.host,S=12", "FS")),
        ("1600000000.M1P2.host", ("1600000000.M1P2.host", "")),
        ("1600000000.M1P2.host;2,Sab", ("1600000000.M1P2.host", "Sab")),
        ("1600000000.M1P2.host!2,", ("1600000000.M1P2.host", "")),
    ],
)
def test_a_files_name_holds_key_and_flags(name: str, parts: tuple[str, str]) -> None:
    assert maildir.split_name(name) == parts


def test_flags_and_keywords_both_ways() -> None:
    keywords = ["Work"]
    letters = maildir.letters_of(("\\Seen", "$Forwarded", "work", "New", "\\Unknown"), keywords)
    assert (letters, keywords) == ("PSab", ["Work", "New"])
    assert maildir.flags_of(letters, keywords) == ("$Forwarded", "\\Seen", "Work", "New")
    assert maildir.flags_of("SXz1", keywords) == ("\\Seen",)


def test_a_twenty_seventh_keyword_is_lost() -> None:
    keywords = [f"k{number}" for number in range(26)]
    assert maildir.letters_of(("more", "k25"), keywords) == "z"
    assert len(keywords) == 26


def test_keyword_files_both_ways_and_damaged() -> None:
    assert maildir.parse_keywords(maildir.render_keywords(["a", "", "c"])) == ["a", "", "c"]
    assert maildir.parse_keywords("0 a\nx y\n99 z\n-1 q\n\n3 d\n") == ["a", "", "", "d"]


@pytest.mark.parametrize(
    ("levels", "name"),
    [
        (("Work", "2026"), ".Work.2026"),
        (("a.b",), ".a\\2eb"),
        (("Größe & Maß",), ".Gr&APYA3w-e &- Ma&AN8-"),
        (("..",), ".\\2e\\2e"),
    ],
)
def test_folders_names(levels: tuple[str, ...], name: str) -> None:
    assert maildir.folder_name(levels) == name
    assert maildir.folder_levels(name) == levels


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), min_size=1, max_size=4))
def test_any_name_comes_back_and_stays_in_its_folder(levels: list[str]) -> None:
    if any("\\" in level for level in levels):
        return
    name = maildir.folder_name(levels)
    assert maildir.folder_levels(name) == tuple(levels)
    assert "/" not in name and "\0" not in name and name.strip(".")


def test_names_that_are_no_modified_utf_7_are_kept_as_they_are() -> None:
    assert maildir.folder_levels(".R&D") == ("R&D",)
    assert maildir.path_level("Gr\udcf6\udcdfe") == "Größe"


def test_subscriptions_of_both_versions() -> None:
    assert maildir.parse_subscriptions("INBOX\nWork.2026\n", ".") == [("INBOX",), ("Work", "2026")]
    assert maildir.parse_subscriptions("V\t2\n\nINBOX\nWork\t2026\n", ".") == [("INBOX",), ("Work", "2026")]
