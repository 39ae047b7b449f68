"""DNS block lists: the zones that are asked, and what they say (NET-5). Source: RFC 5782 (address and domain lists)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from posthouse.model.address import normal_domain
from posthouse.model.networks import network_list, parse_network, within

Action = Literal["reject", "tag"]
About = Literal["address", "domain", "both"]

DEFAULT_POINTS = 30.0
MAX_POINTS = 1000.0
_LISTING = ipaddress.ip_network("127.0.0.0/8")
_NO_LISTING = (ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("127.255.255.0/24"))
"""What lists answer with when they refuse to: RFC 5782 §2.1 keeps 127.0.0.1 free, large lists use the other for errors."""
_RULE = re.compile(r"(?P<first>[\d.]+)(?:(?:-(?P<last>[\d.]+))|/(?P<bits>\d{1,2}))?(?:=(?P<points>-?\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True)
class ListHit:
    """One list that names an address or a domain. ``code`` is its answer (``127.0.0.2``), ``text`` its TXT record or "";
    ``points`` are on the spam scale; ``what`` is the address or domain that was looked up."""

    zone: str
    what: str
    code: str
    text: str
    points: float
    action: Action


@dataclass(frozen=True, slots=True)
class CodeRule:
    """Answers from ``first`` to ``last`` count, with ``points`` of their own if not None."""

    first: int
    last: int
    points: float | None

    @classmethod
    def parse(cls, text: str) -> CodeRule:
        """``127.0.0.2``, ``127.0.0.4-127.0.0.7``, ``127.0.0.8/29``, each with ``=20`` for points of its own.
        Raises ValueError."""
        match = _RULE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no return code such as 127.0.0.2, 127.0.0.4-127.0.0.7 or 127.0.0.10=20")
        first = ipaddress.IPv4Address(match["first"])
        last = ipaddress.IPv4Address(match["last"]) if match["last"] else first
        if match["bits"]:
            network = ipaddress.IPv4Network(f"{first}/{match['bits']}", strict=False)
            first, last = network.network_address, network.broadcast_address
        if first > last or first not in _LISTING or last not in _LISTING:
            raise ValueError(f"{text!r}: return codes lie in 127.0.0.0/8")
        points = float(match["points"]) if match["points"] else None
        if points is not None and abs(points) > MAX_POINTS:
            raise ValueError(f"{text!r}: at most {MAX_POINTS:g} points")
        return cls(int(first), int(last), points)


@dataclass(frozen=True, slots=True)
class BlockListZone:
    """A zone that is asked. ``about`` says what it lists. Without ``codes`` every proper answer counts; with them, those alone.
    ``exempt`` are networks, and domains with their subdomains, that are never looked up here."""

    zone: str
    about: About = "address"
    action: Action = "reject"
    points: float = DEFAULT_POINTS
    codes: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    enabled: bool = True

    def exempts_address(self, address: str) -> bool:
        return bool(self.exempt) and address in network_list(self.exempt)

    def exempts_domain(self, name: str) -> bool:
        return bool(self.exempt) and within(name, self.exempt)

    def judge(self, answers: Iterable[str]) -> tuple[str, float] | None:
        """The answer that counts most, and its points; None if no answer is a listing."""
        rules = _rules(self.codes)
        found: list[tuple[float, str]] = []
        for answer in answers:
            try:
                address = ipaddress.IPv4Address(answer)
            except ValueError:
                continue
            rule = next((one for one in rules if one.first <= int(address) <= one.last), None)
            if rule is not None:
                found.append((self.points if rule.points is None else rule.points, answer))
            elif not rules and address in _LISTING and not any(address in network for network in _NO_LISTING):
                found.append((self.points, answer))
        if not found:
            return None
        points, code = max(found)
        return code, points


def checked_zone(zone: BlockListZone) -> BlockListZone:
    """The same in normal form. Raises ValueError."""
    name = normal_domain(zone.zone.strip("."))
    if name.startswith("["):
        raise ValueError(f"{zone.zone!r} is no domain")
    if not 0 <= zone.points <= MAX_POINTS:
        raise ValueError(f"points lie between 0 and {MAX_POINTS:g}")
    for code in zone.codes:
        CodeRule.parse(code)
    exempt = tuple(_exemption(entry) for entry in zone.exempt)
    return BlockListZone(name, zone.about, zone.action, zone.points, zone.codes, exempt, zone.enabled)


def _exemption(text: str) -> str:
    try:
        return str(parse_network(text))
    except ValueError:
        return normal_domain(text.strip("."))


@lru_cache(maxsize=256)
def _rules(codes: tuple[str, ...]) -> tuple[CodeRule, ...]:
    return tuple(CodeRule.parse(code) for code in codes)


def reversed_address(address: str) -> str:
    """``9.2.0.192`` of 192.0.2.9, 32 nibbles of an IPv6 address (RFC 5782 §2.1, §2.4). Raises ValueError."""
    ip = ipaddress.ip_address(address)
    return ip.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
