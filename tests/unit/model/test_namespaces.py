"""Names of others' mailboxes: taken apart, put together, and what an alias's target names (RFC 2342, STO-3)."""

from __future__ import annotations

import pytest

from posthouse.model.address import Address
from posthouse.model.namespaces import (
    OthersName,
    delivery_name,
    is_personal,
    may_name_others,
    others_name,
    shared_account_id,
    shared_domain_id,
    shared_mailbox,
    users_mailbox,
)


@pytest.mark.parametrize(
    "name", ["INBOX", "Work", "Shared files", "Sharedx/y", "Other Users2/jane@example.com", "x/Shared", ""]
)
def test_personal_names(name: str) -> None:
    assert is_personal(name)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Other Users", OthersName("", "", "")),
        ("Other Users/Jane@Example.com", OthersName("jane@example.com", "", "")),
        ("Other Users/jane@example.com/Work/a", OthersName("jane@example.com", "", "Work/a")),
        ("Shared", OthersName("", "example.com", "")),
        ("Shared/News/a", OthersName("", "example.com", "News/a")),
        ("Shared/@Example.org/News", OthersName("", "example.org", "News")),
        ("Shared/@", OthersName("", "", "")),
    ],
)
def test_others_names_are_taken_apart(name: str, parts: OthersName) -> None:
    assert not is_personal(name)
    assert others_name(name, "example.com") == parts


def test_names_that_are_put_together_are_taken_apart_again() -> None:
    owner = Address.parse("Jane@example.com")
    assert others_name(users_mailbox(owner, "Work/a"), "example.org") == OthersName("jane@example.com", "", "Work/a")
    for domain in ("example.com", "example.org"):
        assert others_name(shared_mailbox(domain, "News/a", "example.com"), "example.com") == OthersName("", domain, "News/a")


@pytest.mark.parametrize(
    ("pattern", "may"),
    [("*", True), ("%", True), ("O%", True), ("Other Users/jane*", True), ("Shared", True), ("Sh%", True),
     ("Sharks", False), ("INBOX", False),
     ("Work*", False), ("Shared/News", True), ("", True)],
)  # fmt: skip
def test_patterns_that_may_mean_others(pattern: str, *, may: bool) -> None:
    assert may_name_others(pattern) is may


@pytest.mark.parametrize(
    ("local", "name"),
    [("+archive.list", "archive/list"), ("+archive", "archive"), ("+Shared/Old.News", "Old.News"), ("+a/b.c", "a/b.c"),
     ("archive", ""), ("+", ""), ("+a..b", ""), ("+.a", ""), ("+@x", ""), ("+a*", ""), ("+%", ""), ("+a/", "")],
)  # fmt: skip
def test_what_an_alias_target_names(local: str, name: str) -> None:
    assert delivery_name(local) == name


def test_a_shared_trees_number_is_no_accounts() -> None:
    assert shared_account_id(7) < 0
    assert shared_domain_id(shared_account_id(7)) == 7
    assert shared_domain_id(7) == 0
