"""Stage ``room``: no message is begun while the disk has no room for new mail (STO-1).

It answers at MAIL FROM, before anything is sent for nothing; the sink asks once more when it commits. Deferred, not refused:
the sender tries again, and mail that is here can be read, marked and deleted meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

from posthouse.model.verdict import Defer, Reason, Reply, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

FULL = Reply(452, "4.3.1", "Insufficient system storage")


class Room(Stage):
    """``is_short`` says whether no new mail is to be taken."""

    name = "room"

    def __init__(self, is_short: Callable[[], bool]) -> None:
        self._is_short = is_short

    async def mail_from(self, transaction: Transaction) -> Verdict | None:
        if not self._is_short():
            return None
        return Defer(FULL, Reason(self.name, "disk", "less room on the disk than store.min_free_bytes"))
