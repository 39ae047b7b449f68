"""Addresses that strangers publish (TLS-RPT) and that are none: they fail as a site does that is down."""

from __future__ import annotations

import pytest

from posthouse.backends.https import HttpsFetch
from posthouse.backends.memory.resolver import MemoryResolver
from posthouse.base.errors import Temporary

RECORDS = {("reports.test", "A"): ("127.0.0.1",)}
BAD = [
    "https://reports.test:99999/", "https://reports.test:x/", "https://[", "https:", "http://reports.test/",
    "https://reports.test/\x00", "https://reports.test:1/\x7f", "https://reports.test:1/\udcff", "https://re\x00ports.test/",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD, ids=range(len(BAD)))
async def test_attack_an_address_that_is_none_fails_as_a_dead_site_does(url: str) -> None:
    fetch = HttpsFetch(MemoryResolver(RECORDS), lambda: True, lambda: "")
    with pytest.raises(Temporary):
        await fetch.post(url, b"report", "application/tlsrpt+gzip")
