"""SPF of a transaction, begun once, by whichever stage needs it first; the task stays on the transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from posthouse.base.clock import Clock
from posthouse.mailauth.spf.check import Client
from posthouse.mailauth.verify import Spf, Verifier
from posthouse.model.settings import Settings
from posthouse.pipeline.transaction import Transaction


class SpfCheck:
    """Knows the verifier and our own name; asks no one whether the client is a stranger."""

    def __init__(self, settings: Callable[[], Settings], verifier: Verifier, clock: Clock, node_name: str) -> None:
        self._settings = settings
        self._verifier = verifier
        self._clock = clock
        self._node_name = node_name

    def of(self, transaction: Transaction) -> asyncio.Task[Spf]:
        """The check under way, or a fresh one."""
        if transaction.spf is None:
            session = transaction.session
            client = Client(session.client_address, session.helo, self.authserv_id(), self._clock.now())
            check = self._verifier.spf(client, str(transaction.sender), self._settings().mailauth.timeout_s)
            transaction.spf = asyncio.create_task(check)
        return transaction.spf

    def authserv_id(self) -> str:
        """Our name in what we say about authentication."""
        settings = self._settings()
        return settings.mailauth.authserv_id or settings.smtp.hostname or self._node_name
