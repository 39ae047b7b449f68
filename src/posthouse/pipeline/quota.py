"""Stage ``quota``: mail for a full mailbox is refused at RCPT TO, while it concerns that recipient alone (STO-5).

It stands behind envelope, which has found out where a recipient's mail goes. An address that leads to several mailboxes is
refused when all of them are full. What the message's true size makes of it is decided once more when it is committed: there a
full mailbox refuses the message if no one else is to get it, and takes it otherwise.
"""

from __future__ import annotations

from posthouse.base.clock import Clock
from posthouse.interfaces.limits import Allowances
from posthouse.interfaces.usage import UsageBook
from posthouse.model.envelope import Recipient
from posthouse.model.plan import ToMailbox
from posthouse.model.quota import Growth, Usage, refusal
from posthouse.model.verdict import Defer, Reason, Refuse, Reply, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction


class Quota(Stage):
    """``allowances`` say what an account may use, ``usage`` what it uses."""

    name = "quota"

    def __init__(self, allowances: Allowances, usage: UsageBook, clock: Clock) -> None:
        self._allowances = allowances
        self._usage = usage
        self._clock = clock

    async def rcpt_to(self, transaction: Transaction, recipient: Recipient) -> Verdict | None:
        refused: Verdict | None = None
        for destination in transaction.resolved.get(recipient.address.key, ()):
            if not isinstance(destination, ToMailbox):
                return None
            verdict = await self._full(destination, max(transaction.sender.size_bytes, 1))
            if verdict is None:
                return None
            refused = refused or verdict
        return refused

    async def _full(self, destination: ToMailbox, size_bytes: int) -> Verdict | None:
        allowed = await self._allowances(destination.account_id)
        if not allowed.is_limited:
            return None
        used = await self._usage.usage(destination.account_id)
        limited = allowed.domain_quota_bytes or allowed.domain_quota_messages
        domain = await self._usage.domain_usage(allowed.domain_id) if limited else Usage()
        standing = await self._usage.standing(destination.account_id)
        growth = Growth(size_bytes, 1)
        error = refusal(allowed, used, domain, standing, growth, self._clock.now(), delivery=True)
        if error is None:
            return None
        reason = Reason(self.name, "full", f"{destination.account} uses {used.size_bytes} octets, {used.messages} messages")
        reply = Reply(error.code, error.enhanced, error.public)
        return Defer(reply, reason) if error.temporary else Refuse(reply, reason)
