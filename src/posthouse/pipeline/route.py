"""Stage ``route``: where each recipient's copy goes (RTE-1, RTE-4). Each final recipient gets one copy.

The envelope stage has resolved every accepted address; here double destinations are merged, and the plan is made. The
smart host is the queue's business, at each attempt. Nothing is looked up any more, so nothing can fail after the message is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from posthouse.model.mailbox import INBOX
from posthouse.model.namespaces import shared_domain_id
from posthouse.model.plan import Destination, ToMailbox, ToQueue
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction


class Route(Stage):
    name = "route"

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        seen: dict[object, Destination] = {}
        for recipient in transaction.recipients:
            for destination in transaction.resolved[recipient.address.key]:
                seen.setdefault(_identity(destination), destination)
        transaction.plan(list(seen.values()))
        onward = "the smart host" if self._settings().route.smart_host else "the mail hosts of its domain"
        return [Continue(Reason(self.name, "plan", _words(destination, onward))) for destination in transaction.destinations]


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
