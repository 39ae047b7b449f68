"""A server that tells the time by NTP, and may tell it wrong."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def time_server(ahead_s: float) -> Iterator[str]:
    """Answers NTP as a server whose clock differs by so much; gives its address."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            query, peer = server.recvfrom(512)
            if query == b"stop":
                return
            now = time.time() + ahead_s + 2_208_988_800
            stamp = struct.pack(">II", int(now), int(now % 1 * 2**32))
            server.sendto(b"\x24\x01" + b"\0" * 22 + query[40:48] + stamp * 2, peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"stop", server.getsockname())
        thread.join(10)
        server.close()
