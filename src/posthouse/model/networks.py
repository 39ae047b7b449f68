"""Lists of networks as administrators write them: CIDR, single addresses, and partial dotted form ``192.168.`` (NET-3)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IPV6_CLIENT_BITS = 64


def parse_network(text: str) -> Network:
    """Raises ValueError for what is no network."""
    word = text.strip()
    if word.endswith(".") and word.count(".") <= 3:
        octets = word[:-1].split(".")
        return ipaddress.IPv4Network(".".join(octets + ["0"] * (4 - len(octets))) + f"/{8 * len(octets)}")
    return ipaddress.ip_network(word, strict=False)


class Networks:
    """An immutable list; ``address in networks`` is the question. An IPv4-mapped IPv6 address counts as IPv4."""

    __slots__ = ("_networks",)

    def __init__(self, entries: Iterable[str]) -> None:
        self._networks = tuple(parse_network(entry) for entry in entries)

    def __contains__(self, address: str) -> bool:
        if not self._networks:
            return False
        ip = plain_ip(address)
        return ip is not None and any(ip.version == network.version and ip in network for network in self._networks)

    def __bool__(self) -> bool:
        return bool(self._networks)


@lru_cache(maxsize=4096)
def plain_ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that the text means; None if it is none."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped if mapped is not None else ip


@lru_cache(maxsize=4096)
def is_loopback(address: str) -> bool:
    """Whether the text is an address of this machine's own loopback network."""
    ip = plain_ip(address)
    return ip is not None and ip.is_loopback


@lru_cache(maxsize=4096)
def client_key(address: str) -> str:
    """What connections are counted by: an IPv4 address, or the /64 of an IPv6 one (NET-1)."""
    ip = plain_ip(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, IPV6_CLIENT_BITS)))
    return address if ip is None else str(ip)


@lru_cache(maxsize=64)
def network_list(entries: tuple[str, ...]) -> Networks:
    """The list for a setting's value, made once. Entries that are no networks are skipped: settings were checked before."""
    good = []
    for entry in entries:
        try:
            parse_network(entry)
        except ValueError:
            continue
        good.append(entry)
    return Networks(good)


def within(host: str, domains: Iterable[str]) -> bool:
    """Whether ``host`` is one of ``domains`` or lies below one (a domain covers its subdomains)."""
    name = host.lower().rstrip(".")
    return any(name == domain or name.endswith("." + domain) for domain in (entry.lower().strip(".") for entry in domains))
