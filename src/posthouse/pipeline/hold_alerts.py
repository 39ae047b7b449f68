"""The node's own mail about accounts that were held (OUT-5).

Runs in the steward. Bounded by ``MOST_AN_HOUR``: when many passwords were stolen at once, the log and ``account list`` have
them all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from posthouse.content.archives.entry import shown
from posthouse.formats import dates
from posthouse.formats.node_letter import Letterhead, node_letter
from posthouse.model.account_hold import AccountHold
from posthouse.model.address import Address
from posthouse.model.settings import Settings
from posthouse.pipeline.node_letters import LetterTools, send_letter

MOST_AN_HOUR = 30
HOUR_S = 3600.0


class HoldAlerts:
    """``tell`` is called for each hold."""

    def __init__(self, settings: Callable[[], Settings], tools: LetterTools) -> None:
        self._settings = settings
        self._tools = tools
        self._sent: deque[float] = deque(maxlen=MOST_AN_HOUR)

    async def tell(self, hold: AccountHold) -> None:
        """One mail, if there is somebody who reads it. Raises MailError."""
        tools, now_s = self._tools, self._tools.clock.steady()
        if len(self._sent) == MOST_AN_HOUR and now_s - self._sent[0] < HOUR_S:
            return
        to = Address.parse(self._settings().watch.alerts or f"postmaster@{hold.account.rpartition('@')[2]}")
        self._sent.append(now_s)
        await send_letter(tools, to, partial(about_hold, hold=hold), "tells of an account that was held")


def about_hold(head: Letterhead, hold: AccountHold) -> bytes:
    """The mail's octets."""
    account = shown(hold.account)
    if hold.released_at:
        first = f"The account {account} sends as if its password were stolen. Nothing was stopped: watch.mode says so."
    else:
        first = f"Sending is stopped for {account}; what it has in the queue is held, its sessions were ended."
    client = [f"    last client: {hold.client}"] if hold.client else []
    lines = [
        first,
        "",
        f"    when:        {dates.render(hold.since)}",
        f"    by:          {shown(hold.who)}",
        f"    why:         {shown(hold.why)}",
        *client,
        "",
        "What it sent, and to whom:      posthouse account report " + account,
        "Take it out of mailboxes here:  posthouse account recall " + account,
        "A new password:                 posthouse user password " + account,
        "Let it send again:              posthouse account release " + account,
    ]
    ascii_account = account.encode("ascii", "replace").decode()
    return node_letter(head, f"Account held: {ascii_account}"[:200], lines)
