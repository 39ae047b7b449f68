"""``interfaces.bus.Bus``: one suite for the bus in memory and the one over sockets with the supervisor's hub."""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import cast

import pytest

from posthouse.backends.bus import SocketBus
from posthouse.backends.memory.bus import MemoryHub
from posthouse.interfaces.bus import Bus, Payload
from posthouse.roles.hub import Hub


@contextmanager
def hub_in_a_thread() -> Iterator[Callable[[str], socket.socket]]:
    """A running hub, as in the supervisor; gives a function that makes a child's end."""
    selector = selectors.DefaultSelector()
    hub = Hub(selector, lambda name, topic, payload: None)
    stop_here, stop_there = socket.socketpair()
    running = True
    ends: list[tuple[str, socket.socket]] = []

    def control(_mask: int) -> None:
        nonlocal running
        for octet in stop_here.recv(100):
            if octet == ord("q"):
                running = False
            else:
                hub.attach(*ends.pop(0))

    def loop() -> None:
        while running:
            for key, mask in selector.select():
                key.data(mask)

    selector.register(stop_here, selectors.EVENT_READ, control)
    thread = threading.Thread(target=loop)
    thread.start()

    def make(name: str) -> socket.socket:
        ours, theirs = socket.socketpair()
        ends.append((name, ours))
        stop_there.send(b"a")
        return theirs

    try:
        yield make
    finally:
        stop_there.send(b"q")
        thread.join(5)
        for sock in (*hub.sockets(), stop_here, stop_there):
            sock.close()
        selector.close()


@asynccontextmanager
async def ends(kind: str, count: int) -> AsyncIterator[list[Bus]]:
    if kind == "memory":
        hub = MemoryHub()
        yield [hub.bus() for _ in range(count)]
        return
    with hub_in_a_thread() as make:
        buses = [SocketBus(make(f"child-{number}"), on_lost=lambda: None) for number in range(count)]
        yield list(buses)
        for bus in buses:
            bus.close()


KINDS = pytest.mark.parametrize("kind", ["memory", "sockets"])


class Heard:
    """Collects what a subscriber gets."""

    def __init__(self) -> None:
        self.payloads: list[Payload] = []
        self._more = asyncio.Event()

    def __call__(self, payload: Payload) -> None:
        self.payloads.append(payload)
        self._more.set()

    async def wait_for(self, count: int) -> list[Payload]:
        async with asyncio.timeout(60):
            while len(self.payloads) < count:
                self._more.clear()
                await self._more.wait()
        return self.payloads


@KINDS
async def test_a_message_reaches_every_process_the_sender_included_exactly_once(kind: str) -> None:
    async with ends(kind, 3) as buses:
        heard = [Heard() for _ in buses]
        for bus, one in zip(buses, heard, strict=True):
            bus.subscribe("mailbox", one)
        buses[0].publish("mailbox", {"mailbox_id": 7, "mod_seq": 1 << 40})
        buses[0].publish("mailbox", {"mailbox_id": 8, "mod_seq": 2})
        for one in heard:
            assert [payload["mailbox_id"] for payload in await one.wait_for(2)] == [7, 8]
        assert all(len(one.payloads) == 2 for one in heard)


@KINDS
async def test_messages_of_one_sender_come_in_order(kind: str) -> None:
    async with ends(kind, 2) as buses:
        heard = Heard()
        buses[1].subscribe("numbers", heard)
        for number in range(5000):
            buses[0].publish("numbers", {"n": number})
            if number % 100 == 0:
                await asyncio.sleep(0)
        assert [payload["n"] for payload in await heard.wait_for(5000)] == list(range(5000))


@KINDS
async def test_publish_calls_nobody_before_it_returns(kind: str) -> None:
    async with ends(kind, 1) as (bus,):
        heard = Heard()
        bus.subscribe("topic", heard)
        bus.publish("topic", {})
        assert heard.payloads == []
        await heard.wait_for(1)


@KINDS
async def test_only_the_topic_asked_for_comes_until_unsubscribed(kind: str) -> None:
    async with ends(kind, 2) as buses:
        one, other = Heard(), Heard()
        unsubscribe = buses[1].subscribe("one", one)
        buses[1].subscribe("other", other)
        buses[0].publish("one", {"n": 1})
        await one.wait_for(1)
        unsubscribe()
        unsubscribe()
        buses[0].publish("one", {"n": 2})
        buses[0].publish("other", {"n": 3})
        await other.wait_for(1)
        assert [payload["n"] for payload in one.payloads] == [1]


@KINDS
async def test_payloads_arrive_as_the_wire_makes_them_everywhere(kind: str) -> None:
    async with ends(kind, 2) as buses:
        heard = [Heard(), Heard()]
        for bus, one in zip(buses, heard, strict=True):
            bus.subscribe("shapes", one)
        buses[0].publish("shapes", {"text": "Grüße", "octets": b"\0\xff", "list": (1, 2.5, None, True), "map": {"a": "b"}})
        expected = {"text": "Grüße", "octets": b"\0\xff", "list": [1, 2.5, None, True], "map": {"a": "b"}}
        for one in heard:
            assert await one.wait_for(1) == [expected]


@KINDS
async def test_large_messages_pass_whole(kind: str) -> None:
    async with ends(kind, 2) as buses:
        heard = Heard()
        buses[1].subscribe("large", heard)
        for number in range(3):
            buses[0].publish("large", {"octets": bytes([number]) * 1_000_000})
        payloads = await heard.wait_for(3)
        assert [payload["octets"] for payload in payloads] == [bytes([number]) * 1_000_000 for number in range(3)]


async def test_a_child_that_does_not_read_loses_the_oldest_and_is_told() -> None:
    with hub_in_a_thread() as make:
        sender = SocketBus(make("sender"), on_lost=lambda: None)
        slow_end = make("slow")
        for number in range(40):
            sender.publish("flood", {"n": number, "octets": b"x" * 500_000})
            async with asyncio.timeout(60):
                while sender._outgoing:
                    await asyncio.sleep(0.001)
        slow = SocketBus(slow_end, on_lost=lambda: None)
        flood, lost = Heard(), Heard()
        slow.subscribe("flood", flood)
        slow.subscribe("lost", lost)
        await lost.wait_for(1)
        async with asyncio.timeout(60):
            while flood.payloads[-1]["n"] != 39:
                await flood.wait_for(len(flood.payloads) + 1)
        numbers = [cast(int, payload["n"]) for payload in flood.payloads]
        assert numbers == sorted(numbers)
        assert 5 <= len(numbers) < 40
        sender.close()
        slow.close()


async def test_a_lost_hub_is_told_once_and_publishing_goes_on_harmlessly() -> None:
    ours, theirs = socket.socketpair()
    lost: list[bool] = []
    bus = SocketBus(theirs, on_lost=lambda: lost.append(True))
    ours.close()
    async with asyncio.timeout(60):
        while not lost:
            await asyncio.sleep(0.001)
    bus.publish("anything", {"n": 1})
    await asyncio.sleep(0)
    assert lost == [True]


async def test_a_subscriber_that_fails_keeps_the_message_from_no_one() -> None:
    async with ends("sockets", 1) as (bus,):
        heard = Heard()

        def bad(_: Payload) -> None:
            raise RuntimeError("a fault")

        bus.subscribe("topic", bad)
        bus.subscribe("topic", heard)
        bus.publish("topic", {"n": 1})
        await heard.wait_for(1)
