"""Stops an account's sending, and lets it go again (OUT-5). Runs in the steward, for the watch and for administrators.

What is durable first is the hold itself: from then on every worker refuses what the account submits, and the queue tries none
of its messages, also after a crash. Then its queue is held, its sessions end, and people are told; a crash in between loses no
more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from posthouse.base import log
from posthouse.base.clock import Clock
from posthouse.base.errors import MailError
from posthouse.base.metrics import ACCOUNT_ALERTS
from posthouse.directory.behaviour import Behaviour
from posthouse.interfaces.account_holds import AccountHolds, AccountHoldsWriter
from posthouse.interfaces.bus import Bus
from posthouse.interfaces.directory import Directory
from posthouse.interfaces.spool import Spool
from posthouse.model.account_hold import AccountHold
from posthouse.model.address import Address
from posthouse.model.queued import State
from posthouse.model.settings import Settings

TOPIC = "account-held"
TOGETHER = 20
REMIND_S = 3600.0
WhatOfQueue = Literal["send", "keep", "delete"]

_log = log.get("account-watch")


@dataclass(frozen=True, slots=True)
class HoldTools:
    """``tell`` sends mail about a hold to whom it concerns."""

    holds: AccountHolds
    writer: AccountHoldsWriter
    spool: Spool
    directory: Directory
    behaviour: Behaviour
    bus: Bus
    settings: Callable[[], Settings]
    clock: Clock
    tell: Callable[[AccountHold], Awaitable[None]]


class HoldDesk:
    """Holds and releases accounts."""

    def __init__(self, tools: HoldTools) -> None:
        self._tools = tools
        self._alerted: dict[str, float] = {}

    @property
    def reader(self) -> AccountHolds:
        """What is held."""
        return self._tools.holds

    async def breached(self, hold: AccountHold) -> None:
        """The watch has seen a breach: the account is held, or an alert alone is raised. Raises MailError."""
        if self._tools.settings().watch.mode == "alert":
            await self._alert_only(hold)
        else:
            await self.hold(hold)

    async def hold(self, hold: AccountHold) -> bool:
        """False if it was held already; its queue is held again all the same. Raises MailError if it is not held."""
        tools = self._tools
        new = await tools.writer.hold(hold)
        tools.bus.publish(TOPIC, {"account": hold.account, "account_id": hold.account_id})
        queued = await self._set_queue(hold.account, "held")
        if new:
            ACCOUNT_ALERTS.labels(hold.sign).inc()
            _log.error("account-held", account=hold.account, sign=hold.sign, why=hold.why, client=hold.client, who=hold.who,
                       queued=queued)  # fmt: skip
            await self._tell(hold)
        return new

    async def release(self, account: str, who: str, queue: WhatOfQueue = "send") -> tuple[bool, int]:
        """Whether it was held, and how many recipients in its queue that concerned: also if it is not held any more, after a
        crash in between, or if they were kept. Raises MailError."""
        tools = self._tools
        now = tools.clock.now()
        deleted = await self._delete_queue(account) if queue == "delete" else 0
        found = await tools.writer.release(account, who, now)
        tools.behaviour.forget(account)
        if found:
            _log.info("account-released", account=account.lower(), who=who, queue=queue)
        if queue != "send":
            return found, deleted
        sent = await self._set_queue(account, "waiting")
        tools.bus.publish("queue", {})
        return found, sent

    async def bounced(self, account: str, recipients: int) -> None:
        """The queue's word that hosts refused so many recipients of an account's mail for good. Raises MailError."""
        tools = self._tools
        if tools.behaviour.exempt(account) or (breach := tools.behaviour.bounced(account, recipients)) is None:
            return
        found = await tools.directory.account(Address.parse(account))
        if found is not None and not await tools.holds.is_held(account):
            await self.breached(AccountHold(found.account_id, account.lower(), tools.clock.now(), breach.sign, breach.why))

    async def _set_queue(self, account: str, state: State) -> int:
        """All of it, some messages in a unit so that other units are not held up; gives how many recipients changed."""
        total, after, more = 0, "", True
        while more:
            changed, after = await self._tools.spool.set_account_state(account, state, after=after, limit=TOGETHER)
            total, more = total + changed, bool(after)
        return total

    async def _delete_queue(self, account: str) -> int:
        deleted = 0
        while page := await self._tools.spool.listing(account=account, limit=TOGETHER):
            await asyncio.gather(*(self._tools.spool.delete(message.queue_id) for message in page))
            deleted += sum(len(message.recipients) for message in page)
        return deleted

    async def _alert_only(self, hold: AccountHold) -> None:
        """Once in an hour for an account. It is remembered as a hold that ended as it began."""
        now = self._tools.clock.steady()
        if now - self._alerted.get(hold.account, float("-inf")) < REMIND_S:
            return
        self._alerted = {account: at for account, at in self._alerted.items() if now - at < REMIND_S}
        self._alerted[hold.account] = now
        ACCOUNT_ALERTS.labels(hold.sign).inc()
        _log.error("account-suspicious", account=hold.account, sign=hold.sign, why=hold.why, client=hold.client)
        ended = replace(hold, released_at=hold.since, released_by="nobody: alerts only")
        await self._tools.writer.hold(ended)
        await self._tell(ended)

    async def _tell(self, hold: AccountHold) -> None:
        """Mail about it. Failing: the log has it, and the list of holds."""
        try:
            await self._tools.tell(hold)
        except MailError as error:
            _log.warning("alert-not-sent", account=hold.account, cause=error.cause or error.public)
