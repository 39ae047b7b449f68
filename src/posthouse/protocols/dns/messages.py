"""What a stub resolver asks and is answered (RFC 1035 §4, RFC 6891, RFC 2308): questions out, answers in.

An answer is believed only if it is one to our question: the same number, the same name and type. Records count only if they
belong to the name asked for or to where its CNAMEs lead; all else in the message is passed over. Reading is bounded in records
and in hops, so that an answer of 64 KiB costs no more than the part of it that anyone can want.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from posthouse.protocols.dns.names import BadName, labels_at, to_text, to_wire

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, OPT, TLSA, ANY = 1, 2, 5, 6, 12, 15, 16, 28, 41, 52, 255
TYPES = {"A": A, "NS": NS, "CNAME": CNAME, "SOA": SOA, "PTR": PTR, "MX": MX, "TXT": TXT, "AAAA": AAAA, "TLSA": TLSA}
IN = 1
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = range(6)
UDP_BYTES = 1232
"""What we take over UDP: fits every path without fragments (DNS flag day 2020)."""
MAX_RECORDS = 256
"""Records of a message that are looked at; the rest is passed over."""
MAX_ALIASES = 8
_QR, _TC, _AD = 0x8000, 0x0200, 0x0020
_RD_AD = 0x0120
_HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HHIH")
_OPT_RECORD = b"\0" + struct.pack("!HHIH", OPT, UDP_BYTES, 0, 0)

Value = str | bytes | tuple[int, str] | tuple[int, int, int, bytes]
"""A and AAAA: address as text; MX: preference and host; TXT: octets, all strings in one; TLSA: its four fields; names as text,
"" for the root; SOA: "" only."""


class BadMessage(ValueError):
    """An answer to the question that is broken."""


class NotAnAnswer(BadMessage):
    """No DNS message, or not an answer to the question: somebody else's, or a guess."""


@dataclass(frozen=True, slots=True)
class Question:
    """``name`` on the wire. Raises BadName when made by ``Question.of`` from what cannot be a name."""

    name: bytes
    kind: int

    @classmethod
    def of(cls, name: str, kind: str) -> Question:
        return cls(to_wire(name), TYPES[kind])

    def message(self, number: int) -> bytes:
        """The query: recursion wanted, AD understood (RFC 6840 §5.7), EDNS."""
        head = _HEADER.pack(number, _RD_AD, 1, 0, 0, 1)
        return head + self.name + struct.pack("!HH", self.kind, IN) + _OPT_RECORD


@dataclass(frozen=True, slots=True)
class Answer:
    """``exists`` is False for NXDOMAIN. ``ttl_s`` is how long it may be kept, absence by the zone's SOA (RFC 2308 §5); 0: not
    at all. ``authentic``: the AD bit. ``truncated``: ask again over TCP. ``code`` is the response code."""

    code: int
    values: tuple[Value, ...]
    ttl_s: int
    exists: bool = True
    authentic: bool = False
    truncated: bool = False


def read_answer(wire: bytes, number: int, question: Question) -> Answer:
    """Raises NotAnAnswer, BadMessage."""
    if len(wire) < _HEADER.size:
        raise NotAnAnswer("too short")
    got, flags, questions, answers, authorities, _ = _HEADER.unpack_from(wire)
    if got != number or not flags & _QR or flags & 0x7800:
        raise NotAnAnswer("not an answer to this question")
    code = flags & 0x0F
    at = _HEADER.size
    if questions == 0 and code not in (NO_ERROR, NO_SUCH_NAME):
        return Answer(code, (), 0)
    end = at + len(question.name)
    asked = struct.pack("!HH", question.kind, IN)
    if questions != 1 or wire[at:end].lower() != question.name.lower() or wire[end : end + 4] != asked:
        raise NotAnAnswer("the answer is to another question")
    authentic, truncated = bool(flags & _AD), bool(flags & _TC)
    if truncated or code not in (NO_ERROR, NO_SUCH_NAME):
        return Answer(code, (), 0, authentic=authentic, truncated=truncated)
    try:
        reader = _Reader(wire, end + 4)
        values, ttl_s = _chosen(reader.records(answers), question)
        if not values:
            ttl_s = reader.absence_ttl_s(authorities)
    except (BadName, struct.error) as error:
        raise BadMessage(str(error)) from None
    return Answer(code, values, ttl_s, exists=code == NO_ERROR, authentic=authentic)


