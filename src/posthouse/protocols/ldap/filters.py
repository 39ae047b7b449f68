"""Search filters with places for an address, such as ``(|(mail=%s)(mailAlternateAddress=%s))`` (RFC 4515, RFC 4511 §4.5.1.7).

The filter is read first and values are put into it afterwards, as octets of one assertion: whatever a stranger's address
holds, it cannot become syntax. ``%s`` is the whole address, ``%u`` its local part, ``%d`` its domain, ``%%`` a percent sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from posthouse.protocols.ldap import ber

MAX_CHARS = 4_000
MAX_DEPTH = 20
_AND, _OR, _NOT = 0xA0, 0xA1, 0xA2
_EQUAL, _SUBSTRINGS, _GREATER, _LESS, _PRESENT, _APPROX, _EXTENSIBLE = 0xA3, 0xA4, 0xA5, 0xA6, 0x87, 0xA8, 0xA9
_COMPARED = {"": _EQUAL, ">": _GREATER, "<": _LESS, "~": _APPROX}
_ATTRIBUTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.;_-]*")
_ITEM = re.compile(r"(?P<attribute>[A-Za-z0-9.;_-]*)(?P<dn>:dn)?(?P<rule>:[A-Za-z0-9.-]+)?(?P<how>[:<>~]?)=(?P<value>[^()]*)")
_PIECE = re.compile(r"\\([0-9A-Fa-f]{2})|%([sud%])|(\*)|([^\\%*\0]+)")
_UNSAFE = re.compile(r"[\0-\x1f\\*()%\x7f]")

Piece = bytes | str
"""Octets as they are, or the letter of a place."""


class BadFilter(ValueError):
    """Not a filter; the text says why."""


@dataclass(frozen=True, slots=True)
class _Set:
    """All of, one of, or none of what is in it."""

    tag: int
    members: tuple[_Set | _Item, ...]

    def encoded(self, values: Mapping[str, bytes]) -> bytes:
        return ber.element(self.tag, *(member.encoded(values) for member in self.members))


@dataclass(frozen=True, slots=True)
class _Item:
    """One comparison. ``parts`` has one value but for substrings, which have two or more: the ends may be empty."""

    tag: int
    attribute: bytes
    parts: tuple[tuple[Piece, ...], ...] = ()
    rule: bytes = b""
    of_dn: bool = False

    def encoded(self, values: Mapping[str, bytes]) -> bytes:
        if self.tag == _PRESENT:
            return ber.octets(self.attribute, _PRESENT)
        filled = [b"".join(piece if isinstance(piece, bytes) else values[piece] for piece in part) for part in self.parts]
        if self.tag == _SUBSTRINGS:
            last = len(filled) - 1
            told = [
                ber.octets(value, 0x80 if place == 0 else 0x82 if place == last else 0x81)
                for place, value in enumerate(filled)
                if value
            ]
            return ber.element(self.tag, ber.octets(self.attribute), ber.element(ber.SEQUENCE, *told))
        if self.tag == _EXTENSIBLE:
            words = [ber.octets(self.rule, 0x81)] if self.rule else []
            words += [ber.octets(self.attribute, 0x82)] if self.attribute else []
            words += [ber.octets(filled[0], 0x83), ber.element(0x84, b"\xff" if self.of_dn else b"\0")]
            return ber.element(self.tag, *words)
        return ber.element(self.tag, ber.octets(self.attribute), ber.octets(filled[0]))


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was read; ``text`` is how it was written."""

    text: str
    root: _Set | _Item

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Raises BadFilter."""
        if len(text) > MAX_CHARS:
            raise BadFilter(f"a filter has at most {MAX_CHARS} characters")
        bare = text.strip()
        reading = _Reading(bare if bare.startswith("(") else f"({bare})")
        root = reading.one(0)
        if reading.at != len(reading.text):
            raise BadFilter("text after the last parenthesis")
        return cls(bare, root)

    def encoded(self, local: str, domain: str) -> bytes:
        """As it goes to the server, for one address."""
        return self.root.encoded(_values(local, domain))

    def spelled(self, local: str, domain: str) -> str:
        """As people and other programs may write it, for one address."""
        values = _values(local, domain)
        place = re.compile(r"%([sud%])")
        return place.sub(lambda m: "%" if m[1] == "%" else escaped(values[m[1]].decode("utf-8", "replace")), self.text)


def escaped(value: str) -> str:
    """``value`` as it stands in a filter's text (RFC 4515 §3)."""
    return _UNSAFE.sub(lambda match: f"\\{ord(match[0]):02x}", value)


