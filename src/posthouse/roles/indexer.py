"""The indexer process: makes the full-text index in the background, so that mail is never kept waiting by it.

It runs at low priority, reads the mail database like a worker, and writes ``search.db`` alone. A notice that a mailbox changed
wakes it; it gathers for a moment, then works until nothing is left, batch by batch in a thread, so that it ends in order
between two of them. When it dies, searches read what it has not come to, and the supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import uvloop

from posthouse.backends.sqlite.search_indexer import Indexer
from posthouse.base import log
from posthouse.base.errors import MailError
from posthouse.roles import bootstrap
from posthouse.roles.bootstrap import open_bus
from posthouse.roles.config import NodeConfig
from posthouse.roles.live import Live
from posthouse.roles.worker import supervisor_lost
from posthouse.servers.metrics_share import MetricsShare

NICE = 10
GATHER_S = 0.5
LOOK_S = 5.0
SWEEP_S = 60.0
RETRY_S = 5.0

_log = log.get("indexer")


def run(config: NodeConfig, name: str, end: socket.socket) -> None:
    """The whole life of the indexer; returns when it has been told to drain."""
    os.nice(NICE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(config, name, end))


async def _live(config: NodeConfig, name: str, end: socket.socket) -> None:
    bus = open_bus(end, on_lost=supervisor_lost)
    MetricsShare(bus, name, config.bus_processes)
    async with bootstrap.indexer(config) as (indexer, live, room):
        work = Indexing(indexer, live, room.is_short)
        bus.subscribe("bodies", lambda _: work.wake())
        bus.subscribe("search-anew", lambda _: work.wake())
        bus.subscribe("drain", lambda _: work.end())
        await asyncio.to_thread(indexer.open)
        bus.publish("node-ready", {"process": name})
        await work.run()
    _log.info("drain")
    bus.close()


class Indexing:
    """``run`` it; the others may be called at any time."""

    def __init__(self, indexer: Indexer, live: Live, is_short: Callable[[], bool] = bool) -> None:
        """``is_short``: whether the disk's last room is for other things."""
        self._indexer = indexer
        self._is_short = is_short
        self._live = live
        self._wanted = asyncio.Event()
        self._ending = False

    def wake(self) -> None:
        """There may be something to do."""
        self._wanted.set()

    def end(self) -> None:
        """After the batch under way."""
        self._ending = True
        self._wanted.set()

    async def run(self) -> None:
        """Until told to end."""
        loop = asyncio.get_running_loop()
        sweep_at = loop.time() + SWEEP_S
        while not self._ending:
            self._wanted.clear()
            try:
                await self._live.load()
                await self._work()
                if loop.time() >= sweep_at:
                    await asyncio.to_thread(self._indexer.sweep)
                    sweep_at = loop.time() + SWEEP_S
                await asyncio.to_thread(self._indexer.rest)
            except MailError as error:
                _log.error("index-not-written", cause=error.cause or error.public)
                await self._pause(RETRY_S)
                continue
            if await self._pause(LOOK_S) and not self._ending:
                await asyncio.sleep(GATHER_S)

    async def _work(self) -> None:
        more = True
        while more and not self._ending and not self._is_short():
            more = await asyncio.to_thread(self._indexer.step)

    async def _pause(self, seconds: float) -> bool:
        """Whether something came meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return False
        return True
