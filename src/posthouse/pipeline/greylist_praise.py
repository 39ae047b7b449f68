"""Stage ``reputation``, behind the filters: whose signed mail was taken need not wait the next time (GRY-2).

Counts a message that the domain of its MAIL FROM signed (DKIM), that DMARC did not fail and nothing found to be spam.
Failing: it is not remembered; the message goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from posthouse.base.clock import Clock
from posthouse.interfaces.triplets import Triplets
from posthouse.model.networks import within
from posthouse.model.settings import Settings
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.breaker import Breaker, Unanswered
from posthouse.pipeline.greylist_keys import client_network
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

SPAM = 50.0


class GreylistPraise(Stage):
    name = "reputation"

    def __init__(self, settings: Callable[[], Settings], triplets: Triplets, clock: Clock) -> None:
        self._settings = settings
        self._triplets = triplets
        self._clock = clock
        self._breaker = Breaker("greylist-reputation", clock, lambda up: None)

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        greylist = self._settings().greylist
        sender, session, now = transaction.sender.address, transaction.session, self._clock.now()
        if greylist.mode == "off" or not greylist.exempt_reputation or sender is None or not _signed(transaction):
            return ()
        network = client_network(session.client_address, greylist.ipv4_bits, greylist.ipv6_bits)
        try:
            await self._breaker.call(
                lambda: self._triplets.praise(sender.domain, network, now, greylist.lifetime_s), greylist.timeout_s
            )
        except Unanswered as error:
            return (Continue(Reason(self.name, "fail-open", f"not remembered: {error.cause}")),)
        return (Continue(Reason(self.name, "signed", f"mail of {sender.domain} from {network} is remembered as signed")),)


def _signed(transaction: Transaction) -> bool:
    """Whether the domain of MAIL FROM, or one above it, signed the message, and the message is not spam."""
    report, sender = transaction.auth, transaction.sender.address
    if report is None or sender is None or (transaction.score or 0.0) >= SPAM:
        return False
    if report.dmarc is not None and report.dmarc.result == "fail":
        return False
    return within(sender.domain, report.signed_by())
