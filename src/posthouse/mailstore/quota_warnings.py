"""Tells users once that their mailbox fills up (STO-5). The steward calls it from time to time.

The mail store notes, in the transaction that crosses the percentage, that a warning is due; here it is written into the INBOX,
whatever the quota, and then noted as written. A crash between the two makes it come twice, never not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.base.clock import Clock
from posthouse.base.ids import Ids
from posthouse.formats.mime import summarise
from posthouse.formats.quota_warning import QuotaWarning, compose
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.limits import Allowances
from posthouse.interfaces.sink import Sink
from posthouse.interfaces.usage import UsageBook
from posthouse.model.account import Account
from posthouse.model.envelope import Recipient, Sender
from posthouse.model.mailbox import INBOX
from posthouse.model.plan import Acceptance, ToMailbox
from posthouse.model.quota import used_percent

AT_A_TIME = 100


@dataclass(frozen=True, slots=True)
class QuotaWarnings:
    """``send`` those that are due."""

    usage: UsageBook
    sink: Sink
    directory: Directory
    allowances: Allowances
    clock: Clock
    ids: Ids
    node_name: str

    async def send(self) -> int:
        """Gives how many were written. Raises MailError; then the others stay due."""
        sent = 0
        for account_id in await self.usage.warnings_due(AT_A_TIME):
            account = await self.directory.account_by_id(account_id)
            if account is not None:
                await self.sink.commit(await self._warning(account))
                sent += 1
            await self.usage.warned(account_id)
        return sent

    async def _warning(self, account: Account) -> Acceptance:
        allowed, used = await self.allowances(account.account_id), await self.usage.usage(account.account_id)
        now, trace_id = self.clock.now(), self.ids.new()
        warning = QuotaWarning(
            node_name=self.node_name,
            to=account.address,
            at=now,
            message_id=f"<{trace_id}@{self.node_name}>",
            percent=used_percent(allowed, used),
            used_bytes=used.size_bytes,
            quota_bytes=allowed.quota_bytes,
            used_messages=used.messages,
            quota_messages=allowed.quota_messages,
        )
        content = b"Return-Path: <>\r\n" + compose(warning)
        destination = ToMailbox(Recipient(account.address), account.account_id, INBOX, account=str(account.address))
        sender = Sender(None, body="8BITMIME", smtputf8=not account.address.is_ascii)
        return Acceptance(trace_id, now, sender, content, summarise(content), (destination,))
