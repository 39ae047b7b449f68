"""Opens the listening sockets of a node, once, in the supervisor; all workers accept on them.

The block list zone is served over UDP too: its second socket has the name ``dnsbl-udp`` and the same port.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from posthouse.roles.config import Address, ConfigError

BACKLOG = 1024
DNSBL, DNSBL_UDP = "dnsbl", "dnsbl-udp"
MAX_TRIES = 50


def open_all(listen: Mapping[str, Address]) -> dict[str, socket.socket]:
    """One socket per service, in order, listening already. Raises ConfigError naming the service that cannot be bound."""
    opened: dict[str, socket.socket] = {}
    for service, address in listen.items():
        try:
            if service == DNSBL:
                opened[DNSBL], opened[DNSBL_UDP] = _open_both(address)
            else:
                opened[service] = _open(address)
        except OSError as error:
            for sock in opened.values():
                sock.close()
            raise ConfigError(f"listen.{service}: cannot listen on {address}: {error.strerror or error}") from None
    return opened


def _open(address: Address) -> socket.socket:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, name = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6 and address.host != "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind(name)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _open_both(address: Address) -> tuple[socket.socket, socket.socket]:
    """TCP and UDP on the same port; if any port will do, one that is free for both."""
    for _ in range(MAX_TRIES):
        tcp = _open(address)
        udp = socket.socket(tcp.family, socket.SOCK_DGRAM)
        try:
            if tcp.family == socket.AF_INET6 and address.host != "::":
                udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            udp.setblocking(False)
            udp.bind(tcp.getsockname())
        except OSError as error:
            failure = error
            tcp.close()
            udp.close()
            if address.port:
                break
            continue
        return tcp, udp
    raise failure


def bound(sock: socket.socket) -> str:
    """``address:port`` as bound."""
    name = sock.getsockname()
    return str(Address(name[0], name[1]))
