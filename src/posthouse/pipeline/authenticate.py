"""Stage ``authenticate``: SPF, DKIM, DMARC, ARC of strangers' mail (MAU-1).

SPF is begun with the first accepted recipient, so that DNS answers while the message comes in. Clients that are ours
(logged in, relay-listed, on this machine) and LMTP are not checked. The report stays on the transaction for the scorer, and
Authentication-Results tells it to everyone else; fields that claim to be ours are taken out first.
Failing: open. Without DNS a message is marked ``temperror`` and goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache

from posthouse.base.clock import Clock
from posthouse.formats.mime.fronted import without
from posthouse.interfaces.resolver import Resolver
from posthouse.mailauth import results
from posthouse.mailauth.message import Message
from posthouse.mailauth.spf.check import Client
from posthouse.mailauth.verify import Verifier, Wanted, author_domain
from posthouse.model.envelope import Recipient
from posthouse.model.mail_authentication import AuthReport
from posthouse.model.session import Session
from posthouse.model.settings import MailauthSettings, Settings
from posthouse.model.verdict import Continue, Reason, Refuse, Reply, Score, Tag, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

SPAM_POINTS = 50.0
"""What a quarantine policy is worth on the one scale (CON-8)."""


class Authenticate(Stage):
    name = "authenticate"

    def __init__(self, settings: Callable[[], Settings], resolver: Resolver, clock: Clock, node_name: str) -> None:
        self._settings = settings
        self._verifier = Verifier(resolver, clock)
        self._clock = clock
        self._node_name = node_name

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> Verdict | None:
        if transaction.spf is not None or transaction.recipients:
            return None
        settings = self._settings().mailauth
        if not settings.verify or is_ours(transaction.session):
            return None
        session = transaction.session
        client = Client(session.client_address, session.helo, self._authserv_id(), self._clock.now())
        check = self._verifier.spf(client, str(transaction.sender), settings.timeout_s)
        transaction.spf = asyncio.create_task(check)
        return None

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        summary = transaction.summary
        assert summary is not None, "the driver sets the summary before it asks"
        settings = self._settings().mailauth
        message = Message.of(transaction.content, summary)
        verdicts: list[Verdict] = []
        if settings.verify and not is_ours(transaction.session) and not summary.problems:
            author, _ = author_domain(message)
            policy = _dmarc_policies(settings.dmarc_domains).get(author, settings.dmarc) if author else settings.dmarc
            for domain in _parents(author) if settings.dmarc_domains else ():
                if domain in _dmarc_policies(settings.dmarc_domains):
                    policy = _dmarc_policies(settings.dmarc_domains)[domain]
                    break
            wanted = Wanted(settings.timeout_s, policy != "off", settings.trusted_sealers)
            report = await self._verifier.verify(message, transaction.spf, wanted)
            transaction.auth = report
            verdicts = self._verdicts(report, settings, policy)
        self._take_out_forged(transaction, message)
        return verdicts
