"""A courier with short time-outs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from posthouse.backends.smtp_out import SmtpCourier
from posthouse.model.settings import QueueSettings

MakeCourier = Callable[..., SmtpCourier]


@pytest.fixture
async def make_courier() -> AsyncIterator[MakeCourier]:
    """Makes couriers with the given settings of the group ``queue``; closes them."""
    async with AsyncExitStack() as stack:

        def make(**settings: object) -> SmtpCourier:
            chosen = {"connect_timeout_s": 1.0, "command_timeout_s": 0.25, **settings}
            queue = QueueSettings(**chosen)  # type: ignore[arg-type]
            courier = SmtpCourier(lambda: "mx.example.test", lambda: queue)
            stack.push_async_callback(courier.close)
            return courier

        yield make
