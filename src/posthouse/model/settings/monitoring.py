"""Settings of the group ``monitoring``: what is told to other systems (MON-4)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.settings import setting
from posthouse.model.settings.forms import HTTP_URL, NETWORK


@dataclass(frozen=True, slots=True)
class MonitoringSettings:
    """What is told to other systems (MON-4)."""

    metrics_networks: tuple[str, ...] = setting(
        ("127.0.0.0/8", "::1"), "Networks that may read `/metrics`, over HTTP and HTTPS.", form=NETWORK
    )
    otlp_endpoint: str = setting(
        "",
        "Where messages' paths are sent as OpenTelemetry traces by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces;"
        " empty: nowhere. Needs the extra `otel`.",
        form=HTTP_URL,
    )
    otlp_percent: int = setting(100, "Share of messages whose path is sent there.", unit="percent", at_least=0, at_most=100)
