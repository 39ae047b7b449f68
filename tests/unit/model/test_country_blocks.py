"""The table of address blocks and countries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.model.country_blocks import CountryBlocks

TABLE = """
# a table
192.0.2.0/24,NL
"198.51.100.0","198.51.100.127","de"
203.0.113.0/24 FR   # documentation
2001:db8::/32;AU
"""


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("192.0.2.0", "nl"),
        ("192.0.2.255", "nl"),
        ("192.0.3.0", ""),
        ("192.0.1.255", ""),
        ("198.51.100.127", "de"),
        ("198.51.100.128", ""),
        ("::ffff:203.0.113.7", "fr"),
        ("2001:db8:1::1", "au"),
        ("2001:db9::1", ""),
        ("0.0.0.0", ""),
        ("not an address", ""),
    ],
)
def test_each_address_has_the_country_of_its_block(address: str, country: str) -> None:
    assert CountryBlocks(TABLE.splitlines()).country_of(address) == country


@pytest.mark.parametrize(
    "line", ["192.0.2.0/24", "192.0.2.0/24,NLD", "x,NL", "192.0.2.9,192.0.2.1,NL", "1.2.3.4,::1,NL", "a,b,c"]
)
def test_what_is_no_block_is_named_by_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        CountryBlocks(["192.0.2.0/24,NL", line])


@given(st.lists(st.text(max_size=40), max_size=5))
def test_any_text_is_a_table_or_a_plain_error(lines: list[str]) -> None:
    try:
        blocks = CountryBlocks(lines)
    except ValueError:
        return
    assert blocks.country_of("192.0.2.1") == "" or len(blocks.country_of("192.0.2.1")) == 2
