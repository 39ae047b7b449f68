"""A worker process: one event loop that serves every protocol of the node on the shared sockets, until told to drain."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from typing import cast

import uvloop

from posthouse.base import log
from posthouse.interfaces.bus import Payload
from posthouse.model.session import Service
from posthouse.pipeline.holding import TOPIC as ACCOUNT_HELD
from posthouse.roles import bootstrap
from posthouse.roles.bootstrap import open_bus
from posthouse.roles.config import NodeConfig
from posthouse.roles.processes import EXIT_FAILED
from posthouse.roles.serving import SERVERS, datagrams, gate
from posthouse.roles.sockets import DNSBL_UDP
from posthouse.servers.listener import EndsAccounts, Listener, Server
from posthouse.servers.metrics_share import MetricsShare
from posthouse.servers.services import Services
from posthouse.servers.sweeper import Sweeper

_log = log.get("worker")


def run(sockets: Mapping[str, socket.socket], config: NodeConfig, name: str, end: socket.socket) -> None:
    """The whole life of a worker; returns when it has drained."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(config, sockets, name, end))


async def _live(config: NodeConfig, sockets: Mapping[str, socket.socket], name: str, end: socket.socket) -> None:
    bus = open_bus(end, on_lost=supervisor_lost)
    drain: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def told_to_drain(payload: Payload) -> None:
        if not drain.done():
            drain.set_result(cast(float, payload["seconds"]))

    bus.subscribe("drain", told_to_drain)
    share = MetricsShare(bus, name, config.bus_processes)
    parts = await bootstrap.worker(config, bus, name)
    sweeper = Sweeper()
    listeners = []
    for service, sock in sockets.items():
        if service == DNSBL_UDP:
            heard, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: datagrams(parts.services), sock=sock)
            parts.stack.callback(heard.close)
            continue
        named = cast(Service, service)
        if service in SERVERS:
            server = SERVERS[service](parts.services, named)
        else:
            server = _web(share, parts.services, ready=lambda: not drain.done())
        listener = Listener(named, server, gate(parts.services), sweeper)
        if isinstance(server, EndsAccounts):
            ends = server.end_account
            bus.subscribe(ACCOUNT_HELD, lambda held, ends=ends: ends(cast(int, held["account_id"])))  # type: ignore[misc]
        await listener.start(sock)
        listeners.append(listener)
    bus.publish("node-ready", {"process": name})
    seconds = await drain
    _log.info("drain", open=sum(one.open for one in listeners))
    await asyncio.gather(_drain(listeners, seconds), parts.couriers.close(seconds))
    await parts.close()
    bus.close()


def _web(share: MetricsShare, services: Services, ready: Callable[[], bool]) -> Server:
    from posthouse.servers.health import application  # only nodes that serve HTTP pay for it
    from posthouse.servers.http import HttpServer
    from posthouse.servers.http.front import Front

    assert services.key_ring is not None, "this node serves HTTP"
    health = application(share, ready, lambda: services.settings().monitoring.metrics_networks)
    return HttpServer(Front(services, services.key_ring, health), services.clock)


async def _drain(listeners: list[Listener], seconds: float) -> None:
    """Lets sessions come to an end; cuts off what has not after ``seconds``."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + seconds
    for listener in listeners:
        listener.drain()
    for listener in listeners:
        await listener.closed(end_s - loop.time())
    for listener in listeners:
        if listener.open:
            _log.warning("sessions-cut-off", service=listener.service, open=listener.open)
            listener.cancel()
    await asyncio.sleep(0)


def supervisor_lost() -> None:
    """The supervisor is gone: nothing here may outlive it."""
    _log.error("supervisor-lost")
    os._exit(EXIT_FAILED)
