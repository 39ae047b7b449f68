"""Where a process tells the paths of messages, besides the house's own record."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from posthouse.backends.otlp import OtlpSpans
from posthouse.roles.config import NodeConfig
from posthouse.roles.live import Live


def open_spans(config: NodeConfig, live: Live, process: str, stack: AsyncExitStack) -> OtlpSpans:
    """To an OpenTelemetry collector, as soon as a setting names one."""
    spans = OtlpSpans(lambda: live.settings().monitoring, config.name, process)

    live.follow(spans.watching)

    async def end() -> None:
        await asyncio.to_thread(spans.close)

    stack.push_async_callback(end)
    return spans
