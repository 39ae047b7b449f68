"""A bus inside one process, for tests and single-process tools. Several ends of one ``MemoryHub`` act as processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from posthouse.interfaces.bus import Handler, Payload


class MemoryHub:
    """Ties ``MemoryBus`` ends together."""

    def __init__(self) -> None:
        self.ends: list[MemoryBus] = []

    def bus(self) -> MemoryBus:
        """One more process's end."""
        end = MemoryBus(self)
        self.ends.append(end)
        return end


class MemoryBus:
    """One process's end; alone when made without a hub."""

    def __init__(self, hub: MemoryHub | None = None) -> None:
        self._hub = hub
        self._handlers: dict[str, list[Handler]] = {}

    def publish(self, topic: str, payload: Payload) -> None:
        """As ``Bus.publish``; payloads are copied as a wire would."""
        body = msgspec.msgpack.encode(payload)
        loop = asyncio.get_running_loop()
        for end in self._hub.ends if self._hub else (self,):
            loop.call_soon(end.receive, topic, body)

    def subscribe(self, topic: str, handler: Handler) -> Callable[[], None]:
        """As ``Bus.subscribe``."""
        self._handlers.setdefault(topic, []).append(handler)

        def unsubscribe() -> None:
            if handler in self._handlers.get(topic, ()):
                self._handlers[topic].remove(handler)

        return unsubscribe

    def deliver(self, topic: str, payload: Payload) -> None:
        """As ``Bus.deliver``."""
        for handler in list(self._handlers.get(topic, ())):
            handler(payload)

    def receive(self, topic: str, body: bytes) -> None:
        """Calls the handlers of this end."""
        self.deliver(topic, msgspec.msgpack.decode(body, type=dict[str, object]))
