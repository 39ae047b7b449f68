"""The PROXY header's parser by itself: fuzzed, and never satisfied by half a header."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.servers.proxy_protocol import SIGNATURE, BadHeader, parse

GOOD = [
    b"PROXY TCP4 192.0.2.7 198.51.100.1 1111 25\r\n",
    b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
    SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 12) + b"\xc0\0\2\7\xc6\x33\x64\1" + struct.pack("!HH", 1111, 25),
    SIGNATURE + struct.pack("!BBH", 0x20, 0, 3) + b"abc",
]


@pytest.mark.parametrize("header", GOOD)
def test_a_header_is_incomplete_until_its_last_octet(header: bytes) -> None:
    assert all(parse(header[:end]) is None for end in range(len(header)))
    found = parse(header + b"more")
    assert found is not None
    assert found.size_bytes == len(header)


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1111 65536\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 25\r\n",
        b"PROXY TCP4 ::1 ::2 1111 25\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 1111 25\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 1111 25\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1111 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1111 2\xff\r\n",
        SIGNATURE + struct.pack("!BBH", 0x31, 0x11, 12) + b"\0" * 12,
        SIGNATURE + struct.pack("!BBH", 0x22, 0x11, 12) + b"\0" * 12,
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 8) + b"\0" * 8,
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 60000),
    ],
)
def test_malformed_headers_are_refused(header: bytes) -> None:
    with pytest.raises(BadHeader):
        parse(header)


@given(st.binary(max_size=200), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]))
@settings(max_examples=300, deadline=None)
def test_any_octets_give_a_header_nothing_or_bad_header(tail: bytes, head: bytes) -> None:
    data = head + tail
    try:
        found = parse(data)
    except BadHeader:
        return
    assert found is None or found.size_bytes <= len(data)
