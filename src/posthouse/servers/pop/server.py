"""One POP3 service of one worker. ``session.py`` is a connection's life; marks of deletion are dropped when the node drains."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from posthouse.model.session import Service
from posthouse.servers.pop.session import PopSession
from posthouse.servers.services import Services
from posthouse.servers.sessions import Sessions


class PopServer(Sessions):
    """``service`` is pop3 or pop3s. ``sleep`` waits for seconds; tests pass their own."""

    def __init__(self, services: Services, service: Service, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        super().__init__(lambda connection: PopSession(services, service, connection, sleep))
