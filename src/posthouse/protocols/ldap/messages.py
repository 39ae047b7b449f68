"""The messages of LDAP that a client which looks things up sends and reads (RFC 4511 §4).

Bind by name and password, StartTLS, search, abandon, unbind. What comes in is bounded by whoever frames it; attribute names
come out in lower case, since they are compared so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from posthouse.protocols.ldap import ber

Scope = Literal["base", "one", "sub"]
START_TLS = b"1.3.6.1.4.1.1466.20037"
_SCOPES: dict[Scope, int] = {"base": 0, "one": 1, "sub": 2}
_BIND, _BOUND, _UNBIND, _SEARCH, _ENTRY, _DONE, _REFERENCE = 0x60, 0x61, 0x42, 0x63, 0x64, 0x65, 0x73
_ABANDON, _EXTENDED, _EXTENDED_DONE = 0x50, 0x77, 0x78
_RESULTS = (_BOUND, _DONE, _EXTENDED_DONE)

SUCCESS, TIME_LIMIT, SIZE_LIMIT, NO_SUCH_OBJECT, INVALID_CREDENTIALS = 0, 3, 4, 32, 49
_CODES = {
    1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 4: "sizeLimitExceeded", 8: "strongerAuthRequired",
    10: "referral", 11: "adminLimitExceeded", 13: "confidentialityRequired", 32: "noSuchObject", 34: "invalidDNSyntax",
    48: "inappropriateAuthentication", 49: "invalidCredentials", 50: "insufficientAccessRights", 51: "busy", 52: "unavailable",
    53: "unwillingToPerform", 80: "other",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Search:
    """``filter`` is encoded already; ``attributes`` are those that are wanted; ``most`` entries at most, 0: as many as there
    are; ``time_limit_s`` is the server's."""

    base: bytes
    filter: bytes
    attributes: Sequence[str]
    scope: Scope = "sub"
    most: int = 0
    time_limit_s: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One that was found: its name, and its attributes' values by name in lower case."""

    dn: bytes
    attributes: Mapping[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Result:
    """How a request ended (RFC 4511 §4.1.9)."""

    code: int
    message: str

    def __str__(self) -> str:
        name = _CODES.get(self.code, f"result {self.code}")
        return f"{name}: {self.message}" if self.message else name


@dataclass(frozen=True, slots=True)
class Reference:
    """Elsewhere there may be more; not followed (RFC 4511 §4.5.3)."""


@dataclass(frozen=True, slots=True)
class Message:
    """What the server said about a request. Number 0: about the connection, which it will close (§4.4)."""

    number: int
    said: Entry | Reference | Result


def bind(number: int, dn: str, password: str) -> bytes:
    """Who we are, in clear: over TLS, or where that does not matter. Empty both: nobody."""
    simple = ber.octets(password.encode(), 0x80)
    return _message(number, ber.element(_BIND, ber.integer(3), ber.octets(dn.encode()), simple))


def unbind(number: int) -> bytes:
    """The end; has no answer."""
    return _message(number, ber.element(_UNBIND))


def abandon(number: int, which: int) -> bytes:
    """The answer to request ``which`` is not wanted any more; has no answer."""
    return _message(number, ber.integer(which, _ABANDON))


def start_tls(number: int) -> bytes:
    """RFC 4511 §4.14."""
    return _message(number, ber.element(_EXTENDED, ber.octets(START_TLS, 0x80)))


def search(number: int, wanted: Search) -> bytes:
    """RFC 4511 §4.5.1; aliases are not followed."""
    names = [ber.octets(name.encode()) for name in wanted.attributes]
    return _message(
        number,
        ber.element(
            _SEARCH,
            ber.octets(wanted.base),
            ber.integer(_SCOPES[wanted.scope], ber.ENUMERATED),
            ber.integer(0, ber.ENUMERATED),
            ber.integer(wanted.most),
            ber.integer(wanted.time_limit_s),
            ber.boolean(value=False),
            wanted.filter,
            ber.element(ber.SEQUENCE, *names),
        ),
    )


def _message(number: int, operation: bytes) -> bytes:
    return ber.element(ber.SEQUENCE, ber.integer(number), operation)


def read(octets: bytes) -> Message:
    """The message that ``octets``, one whole element, are. Raises ber.Malformed."""
    found = list(ber.elements(octets))
    parts = list(ber.elements(found[0][1])) if len(found) == 1 and found[0][0] == ber.SEQUENCE else []
    if len(parts) < 2 or parts[0][0] != ber.INTEGER:
        raise ber.Malformed("no LDAP message")
    number, (operation, body) = ber.number(parts[0][1]), parts[1]
    if operation == _ENTRY:
        return Message(number, _entry(body))
    if operation == _REFERENCE:
        return Message(number, Reference())
    if operation in _RESULTS:
        return Message(number, _result(body))
    raise ber.Malformed(f"an operation {operation:#x} that no client is told of")


def _entry(body: bytes) -> Entry:
    parts = list(ber.elements(body))
    if len(parts) < 2:
        raise ber.Malformed("an entry without a name or attributes")
    found: dict[str, tuple[bytes, ...]] = {}
    for _, attribute in ber.elements(parts[1][1]):
        words = list(ber.elements(attribute))
        if len(words) < 2:
            raise ber.Malformed("an attribute without a name or values")
        name = words[0][1].decode("utf-8", "replace").lower()
        found[name] = tuple(value for _, value in ber.elements(words[1][1]))
    return Entry(parts[0][1], found)


def _result(body: bytes) -> Result:
    parts = list(ber.elements(body))
    if len(parts) < 3 or parts[0][0] != ber.ENUMERATED:
        raise ber.Malformed("a result without a code")
    said = parts[2][1][:300].decode("utf-8", "replace")
    return Result(ber.number(parts[0][1]), "".join(char if char.isprintable() else " " for char in said).strip())
