"""Who may read /metrics (MON-4)."""

from __future__ import annotations

import dataclasses

import pytest

from posthouse.backends.memory.bus import MemoryBus
from posthouse.base.clock import SystemClock
from posthouse.model.settings import MonitoringSettings, Settings, SmtpSettings
from posthouse.servers.health import application
from posthouse.servers.http import HttpServer
from posthouse.servers.metrics_share import MetricsShare
from support.listening import Serve

BALANCED = dataclasses.replace(Settings(), smtp=dataclasses.replace(SmtpSettings(), proxy_networks=("127.0.0.1",)))


async def asked(serve: Serve, client: str, path: str, networks: tuple[str, ...]) -> bytes:
    share = MetricsShare(MemoryBus(), "worker 1", 1)
    web = HttpServer(application(share, lambda: True, lambda: networks), SystemClock())
    reader, writer = await (await serve(web.handle, "http", BALANCED)).connect()
    writer.write(f"PROXY TCP4 {client} 198.51.100.1 1111 80\r\nGET {path} HTTP/1.1\r\nHost: mx\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return line.split()[1]


@pytest.mark.parametrize(
    ("client", "networks", "status"),
    [
        ("127.0.0.1", MonitoringSettings().metrics_networks, b"200"),
        ("192.0.2.7", MonitoringSettings().metrics_networks, b"403"),
        ("192.0.2.7", ("192.0.2.0/24",), b"200"),
        ("127.0.0.1", (), b"403"),
    ],
)
async def test_attack_strangers_read_no_metrics(serve: Serve, client: str, networks: tuple[str, ...], status: bytes) -> None:
    assert await asked(serve, client, "/metrics", networks) == status


async def test_health_is_for_anyone(serve: Serve) -> None:
    assert await asked(serve, "192.0.2.7", "/health/ready", ()) == b"200"
