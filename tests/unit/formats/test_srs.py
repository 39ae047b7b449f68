"""Rewritten senders: they lead back, they cannot be made by strangers, and they grow old."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.formats import srs
from posthouse.model.address import Address

KEY, OTHER = b"k" * 32, b"o" * 32
NOW = 1_790_000_000.0
LENA = Address.parse("Lena.Maier@elsewhere.test")


def rewritten(sender: Address = LENA, domain: str = "example.test", key: bytes = KEY, now: float = NOW) -> Address:
    made = srs.rewritten(sender, domain, key, now)
    assert made is not None
    return made


def test_a_rewritten_sender_leads_back() -> None:
    made = rewritten()
    assert made.local.startswith("SRS0=") and made.domain == "example.test"
    assert srs.is_rewritten(made.local)
    assert srs.original(made.local, KEY, NOW) == LENA


def test_it_leads_back_after_a_host_wrote_it_in_lower_case() -> None:
    assert srs.original(rewritten().local.lower(), KEY, NOW).key == LENA.key


def test_bounces_come_back_for_three_weeks() -> None:
    made = rewritten()
    assert srs.original(made.local, KEY, NOW + 21 * srs.DAY_S) == LENA
    with pytest.raises(srs.NotOurs, match="old"):
        srs.original(made.local, KEY, NOW + 22 * srs.DAY_S)
    with pytest.raises(srs.NotOurs, match="old"):
        srs.original(made.local, KEY, NOW - 2 * srs.DAY_S)


def test_attack_an_address_that_was_not_made_here_leads_nowhere() -> None:
    made = rewritten()
    with pytest.raises(srs.NotOurs, match="hash"):
        srs.original(made.local, OTHER, NOW)
    with pytest.raises(srs.NotOurs, match="hash"):
        srs.original(made.local.replace("elsewhere.test", "victim.test"), KEY, NOW)
    with pytest.raises(srs.NotOurs, match="hash"):
        srs.original(made.local.replace("Lena", "Mila"), KEY, NOW)


def test_a_sender_that_another_host_rewrote_leads_back_by_way_of_that_host() -> None:
    first = rewritten(domain="first.test", key=OTHER)
    second = rewritten(first, "example.test")
    assert second.local.startswith("SRS1=")
    assert srs.original(second.local, KEY, NOW) == Address(first.local.replace("SRS0=", "SRS0=", 1), "first.test")
    third = rewritten(second, "third.test", key=OTHER)
    assert srs.original(third.local, OTHER, NOW) == first
    with pytest.raises(srs.NotOurs):
        srs.original(third.local, KEY, NOW)


def test_a_sender_too_long_to_be_rewritten_is_left_alone() -> None:
    assert srs.rewritten(Address.parse("a" * 50 + "@elsewhere.test"), "example.test", KEY, NOW) is None
    assert srs.rewritten(Address.parse('"a b"@elsewhere.test'), "example.test", KEY, NOW) is None


@given(st.text(max_size=80), st.sampled_from(["", "SRS0=", "SRS1=", "srs0-", "SRS0+"]))
def test_fuzz_whatever_comes_is_refused_or_ours(text: str, head: str) -> None:
    try:
        srs.original(head + text, KEY, NOW)
    except srs.NotOurs:
        return
    raise AssertionError("nobody can make one without the key")
