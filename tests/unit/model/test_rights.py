"""Rights: their letters, what lists of them come to, which flags they allow (RFC 4314 §2, §4), also against a naive reading
of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.base.errors import BadValue
from posthouse.model.mailbox import ANSWERED, DELETED, FIRST_KEYWORD_BIT, FLAGGED, SEEN
from posthouse.model.rights import (
    ALL_RIGHTS,
    OBSOLETE,
    AclAction,
    changed_rights,
    changes_anything,
    effective_rights,
    flags_allowed,
    normal_rights,
    shown_rights,
)

LETTERS = st.text(st.sampled_from(ALL_RIGHTS + "cd"), max_size=15)
NAMES = ("jane@example.com", "anyone", "domain:example.com", "group:team@example.com", "omar@example.com")
ENTRIES = st.dictionaries(st.sampled_from([*NAMES, *("-" + name for name in NAMES)]), LETTERS.map(normal_rights))


@pytest.mark.parametrize(
    ("text", "normal", "shown"),
    [("", "", ""), ("rl", "lr", "lr"), ("lrswipcda", "lrswipkxtea", "lrswipkxteacd"), ("d", "te", "ted"), ("c", "kx", "kxc"),
     ("e", "e", "ed"), ("x", "x", "xc"), ("llrr", "lr", "lr")],
)  # fmt: skip
def test_normal_and_shown_forms(text: str, normal: str, shown: str) -> None:
    assert normal_rights(text) == normal
    assert shown_rights(normal) == shown


@pytest.mark.parametrize("text", ["z", "L", "l r", "0", "l\u0430"])
def test_what_is_no_right_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        normal_rights(text)


@given(LETTERS, LETTERS, st.sampled_from(["add", "remove", "replace"]))
@settings(max_examples=200, deadline=None)
def test_setacl_is_what_sets_do(old: str, new: str, action: AclAction) -> None:
    old, new = normal_rights(old), normal_rights(new)
    wanted = {"add": set(old) | set(new), "remove": set(old) - set(new), "replace": set(new)}[action]
    done = changed_rights(old, action, new)
    assert set(done) == wanted
    assert done == normal_rights(done), "and it is in normal form"


@given(ENTRIES, st.sets(st.sampled_from(NAMES)))
@settings(max_examples=300, deadline=None)
def test_effective_rights_are_those_of_a_naive_reading(entries: dict[str, str], identifiers: set[str]) -> None:
    """Letter by letter: some entry of mine grants it, and none of mine takes it away (RFC 4314 §2)."""
    wanted = ""
    for letter in ALL_RIGHTS:
        granted = any(not name.startswith("-") and name in identifiers and letter in held for name, held in entries.items())
        denied = any(name.startswith("-") and name[1:] in identifiers and letter in held for name, held in entries.items())
        wanted += letter if granted and not denied else ""
    assert effective_rights(entries.items(), identifiers) == wanted


@given(LETTERS)
@settings(max_examples=100, deadline=None)
def test_what_is_shown_reads_back_as_what_was_held_when_whole(text: str) -> None:
    """An obsolete letter stands for more than may be held; without those letters nothing is lost or gained."""
    rights = normal_rights(text)
    assert shown_rights(rights).rstrip("".join(OBSOLETE)) == rights


@pytest.mark.parametrize(
    ("rights", "bits"),
    [("", 0), ("lr", 0), ("s", SEEN), ("t", DELETED), ("st", SEEN | DELETED), ("e", 0)],
)
def test_flags_that_rights_allow(rights: str, bits: int) -> None:
    assert flags_allowed(rights) == bits


def test_w_is_for_all_flags_but_seen_and_deleted() -> None:
    mask = flags_allowed("w")
    assert (
        mask & (ANSWERED | FLAGGED | 1 << FIRST_KEYWORD_BIT | 1 << 55) == ANSWERED | FLAGGED | 1 << FIRST_KEYWORD_BIT | 1 << 55
    )
    assert not mask & (SEEN | DELETED)


@pytest.mark.parametrize(("rights", "changes"), [("lr", False), ("lrpkxa", False), ("lrs", True), ("lri", True), ("lre", True)])
def test_when_a_mailbox_opens_read_only(rights: str, *, changes: bool) -> None:
    assert changes_anything(rights) is changes
