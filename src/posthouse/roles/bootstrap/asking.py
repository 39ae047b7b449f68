"""Who asks the next host about recipients (INB-5), and gives it mail at once (GRY-6)."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack

from posthouse.backends.smtp_out import SmtpCourier
from posthouse.base.clock import SystemClock
from posthouse.interfaces.resolver import Resolver
from posthouse.queue.call_forward import CallForward
from posthouse.queue.handing_over import DirectHandOver
from posthouse.queue.targets import Targets
from posthouse.roles.config import NodeConfig
from posthouse.roles.live import Live


def hosts_behind(
    config: NodeConfig, live: Live, resolver: Resolver, stack: AsyncExitStack
) -> tuple[CallForward, DirectHandOver]:
    """Only routed addresses come here, so policies of other sites' TLS do not come into it."""

    def own_name() -> str:
        return live.settings().smtp.hostname or config.name

    courier = SmtpCourier(own_name, lambda: live.settings().queue)
    stack.push_async_callback(courier.close)
    targets = Targets(resolver, lambda: live.settings().queue, lambda: [own_name()], random.shuffle)
    return CallForward(targets, courier, live.settings, SystemClock()), DirectHandOver(targets, courier)
