"""The bus between the processes of a node: one stream socket to the hub in the supervisor, which passes frames on.

Frames are those of ``protocols.bus``. Frames of one turn of the loop leave in one write. At most once: what the socket
cannot take beyond 4 MiB is dropped and counted.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from posthouse.base import log
from posthouse.interfaces.bus import Handler, Payload
from posthouse.protocols.bus import body_of, decode, encode, split

MAX_WAITING_BYTES = 4 << 20
_READ_BYTES = 262_144

_log = log.get("bus")


class SocketBus:
    """One process's end. To be made on its loop; every method is for the loop's own thread."""

    def __init__(self, sock: socket.socket, on_lost: Callable[[], None]) -> None:
        """``on_lost`` is called once when the hub is gone."""
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._socket.setblocking(False)
        self._on_lost = on_lost
        self._handlers: dict[str, list[Handler]] = {}
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._send_due = False
        self._open = True
        self.dropped = 0
        self._loop.add_reader(self._socket, self._readable)

    def publish(self, topic: str, payload: Payload) -> None:
        """As ``Bus.publish``. Own handlers get what the others get: a decoded copy."""
        frame = encode(topic, payload)
        if topic in self._handlers:
            self._loop.call_soon(self._receive, topic, body_of(frame))
        if not self._open:
            return
        if len(self._outgoing) + len(frame) > MAX_WAITING_BYTES:
            self.dropped += 1
            return
        self._outgoing += frame
        if not self._send_due:
            self._send_due = True
            self._loop.call_soon(self._send)

    def deliver(self, topic: str, payload: Payload) -> None:
        """As ``Bus.deliver``."""
        for handler in self._handlers.get(topic, ()):
            try:
                handler(payload)
            except Exception:  # noqa: BLE001 - one subscriber's fault must not keep the message from the others
                _log.exception("subscriber-failed", topic=topic)

    def subscribe(self, topic: str, handler: Handler) -> Callable[[], None]:
        """As ``Bus.subscribe``."""
        self._handlers[topic] = [*self._handlers.get(topic, ()), handler]

        def unsubscribe() -> None:
            rest = [one for one in self._handlers.get(topic, ()) if one is not handler]
            if rest:
                self._handlers[topic] = rest
            else:
                self._handlers.pop(topic, None)

        return unsubscribe

    def close(self) -> None:
        """Sends what is waiting as far as it goes, and leaves."""
        if self._open:
            self._send()
            self._leave()

    def _leave(self) -> None:
        self._open = False
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def _send(self) -> None:
        self._send_due = False
        if not self._open or not self._outgoing:
            return
        try:
            sent = self._socket.send(self._outgoing)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._gone()
            return
        del self._outgoing[:sent]
        if self._outgoing:
            self._send_due = True
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        self._loop.remove_writer(self._socket)
        self._send()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._gone()
            return
        self._incoming += data
        try:
            for topic, body in split(self._incoming):
                if topic in self._handlers:
                    self._receive(topic, body)
        except ValueError:
            self._gone()

    def _gone(self) -> None:
        if self._open:
            self._leave()
            self._on_lost()

    def _receive(self, topic: str, body: bytes) -> None:
        self.deliver(topic, decode(body))