@dataclass(frozen=True, slots=True)
class _Record:
    owner: bytes
    kind: int
    ttl_s: int
    at: int
    end: int
    wire: bytes

    @property
    def data(self) -> bytes:
        return self.wire[self.at : self.end]


class _Reader:
    """Reads records one after the other."""

    def __init__(self, wire: bytes, at: int) -> None:
        self._wire = wire
        self._at = at
        self._left = MAX_RECORDS

    def records(self, count: int) -> list[_Record]:
        """The next ``count`` records, or as many as may be looked at."""
        found = []
        for _ in range(count):
            if self._left <= 0:
                break
            self._left -= 1
            labels, at = labels_at(self._wire, self._at)
            kind, group, ttl_s, size = _FIXED.unpack_from(self._wire, at)
            start = at + _FIXED.size
            self._at = start + size
            if self._at > len(self._wire):
                raise BadName("a record runs out of the message")
            if group == IN and ttl_s < 1 << 31:
                found.append(_Record(_key(labels), kind, ttl_s, start, self._at, self._wire))
        return found

    def absence_ttl_s(self, count: int) -> int:
        """How long the zone lets absence be kept: the lesser of its SOA record's time and of the minimum in it."""
        for record in self.records(min(count, 16)):
            if record.kind == SOA and record.end - record.at >= 22:
                minimum = int.from_bytes(record.wire[record.end - 4 : record.end])
                return min(record.ttl_s, minimum)
        return 0


def _chosen(records: list[_Record], question: Question) -> tuple[tuple[Value, ...], int]:
    """The values for the name, along its CNAMEs, and how long they hold."""
    owner = question.name.lower()
    ttl_s = 1 << 31
    aliases = {record.owner: record for record in records if record.kind == CNAME} if question.kind != CNAME else {}
    for _ in range(MAX_ALIASES):
        alias = aliases.get(owner)
        if alias is None:
            break
        owner = _key(labels_at(alias.wire, alias.at)[0])
        ttl_s = min(ttl_s, alias.ttl_s)
    values: list[Value] = []
    for record in records:
        if record.kind == question.kind and record.owner == owner:
            value = _value(record)
            if value is not None:
                values.append(value)
                ttl_s = min(ttl_s, record.ttl_s)
    return tuple(values), ttl_s if values else 0


def _key(labels: list[bytes]) -> bytes:
    """Owner names as they are compared: on the wire, uncompressed, in lower case."""
    return b"".join([bytes((len(label),)) + label for label in labels]).lower() + b"\0"


def _value(record: _Record) -> Value | None:
    """None for data that does not fit its type."""
    data = record.data
    if record.kind == A:
        return str(IPv4Address(data)) if len(data) == 4 else None
    if record.kind == AAAA:
        return str(IPv6Address(data)) if len(data) == 16 else None
    if record.kind == MX:
        return (int.from_bytes(data[:2]), _name(record, 2)) if len(data) >= 3 else None
    if record.kind == TXT:
        return _strings(data)
    if record.kind == TLSA:
        return (data[0], data[1], data[2], data[3:]) if len(data) > 3 else None
    if record.kind == SOA:
        return ""
    return _name(record, 0)


def _name(record: _Record, skip: int) -> str:
    labels, _ = labels_at(record.wire, record.at + skip)
    return to_text(labels).lower()


def _strings(data: bytes) -> bytes | None:
    """All character strings of a TXT record in one."""
    out = bytearray()
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        if end > len(data):
            return None
        out += data[at + 1 : end]
        at = end
    return bytes(out)
