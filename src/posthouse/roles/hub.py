"""The hub of the bus, in the supervisor: passes each child's frames on to all the others.

Part of the supervisor's single-threaded selector loop. It unpacks only topics that begin with ``node``: these are for the
supervisor as well. A child that does not read loses its oldest waiting frames beyond 4 MiB; it is told how many by the topic
``lost``, so that it can drop what it has cached.
"""

from __future__ import annotations

import selectors
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from posthouse.base import log
from posthouse.interfaces.bus import Payload
from posthouse.protocols.bus import decode, encode, split

MAX_WAITING_BYTES = 4 << 20
OWN_TOPICS = "node"
_READ_BYTES = 262_144

_log = log.get("hub")

OnMessage = Callable[[str, str, Payload], None]
"""Called with the child's name, the topic and the payload."""


@dataclass(slots=True)
class _End:
    """One child's end. ``begun``: the first waiting piece is partly sent and cannot be dropped any more."""

    name: str
    sock: socket.socket
    incoming: bytearray = field(default_factory=bytearray)
    waiting: deque[bytes] = field(default_factory=deque)
    waiting_bytes: int = 0
    begun: bool = False
    lost: int = 0


class Hub:
    """``selector`` is the supervisor's; each key's data is a callable that takes the event mask."""

    def __init__(self, selector: selectors.BaseSelector, on_message: OnMessage) -> None:
        self._selector = selector
        self._on_message = on_message
        self._ends: dict[str, _End] = {}

    def attach(self, name: str, sock: socket.socket) -> None:
        """Takes over the hub's side of a child's socket pair."""
        sock.setblocking(False)
        end = _End(name, sock)
        self._ends[name] = end
        self._selector.register(sock, selectors.EVENT_READ, lambda mask: self._ready(end, mask))

    def detach(self, name: str) -> None:
        """Forgets a child, if it is known."""
        end = self._ends.pop(name, None)
        if end is not None:
            self._selector.unregister(end.sock)
            end.sock.close()

    def sockets(self) -> list[socket.socket]:
        """The hub's sides, which a new child must close."""
        return [end.sock for end in self._ends.values()]

    def broadcast(self, topic: str, payload: Payload) -> None:
        """To all children."""
        frame = encode(topic, payload)
        for end in list(self._ends.values()):
            self._give(end, frame)

    def _ready(self, end: _End, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._send(end)
        if mask & selectors.EVENT_READ:
            self._receive(end)

    def _receive(self, end: _End) -> None:
        try:
            data = end.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(end)
            return
        end.incoming += data
        before = bytes(end.incoming)
        try:
            frames = list(split(end.incoming))
        except ValueError:
            _log.error("broken-frame", process=end.name)
            self._drop(end)
            return
        if not frames:
            return
        whole = before[: len(before) - len(end.incoming)]
        for other in list(self._ends.values()):
            if other is not end:
                self._give(other, whole)
        for topic, body in frames:
            if topic.startswith(OWN_TOPICS):
                self._on_message(end.name, topic, decode(body))

    def _drop(self, end: _End) -> None:
        if self._ends.get(end.name) is end:
            self.detach(end.name)

    def _give(self, end: _End, piece: bytes) -> None:
        while end.waiting_bytes + len(piece) > MAX_WAITING_BYTES and len(end.waiting) > end.begun:
            oldest = end.waiting[int(end.begun)]
            del end.waiting[int(end.begun)]
            end.waiting_bytes -= len(oldest)
            end.lost += 1
        end.waiting.append(piece)
        end.waiting_bytes += len(piece)
        if len(end.waiting) == 1:
            self._send(end)

    def _send(self, end: _End) -> None:
        while end.waiting:
            piece = end.waiting[0]
            try:
                sent = end.sock.send(piece)
            except BlockingIOError:
                self._selector.modify(
                    end.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, self._selector.get_key(end.sock).data
                )
                return
            except OSError:
                self._drop(end)
                return
            end.waiting_bytes -= sent
            end.begun = sent < len(piece)
            if end.begun:
                end.waiting[0] = piece[sent:]
            else:
                end.waiting.popleft()
            if not end.waiting and end.lost:
                notice = encode("lost", {"pieces": end.lost})
                _log.warning("bus-overrun", process=end.name, pieces=end.lost)
                end.lost = 0
                end.waiting.append(notice)
                end.waiting_bytes += len(notice)
        self._selector.modify(end.sock, selectors.EVENT_READ, self._selector.get_key(end.sock).data)
