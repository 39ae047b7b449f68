"""Settings that name networks, hosts or addresses are checked before they take effect (ADM-5)."""

from __future__ import annotations

import pytest

from posthouse.base.errors import BadValue
from posthouse.model.settings import CATALOGUE


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("smtp.relay_networks", "192.0.2.0/24 10.0.0.300/8"),
        ("smtp.trusted_networks", "office"),
        ("smtp.proxy_networks", "10.0.0.0/33"),
        ("smtp.relay_domains", "example.com jane@example.com"),
        ("smtp.hostname", "mx one"),
        ("auth.default_domain", "@example.com"),
        ("route.smart_host", "relay.example.net:99999"),
        ("route.smart_host", "http://relay.example.net"),
        ("queue.double_bounce", "postmaster"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused_and_the_text_says_which_word(key: str, text: str) -> None:
    with pytest.raises(BadValue, match=key) as refused:
        CATALOGUE[key].parse(text)
    assert text.split()[-1] in refused.value.public or text in refused.value.public


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("smtp.relay_networks", "192.0.2.0/24 2001:db8::/32 192.168. 198.51.100.7"),
        ("smtp.relay_networks", ""),
        ("smtp.relay_domains", "example.com .example.org"),
        ("smtp.hostname", "mx1.example.com"),
        ("route.smart_host", "relay.example.net:587/required"),
        ("route.smart_host", "lmtp://[2001:db8::1]:24"),
        ("route.smart_host", ""),
        ("queue.double_bounce", "postmaster@example.com"),
    ],
)
def test_a_value_of_the_right_form_is_kept_as_written(key: str, text: str) -> None:
    spec = CATALOGUE[key]
    assert spec.render(spec.parse(text)) == text


def test_large_bounds_are_told_as_plain_numbers() -> None:
    assert CATALOGUE["smtp.max_message_bytes"].allowed() == "a whole number of bytes from 1024 to 1073741824"