def _values(local: str, domain: str) -> dict[str, bytes]:
    words = {"s": f"{local}@{domain}" if local else domain, "u": local, "d": domain}
    return {letter: word.encode("utf-8", "surrogateescape") for letter, word in words.items()}


class _Reading:
    """Where the reader is in a filter's text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def one(self, depth: int) -> _Set | _Item:
        if depth > MAX_DEPTH:
            raise BadFilter(f"more than {MAX_DEPTH} filters in one another")
        self._take("(")
        sign = self.text[self.at : self.at + 1]
        if sign in ("&", "|", "!"):
            self.at += 1
            members = []
            while self.text[self.at : self.at + 1] == "(":
                members.append(self.one(depth + 1))
            if sign == "!" and len(members) != 1:
                raise BadFilter("! has one filter after it")
            if not members:
                raise BadFilter(f"{sign} has at least one filter after it")
            self._take(")")
            return _Set({"&": _AND, "|": _OR, "!": _NOT}[sign], tuple(members))
        match = _ITEM.match(self.text, self.at)
        if match is None:
            raise BadFilter(f"no comparison at {self.text[self.at : self.at + 20]!r}")
        self.at = match.end()
        self._take(")")
        return _item(match)

    def _take(self, char: str) -> None:
        if self.text[self.at : self.at + 1] != char:
            raise BadFilter(f"{char} is missing at {self.text[self.at : self.at + 20]!r}")
        self.at += 1


def _item(match: re.Match[str]) -> _Item:
    attribute, how, parts = match["attribute"], match["how"], _parts(match["value"])
    if attribute and not _ATTRIBUTE.fullmatch(attribute):
        raise BadFilter(f"{attribute!r} is no attribute")
    name = attribute.encode()
    if how == ":":
        rule = (match["rule"] or "")[1:].encode()
        if len(parts) != 1 or not (rule or name):
            raise BadFilter("an extensible comparison has an attribute or a rule, and one value")
        return _Item(_EXTENSIBLE, name, parts, rule, match["dn"] is not None)
    if not attribute or match["dn"] or match["rule"]:
        raise BadFilter("a comparison has an attribute")
    if len(parts) == 1:
        return _Item(_COMPARED[how], name, parts)
    if how:
        raise BadFilter("* stands after = alone")
    return _Item(_SUBSTRINGS, name, parts) if any(parts) else _Item(_PRESENT, name)


def _parts(text: str) -> tuple[tuple[Piece, ...], ...]:
    """The value's pieces, in one list, or in several where there are asterisks."""
    parts: list[list[Piece]] = [[]]
    at = 0
    while at < len(text):
        match = _PIECE.match(text, at)
        if match is None:
            raise BadFilter(
                f"{text[at : at + 3]!r}: a backslash has two hexadecimal digits after it, a percent sign s, u, d or %"
            )
        at = match.end()
        if match[3]:
            parts.append([])
        elif match[1]:
            parts[-1].append(bytes.fromhex(match[1]))
        elif match[2]:
            parts[-1].append(b"%" if match[2] == "%" else match[2])
        else:
            parts[-1].append(match[4].encode("utf-8", "surrogateescape"))
    return tuple(map(tuple, parts))
