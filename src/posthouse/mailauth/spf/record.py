"""An SPF record as text and as terms (RFC 7208 §3, §4.6, §5, §6, §12). Read whole before anything of it is used."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from posthouse.mailauth.spf.errors import PermError
from posthouse.mailauth.spf.macros import Template, read, read_domain
from posthouse.model.networks import Network

VERSION = "v=spf1"
MAX_REMEMBERED = 2048

_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9\-_.]*)=(.*)", re.S)
_MECHANISM = re.compile(r"([+\-?~]?)([A-Za-z][A-Za-z0-9\-_.]*)(.*)", re.S)
_LENGTHS = re.compile(r"(?:/(0|[1-9]\d{0,2}))?(?://(0|[1-9]\d{0,2}))?")
_LENGTHS_AT_END = re.compile(r"/\d+(?://\d+)?$|//\d+$")


@dataclass(frozen=True, slots=True)
class Mechanism:
    """``text`` is as published. ``domain`` None means the domain whose record this is; ``network`` is of ip4 and ip6."""

    text: str
    qualifier: str
    name: str
    domain: Template | None = None
    network: Network | None = None
    v4_bits: int = 32
    v6_bits: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    """Mechanisms in their order, and the two modifiers that mean something."""

    mechanisms: tuple[Mechanism, ...]
    redirect: Template | None
    explanation: Template | None


def is_record(text: str) -> bool:
    """Whether a TXT record is an SPF record (RFC 7208 §4.5)."""
    head = text[: len(VERSION) + 1].lower()
    return head in (VERSION, VERSION + " ")


def parse(text: str) -> Record:
    """Raises PermError with what is wrong. Short records are remembered."""
    return _parsed(text) if len(text) <= MAX_REMEMBERED else _parse(text)


def _parse(text: str) -> Record:
    if not text.isascii() or not text.isprintable():
        raise PermError("characters that no record may have")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, Template] = {}
    for term in text[len(VERSION) :].split(" "):
        if not term:
            continue
        match = _MODIFIER.fullmatch(term)
        if match is None:
            mechanisms.append(_mechanism(term))
            continue
        name = match[1].lower()
        if name not in ("redirect", "exp"):
            read(match[2])
            continue
        if name in modifiers:
            raise PermError(f"{name}= stands twice")
        modifiers[name] = read_domain(match[2])
    return Record(tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"))


_parsed = lru_cache(maxsize=4096)(_parse)


def _mechanism(term: str) -> Mechanism:
    match = _MECHANISM.fullmatch(term)
    reader = _READERS.get(match[2].lower()) if match else None
    if match is None or reader is None:
        raise PermError(f"unknown term {term[:80]!r}")
    return reader(term, match[1] or "+", match[3])


def _all(term: str, qualifier: str, rest: str) -> Mechanism:
    if rest:
        raise PermError(f"{term[:80]!r} takes nothing")
    return Mechanism(term, qualifier, "all")


def _of_domain(name: str) -> Callable[[str, str, str], Mechanism]:
    """include, exists: a domain and nothing else."""

    def reader(term: str, qualifier: str, rest: str) -> Mechanism:
        if not rest.startswith(":"):
            raise PermError(f"{term[:80]!r} lacks a domain")
        return Mechanism(term, qualifier, name, read_domain(rest[1:]))

    return reader


def _ptr(term: str, qualifier: str, rest: str) -> Mechanism:
    if rest and not rest.startswith(":"):
        raise PermError(f"invalid term {term[:80]!r}")
    return Mechanism(term, qualifier, "ptr", read_domain(rest[1:]) if rest else None)


def _of_hosts(name: str) -> Callable[[str, str, str], Mechanism]:
    """a, mx: a domain or none, and prefix lengths or none."""

    def reader(term: str, qualifier: str, rest: str) -> Mechanism:
        at = _LENGTHS_AT_END.search(rest)
        cut = at.start() if at else len(rest)
        lengths = _LENGTHS.fullmatch(rest, cut)
        v4_bits = int(lengths[1] or 32) if lengths else -1
        v6_bits = int(lengths[2] or 128) if lengths else -1
        if not 0 <= v4_bits <= 32 or not 0 <= v6_bits <= 128 or (cut and rest[0] != ":"):
            raise PermError(f"invalid term {term[:80]!r}")
        domain = read_domain(rest[1:cut]) if cut else None
        return Mechanism(term, qualifier, name, domain, None, v4_bits, v6_bits)

    return reader


def _of_network(name: str, version: int) -> Callable[[str, str, str], Mechanism]:
    """ip4, ip6: an address, and a prefix length or none."""

    def reader(term: str, qualifier: str, rest: str) -> Mechanism:
        address, slash, length = rest[1:].partition("/")
        bits = 32 if version == 4 else 128
        try:
            ip = (ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(address)
        except ValueError:
            ip = None
        right = rest.startswith(":") and ip is not None and "%" not in address
        if right and slash:
            match = _LENGTHS.fullmatch("/" + length)
            right = match is not None and match[1] is not None and match[2] is None and int(match[1]) <= bits
            bits = int(length) if right else bits
        if not right:
            raise PermError(f"invalid term {term[:80]!r}")
        return Mechanism(term, qualifier, name, None, ipaddress.ip_network(f"{ip}/{bits}", strict=False))

    return reader


_READERS: dict[str, Callable[[str, str, str], Mechanism]] = {
    "all": _all,
    "include": _of_domain("include"),
    "exists": _of_domain("exists"),
    "ptr": _ptr,
    "a": _of_hosts("a"),
    "mx": _of_hosts("mx"),
    "ip4": _of_network("ip4", 4),
    "ip6": _of_network("ip6", 6),
}
