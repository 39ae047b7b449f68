"""Which country an address block belongs to, from a table that an administrator provides (OUT-5).

Lines are ``192.0.2.0/24,NL`` or ``192.0.2.0,192.0.2.255,NL``, parted by commas, blanks or tabs, in any order; quotes and what
follows ``#`` are left out. Bounded by ``MOST_BLOCKS``. Where blocks overlap, the one that begins last counts.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable

from posthouse.model.networks import parse_network, plain_ip

MOST_BLOCKS = 2_000_000
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_PARTS = re.compile(r"[\s,;]+")


class CountryBlocks:
    """Immutable; a question costs one search in a sorted list."""

    __slots__ = ("_blocks", "_starts")

    def __init__(self, lines: Iterable[str] = ()) -> None:
        """Raises ValueError, naming the line, for what is no table."""
        found: dict[int, list[tuple[int, int, str]]] = {4: [], 6: []}
        for number, line in enumerate(lines, 1):
            words = _PARTS.split(line.partition("#")[0].replace('"', "").strip(" \t\r\n,;"))
            if words == [""]:
                continue
            if number > MOST_BLOCKS:
                raise ValueError(f"more than {MOST_BLOCKS} blocks")
            try:
                version, first, last = _block(words)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
            found[version].append((first, last, words[-1].lower()))
        self._blocks = {version: sorted(blocks) for version, blocks in found.items()}
        self._starts = {version: [first for first, _, _ in blocks] for version, blocks in self._blocks.items()}

    def country_of(self, address: str) -> str:
        """Two letters, lower case; "" where the table knows nothing."""
        ip = plain_ip(address)
        if ip is None:
            return ""
        place = bisect_right(self._starts[ip.version], int(ip)) - 1
        if place < 0:
            return ""
        _, last, country = self._blocks[ip.version][place]
        return country if int(ip) <= last else ""


def _block(words: list[str]) -> tuple[int, int, int]:
    """IP version, first and last address."""
    if len(words) not in (2, 3) or not _COUNTRY.fullmatch(words[-1]):
        raise ValueError("it is a block and a country of two letters")
    if len(words) == 2:
        network = parse_network(words[0])
        return network.version, int(network.network_address), int(network.broadcast_address)
    first, last = ipaddress.ip_address(words[0]), ipaddress.ip_address(words[1])
    if first.version != last.version or int(first) > int(last):
        raise ValueError("the block ends before it begins")
    return first.version, int(first), int(last)
