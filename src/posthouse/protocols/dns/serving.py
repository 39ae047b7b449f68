"""What an authoritative server is asked and answers (RFC 1035, RFC 6891, RFC 8482): queries in, replies out.

``read_query`` takes octets from anyone: it gives a query, a reply that refuses them, or nothing where silence is the only safe
answer (too short, or itself a reply: two servers must never talk to each other for ever).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from posthouse.protocols.dns.messages import (
    ANY,
    FORMAT_ERROR,
    IN,
    NOT_IMPLEMENTED,
    NS,
    OPT,
    SOA,
    TXT,
    UDP_BYTES,
    A,
)
from posthouse.protocols.dns.names import BadName, labels_at, to_wire

BAD_VERSION = 16
LEAST_UDP_BYTES = 512
MAX_ADDITIONAL = 8
_QR, _AA, _TC, _RD = 0x8000, 0x0400, 0x0200, 0x0100
_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")


@dataclass(frozen=True, slots=True)
class Query:
    """``labels`` are of the name, in lower case; ``asked`` the question as it came, for the reply. ``udp_bytes`` is what the
    client takes over UDP, 0 if it knows no EDNS."""

    number: int
    recursion: bool
    asked: bytes
    labels: tuple[bytes, ...]
    kind: int
    group: int
    udp_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Zone:
    """What the zone says of itself. ``origin`` are its labels, ``host`` the name server, ``contact`` who answers for it, as
    names on the wire."""

    origin: tuple[bytes, ...]
    host: bytes
    contact: bytes
    serial: int
    ttl_s: int
    absence_ttl_s: int


def read_query(octets: bytes) -> Query | bytes | None:
    """A query; the octets of a reply that refuses them; None for silence."""
    if len(octets) < _HEADER.size:
        return None
    number, flags, questions, answers, authorities, additional = _HEADER.unpack_from(octets)
    if flags & _QR:
        return None
    recursion = bool(flags & _RD)
    if flags & 0x7800:
        return _bare(number, flags, NOT_IMPLEMENTED)
    if questions != 1 or answers or authorities or additional > MAX_ADDITIONAL:
        return _bare(number, flags, FORMAT_ERROR)
    try:
        labels, at = labels_at(octets, _HEADER.size)
        kind, group = struct.unpack_from("!HH", octets, at)
        asked = octets[_HEADER.size : at + 4]
        if sum(len(label) + 1 for label in labels) + 1 != at - _HEADER.size:
            raise BadName("a compressed question")
        query = Query(number, recursion, asked, tuple(label.lower() for label in labels), kind, group)
        return _with_edns(query, octets, at + 4, additional)
    except (BadName, struct.error):
        return _bare(number, flags, FORMAT_ERROR)


def _with_edns(query: Query, octets: bytes, at: int, additional: int) -> Query | bytes:
    """Raises BadName, struct.error."""
    udp_bytes = 0
    for _ in range(additional):
        labels, at = labels_at(octets, at)
        kind, size, terms, length = _FIXED.unpack_from(octets, at)
        at += _FIXED.size + length
        if at > len(octets):
            raise BadName("a record runs out of the message")
        if kind == OPT:
            if labels or udp_bytes:
                raise BadName("an OPT record out of place")
            udp_bytes = max(LEAST_UDP_BYTES, size)
            if terms >> 16 & 0xFF:
                known = Query(query.number, query.recursion, query.asked, query.labels, query.kind, query.group, udp_bytes)
                return _render(known, BAD_VERSION, (), ())
    return Query(query.number, query.recursion, query.asked, query.labels, query.kind, query.group, udp_bytes)


def refused(query: Query, code: int) -> bytes:
    """A reply without records, for what is not ours to answer."""
    return _render(query, code, (), (), authoritative=False)


def cut(query: Query) -> bytes:
    """An empty reply with TC: ask again over TCP."""
    return _render(query, 0, (), (), truncated=True)


def listing(query: Query, zone: Zone, address: str, text: str) -> bytes:
    """The name is listed: its A record, its TXT record, or that it has no such record. ANY gets A alone (RFC 8482 §4.1)."""
    if query.kind in (A, ANY):
        return _render(query, 0, (_record(A, zone.ttl_s, IPv4Address(address).packed),), ())
    if query.kind == TXT:
        octets = text.encode("ascii", "replace")[:255]
        return _render(query, 0, (_record(TXT, zone.ttl_s, bytes((len(octets),)) + octets),), ())
    return absence(query, zone, 0)


def apex(query: Query, zone: Zone) -> bytes:
    """The zone's own name: SOA and NS."""
    if query.kind in (SOA, ANY):
        return _render(query, 0, (_soa(query, zone, zone.ttl_s),), ())
    if query.kind == NS:
        return _render(query, 0, (_record(NS, zone.ttl_s, zone.host),), ())
    return absence(query, zone, 0)


def absence(query: Query, zone: Zone, code: int) -> bytes:
    """No such name, or (code 0) no such record, with the SOA that says how long that holds (RFC 2308 §3)."""
    return _render(query, code, (), (_soa(query, zone, zone.absence_ttl_s),))


def fitting(reply: bytes, query: Query) -> bytes:
    """The reply as it goes over UDP: what does not fit becomes an empty one with TC."""
    limit = min(query.udp_bytes, UDP_BYTES) if query.udp_bytes else LEAST_UDP_BYTES
    return reply if len(reply) <= limit else cut(query)


def zone_of(name: str, host: str, serial: int, ttl_s: int, absence_ttl_s: int) -> Zone:
    """Raises BadName."""
    origin = tuple(label.lower() for label in labels_at(to_wire(name), 0)[0])
    return Zone(origin, to_wire(host), to_wire(f"hostmaster.{host}"), serial & 0xFFFFFFFF, ttl_s, absence_ttl_s)


def _soa(query: Query, zone: Zone, ttl_s: int) -> bytes:
    above = sum(len(label) + 1 for label in query.labels[: len(query.labels) - len(zone.origin)])
    times = struct.pack("!IIIII", zone.serial, 3600, 600, 86_400, zone.absence_ttl_s)
    return _record(SOA, ttl_s, zone.host + zone.contact + times, _HEADER.size + above)


def _record(kind: int, ttl_s: int, data: bytes, owner_at: int = _HEADER.size) -> bytes:
    return struct.pack("!H", 0xC000 | owner_at) + _FIXED.pack(kind, IN, ttl_s, len(data)) + data


def _bare(number: int, flags: int, code: int) -> bytes:
    return _HEADER.pack(number, _QR | flags & (0x7800 | _RD) | code, 0, 0, 0, 0)


def _render(
    query: Query,
    code: int,
    answers: tuple[bytes, ...],
    authority: tuple[bytes, ...],
    *,
    authoritative: bool = True,
    truncated: bool = False,
) -> bytes:
    flags = _QR | (_AA if authoritative else 0) | (_TC if truncated else 0) | (_RD if query.recursion else 0) | code & 0x0F
    edns = b""
    if query.udp_bytes:
        edns = b"\0" + _FIXED.pack(OPT, UDP_BYTES, code >> 4 << 24, 0)
    head = _HEADER.pack(query.number, flags, 1, len(answers), len(authority), 1 if edns else 0)
    return b"".join((head, query.asked, *answers, *authority, edns))
