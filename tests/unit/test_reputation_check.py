"""What block lists of others say of this node."""

from __future__ import annotations

import pytest

from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.checking.reputation import check_reputation

Records = dict[tuple[str, str], list[str]]
KNOWS: Records = {("2.0.0.127.list.test", "A"): ["127.0.0.2"]}


async def said(
    records: dict[tuple[str, str], list[str]], *addresses: str, domains: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    found = await check_reputation(MemoryResolver(records), addresses, domains, ("list.test",), ("names.test",))
    return [(each.subject, each.state) for each in found]


@pytest.mark.parametrize(
    ("records", "subject", "state"),
    [
        (KNOWS, "8.8.8.8", "ok"),
        ({**KNOWS, ("8.8.8.8.list.test", "A"): ["127.0.0.4"], ("8.8.8.8.list.test", "TXT"): ["spam"]}, "8.8.8.8", "wrong"),
        ({**KNOWS, ("8.8.8.8.list.test", "A"): ["127.255.255.254"]}, "8.8.8.8", "unknown"),
        ({**KNOWS, ("8.8.8.8.list.test", "A"): ["203.0.113.80"]}, "8.8.8.8", "unknown"),
        ({**KNOWS, ("8.8.8.8.list.test", "FAIL"): []}, "8.8.8.8", "unknown"),
        ({}, "list.test", "unknown"),
        ({("2.0.0.127.list.test", "FAIL"): []}, "list.test", "unknown"),
    ],
)
async def test_an_address_is_listed_or_not_or_the_list_says_nothing(records: Records, subject: str, state: str) -> None:
    assert await said(records, "8.8.8.8") == [(subject, state)]


async def test_private_addresses_are_nobodys_business_and_domains_are_asked_about_by_name() -> None:
    records = {("bad.test.names.test", "A"): ["127.0.1.2"]}
    assert await said(records, "127.0.0.1", domains=("bad.test", "good.test")) == [
        ("127.0.0.1", "note"),
        ("bad.test", "wrong"),
        ("good.test", "ok"),
    ]
