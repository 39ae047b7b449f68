"""Reverse-path and forward-path of MAIL and RCPT (RFC 5321 §4.1.2, RFC 6531 §3.3).

Source routes are read and thrown away (§4.1.1.3, appendix C). Quoted local parts, address literals and the null path are
understood. Knows nothing of policy.
"""

from __future__ import annotations

import ipaddress

from posthouse.model.address import Address
from posthouse.protocols.smtp.replies import CommandRefused


def split_path(text: str) -> tuple[str, str]:
    """``<path> parameters`` cut into the path without its brackets, and the parameters. Raises CommandRefused.

    Spaces before ``<`` are tolerated, because many clients send one after the colon.
    """
    text = text.lstrip(" ")
    if not text.startswith("<"):
        raise CommandRefused(501, "5.1.7", "The address must stand in angle brackets")
    end = text.find(">")
    if '"' in text[:end]:
        end = _end_of_quoted(text)
    if end < 0:
        raise CommandRefused(501, "5.1.7", "The address has no closing bracket")
    rest = text[end + 1 :]
    if rest and not rest.startswith(" "):
        raise CommandRefused(501, "5.5.4", "A space must follow the address")
    return text[1:end], rest


def _end_of_quoted(text: str) -> int:
    """Where the ``>`` outside of quotes is; -1 if nowhere."""
    quoted = escaped = False
    for at, char in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == ">" and not quoted:
            return at
    return -1


def reverse_path(path: str) -> Address | None:
    """The sender; None for ``<>``. Raises CommandRefused (501 5.1.7)."""
    if not path:
        return None
    return _mailbox(path, "5.1.7")


def forward_path(path: str) -> Address:
    """A recipient; ``postmaster`` alone gives an address with an empty domain. Raises CommandRefused (501 5.1.3)."""
    if path.lower() == "postmaster":
        return Address(path, "")
    if not path:
        raise CommandRefused(501, "5.1.3", "A recipient cannot be empty")
    return _mailbox(path, "5.1.3")


def _mailbox(path: str, enhanced: str) -> Address:
    if path[0] == "@":
        path = _without_route(path, enhanced)
    try:
        address = Address.parse(path)
        if address.domain[:1] == "[":
            _check_literal(address.domain[1:-1])
    except ValueError as error:
        raise CommandRefused(501, enhanced, f"Malformed address: {error}") from None
    return address


def _without_route(path: str, enhanced: str) -> str:
    route, colon, mailbox = path.partition(":")
    if not colon or not mailbox or not all(len(hop) > 1 and hop[0] == "@" for hop in route.split(",")):
        raise CommandRefused(501, enhanced, "Malformed source route")
    return mailbox


def _check_literal(literal: str) -> None:
    """Only addresses of IPv4 and ``IPv6:`` exist in RFC 5321 §4.1.3. Raises ValueError."""
    if literal[:5].lower() == "ipv6:":
        ipaddress.IPv6Address(literal[5:])
    else:
        ipaddress.IPv4Address(literal)
