"""Stage ``route``: where each recipient's copy goes (RTE-1, RTE-4). Each final recipient gets one copy.

The envelope stage has resolved every accepted address; here double destinations are merged, and the plan is made. The
smart host is the queue's business, at each attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from posthouse.base.errors import MailError
from posthouse.interfaces.suppressions import Suppressions
from posthouse.model.mailbox import INBOX
from posthouse.model.namespaces import shared_domain_id
from posthouse.model.plan import Destination, ToMailbox, ToNowhere, ToQueue
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction


class Route(Stage):
    name = "route"

    def __init__(self, settings: Callable[[], Settings], suppressions: Suppressions) -> None:
        self._settings = settings
        self._suppressions = suppressions

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        seen: dict[object, Destination] = {}
        for recipient in transaction.recipients:
            destinations = transaction.resolved[recipient.address.key]
            for destination in destinations:
                if len(destinations) > 1:
                    destination = await self._unless_suppressed(destination)
                seen.setdefault(_identity(destination), destination)
        transaction.plan(list(seen.values()))
        onward = "the smart host" if self._settings().route.smart_host else "the mail hosts of its domain"
        return [Continue(Reason(self.name, "plan", _words(destination, onward))) for destination in transaction.destinations]

    async def _unless_suppressed(self, destination: Destination) -> Destination:
        """A list's member elsewhere that is dead, or has complained, gets no copy. Failing: open, it gets one."""
        if not isinstance(destination, ToQueue) or not destination.original:
            return destination
        try:
            found = await self._suppressions.suppressed(destination.recipient.address.key)
        except MailError:
            return destination
        return ToNowhere(destination.recipient, f"suppressed: {found.why}") if found is not None else destination


def _identity(destination: Destination) -> object:
    """What makes two copies the same copy."""
    if isinstance(destination, ToMailbox):
        return destination.account_id, destination.mailbox if shared_domain_id(destination.account_id) else ""
    return destination.recipient.address.key


def _words(destination: Destination, onward: str) -> str:
    if isinstance(destination, ToMailbox):
        certain = destination.mailbox == INBOX or shared_domain_id(destination.account_id)
        otherwise = "" if certain else ", or INBOX if there is none"
        return f"{destination.recipient.address} to {destination.mailbox}{otherwise} of {destination.account}"
    if isinstance(destination, ToQueue):
        return f"{destination.recipient.address} to {destination.next_hop or onward}"
    return f"{destination.recipient.address} dropped: {destination.why}"
