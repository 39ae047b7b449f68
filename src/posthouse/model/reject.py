"""The reject list: networks and domains that this site takes no mail from (NET-3)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from posthouse.model.address import normal_domain
from posthouse.model.networks import Network, parse_network

MAX_NOTE = 200
_NUMBERS = re.compile(r"[\d./:]+")


@dataclass(frozen=True, slots=True)
class RejectEntry:
    """``target`` is a network in CIDR form (``192.0.2.9/32`` for one address) or a domain, which covers its subdomains; both in
    normal form, as ``reject_entry`` makes them. ``note`` says why, for people; a served block list tells it."""

    target: str
    note: str = ""
    added_at: float = 0.0

    @property
    def network(self) -> Network | None:
        """The network, None for a domain."""
        return ipaddress.ip_network(self.target) if "/" in self.target else None


def reject_entry(text: str, note: str = "", added_at: float = 0.0) -> RejectEntry:
    """An entry in normal form of what people write: ``192.0.2.0/24``, ``192.168.``, ``2001:db8::1``, ``example.com``,
    ``.example.com``. Raises ValueError."""
    clean = " ".join("".join(char if char.isprintable() else " " for char in note).split())[:MAX_NOTE]
    word = text.strip()
    try:
        return RejectEntry(str(parse_network(word)), clean, added_at)
    except ValueError:
        if not word or _NUMBERS.fullmatch(word):
            raise ValueError(f"{text!r} is no network such as 192.0.2.0/24, 192.168. or 2001:db8::/32") from None
    domain = normal_domain(word.removeprefix("."))
    if domain.startswith("[") or domain.rpartition(".")[2].isdigit():
        raise ValueError(f"{text!r} is neither a network nor a domain")
    return RejectEntry(domain, clean, added_at)


def covering(domain: str) -> Iterator[str]:
    """The names whose entries cover ``domain``: itself first, then its parents; of a name that cannot be, none."""
    name = domain.lower().strip(".")
    if not 0 < len(name) <= 253:
        return
    while name:
        yield name
        name = name.partition(".")[2]
