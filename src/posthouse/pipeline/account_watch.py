"""Stage ``account-watch``: an account that is held sends nothing, and one whose sending looks stolen is held (OUT-5).

Concerns clients that logged in. Each message is counted before anything costly looks at it, also if it is refused later;
whether it is spam is known to stage ``antispam``, which asks ``judged_spam``. The message that passes a measure is refused.
Failing: closed. If it cannot be known whether an account is held, or a hold cannot be kept, the sender tries again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from posthouse.base.clock import Clock
from posthouse.directory.behaviour import DAY_S, Behaviour, Place, Places, place_of
from posthouse.interfaces.account_holds import AccountHolds
from posthouse.model.account_hold import AccountHold, Breach
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Reason, Refuse, Reply, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

STAGE = "account-watch"
STOPPED = Reply(
    550,
    "5.7.13",
    "Sending is stopped for this account: it seems that somebody else uses it. Change the password and ask your administrator",
)
BY_HAND = Reply(550, "5.7.13", "Sending is stopped for this account: ask your administrator")
"""RFC 5248's code for an account that was disabled because of abuse."""


@dataclass(frozen=True, slots=True)
class WatchTools:
    """``came_from`` notes places (``AccountHoldsWriter.came_from``); ``country`` names the country of an address, "" if there
    is no table; ``hold`` stops an account or raises an alert, as set, and returns when that is durable."""

    behaviour: Behaviour
    holds: AccountHolds
    came_from: Callable[[int, Sequence[str], float], Awaitable[Places]]
    hold: Callable[[AccountHold], Awaitable[None]]
    country: Callable[[str], str] = lambda _: ""


class AccountWatch(Stage):
    name = STAGE

    def __init__(self, settings: Callable[[], Settings], tools: WatchTools, clock: Clock) -> None:
        self._settings = settings
        self._tools = tools
        self._clock = clock

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        return await self._stopped(transaction)

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        """Counts it. What was held meanwhile is refused, too."""
        session = transaction.session
        if not _concerns(transaction):
            return ()
        if (stopped := await self._stopped(transaction)) is not None:
            return (stopped,)
        if self._tools.behaviour.exempt(session.account, session.client_address):
            return ()
        place = place_of(session.client_address, self._tools.country(session.client_address))
        places = await self._places(session.account_id, place)
        breach = self._tools.behaviour.sent(session.account, len(transaction.recipients), place, places)
        return (await self._breached(transaction, breach),) if breach is not None else ()

    async def judged_spam(self, transaction: Transaction) -> Verdict | None:
        """A message of ours was judged spam: None if it is not one too many."""
        if not _concerns(transaction) or self._tools.behaviour.exempt(transaction.session.account):
            return None
        breach = self._tools.behaviour.spam(transaction.session.account)
        return await self._breached(transaction, breach) if breach is not None else None

    async def _stopped(self, transaction: Transaction) -> Verdict | None:
        if not _concerns(transaction):
            return None
        hold = await self._tools.holds.hold_of(transaction.session.account_id)
        if hold is None:
            return None
        reply = BY_HAND if hold.sign == "by-hand" else STOPPED
        return Refuse(reply, Reason(self.name, "held", f"held by {hold.who}: {hold.why}"))

    async def _breached(self, transaction: Transaction, breach: Breach) -> Verdict:
        session = transaction.session
        now, account = self._clock.now(), session.account.lower()
        await self._tools.hold(AccountHold(session.account_id, account, now, breach.sign, breach.why, session.client_address))
        reason = Reason(self.name, breach.sign, breach.why)
        return Continue(reason) if self._settings().watch.mode == "alert" else Refuse(STOPPED, reason)

    async def _places(self, account_id: int, place: Place) -> Places:
        """All places of the account, this one included; they are written once a day."""
        known, now = await self._tools.holds.places(account_id), self._clock.now()
        here = (place.network, place.client)
        if all(name in known and known[name][1] > now - DAY_S for name in here):
            return known
        return await self._tools.came_from(account_id, here, now)


def _concerns(transaction: Transaction) -> bool:
    return bool(transaction.session.account) and transaction.session.service != "lmtp" and not transaction.held_id
