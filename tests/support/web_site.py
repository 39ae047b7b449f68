"""The web faces over in-memory backends, with a clock driven by hand: the real application, a real control socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from posthouse.admin.context import Context
from posthouse.backends.memory.counters import MemoryCounters
from posthouse.backends.memory.locks import MemoryLocks
from posthouse.base.clock import ManualClock
from posthouse.directory.authenticate import Authenticator
from posthouse.model.settings import Settings
from posthouse.pipeline.driver import Driver
from posthouse.roles.data_files import Files
from posthouse.servers.control import ControlServer
from posthouse.servers.http.front import Front
from posthouse.servers.services import Services
from support.operations import QuickHasher, populated, run


async def nothing_else(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"nothing else"})


@dataclass
class Site:
    """``waits``: the delays of failed logins, in order; nobody really waits. ``config`` is a file by which the command line
    finds this node."""

    context: Context
    app: ASGIApp
    waits: list[float]
    services: Services
    config: Path

    @property
    def clock(self) -> ManualClock:
        return cast(ManualClock, self.context.clock)

    def client(self, *, base: str = "http://mx.example.test", address: str = "127.0.0.1", **options: Any) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app, client=(address, 4711))
        return httpx2.AsyncClient(transport=transport, base_url=base, **options)

    async def run(self, line: str, **given: str) -> Any:
        return await run(self.context, line, **given)

    async def token(self, owner: str, *scopes: str, name: str = "test") -> str:
        made = await self.run(" ".join(["token", "add", owner, name, *scopes]))
        return cast(str, made["token"])


@asynccontextmanager
async def web_site(folder: Path) -> AsyncIterator[Site]:
    """With ``operations.populated``'s people: jane, omar (domain administrator), ada (administrator), mei at example.org."""
    context = await populated()
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    control_path = Files.under(folder).control
    control = ControlServer(context, control_path)
    await control.start()
    counters = MemoryCounters(context.clock)
    settings: Callable[[], Settings] = lambda: context.configuration._settings  # type: ignore[attr-defined]  # noqa: E731
    services = Services(
        node_name="mx.example.test",
        settings=settings,
        tls_context=lambda: None,
        clock=context.clock,
        ids=context.ids,
        directory=context.directory,
        authenticator=Authenticator(context.directory, QuickHasher(), counters, settings, context.clock, wait, b"k" * 32),
        store=context.store,
        sink=context.sink,
        traces=context.traces,
        bus=context.bus,
        counters=counters,
        driver=cast(Driver, None),  # administration never sends mail through the path
        locks=MemoryLocks(),
        control_path=str(control_path),
        key_ring=context.key_ring,
    )
    assert context.key_ring is not None
    front = Front(services, context.key_ring, nothing_else)
    config = folder / "node.toml"
    config.write_text('[node]\nname = "mx.example.test"\ndata = "."\n')
    yield Site(context, front, waits, services, config)
    front.close()
    await control.close()
