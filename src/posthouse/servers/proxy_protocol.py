"""The PROXY protocol's header, versions 1 and 2 (DEP-6), as a pure parser.

Source: "The PROXY protocol", HAProxy, sections 2.1 and 2.2. The header must stand first on the connection and is bounded
(108 octets in version 1; here 16 + 2,048 in version 2). Who may send it is the listener's affair.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1_MAX_BYTES = 107
V2_MAX_PAYLOAD_BYTES = 2048


class BadHeader(ValueError):
    """Not a PROXY header, or a malformed one."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """``source`` and ``destination`` are None when the balancer speaks for itself (LOCAL, UNKNOWN) or over no IP: then the
    connection's own ends count. ``size_bytes`` is the header's length on the wire."""

    source: tuple[str, int] | None
    destination: tuple[str, int] | None
    size_bytes: int


def parse(data: bytes) -> ProxyHeader | None:
    """The header at the start of ``data``; None while it is incomplete. Raises BadHeader."""
    if data.startswith(SIGNATURE[: len(data)]) and len(data) < len(SIGNATURE):
        return None
    if data.startswith(SIGNATURE):
        return _parse_v2(data)
    return _parse_v1(data)


def _parse_v1(data: bytes) -> ProxyHeader | None:
    if not b"PROXY ".startswith(data[:6]):
        raise BadHeader("no PROXY header")
    end = data.find(b"\r\n", 0, V1_MAX_BYTES)
    if end < 0:
        if len(data) >= V1_MAX_BYTES:
            raise BadHeader("PROXY line too long")
        return None
    try:
        words = data[:end].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise BadHeader("PROXY line is not ASCII") from None
    if len(words) >= 2 and words[1] == "UNKNOWN":
        return ProxyHeader(None, None, end + 2)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise BadHeader("malformed PROXY line")
    version = 4 if words[1] == "TCP4" else 6
    return ProxyHeader((_address(words[2], version), _port(words[4])), (_address(words[3], version), _port(words[5])), end + 2)


def _parse_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < 16:
        return None
    version_command, family, length = struct.unpack_from("!BBH", data, 12)
    if version_command not in (0x20, 0x21):
        raise BadHeader("unknown PROXY version or command")
    if length > V2_MAX_PAYLOAD_BYTES:
        raise BadHeader("PROXY header too long")
    if len(data) < 16 + length:
        return None
    size_bytes = 16 + length
    address_bytes = {0x11: 4, 0x21: 16}.get(family)
    if version_command == 0x20 or address_bytes is None:
        return ProxyHeader(None, None, size_bytes)
    if length < 2 * address_bytes + 4:
        raise BadHeader("PROXY addresses cut short")
    source = ipaddress.ip_address(data[16 : 16 + address_bytes])
    destination = ipaddress.ip_address(data[16 + address_bytes : 16 + 2 * address_bytes])
    source_port, destination_port = struct.unpack_from("!HH", data, 16 + 2 * address_bytes)
    return ProxyHeader((str(source), source_port), (str(destination), destination_port), size_bytes)


def _address(text: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise BadHeader("malformed address in PROXY line") from None
    if address.version != version:
        raise BadHeader("address of the wrong family in PROXY line")
    return str(address)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise BadHeader("malformed port in PROXY line")
    return int(text)
