"""What a server knows of a peer before the first word: the one way from a connection to a ``Session``."""

from __future__ import annotations

from posthouse.model.session import Session
from posthouse.servers.connection import Connection


def peer_of(connection: Connection, connected_at: float) -> Session:
    """``connected_at`` in seconds since 1970. Addresses are the true ones (DEP-6)."""
    return Session(
        service=connection.service,
        client_address=connection.client_address,
        client_port=connection.client_port,
        server_address=connection.server_address,
        server_port=connection.server_port,
        connected_at=connected_at,
        tls=connection.tls,
    )
