"""Stage ``content``: what is in the message (CON). Its first rules: a message must be within the limits and not loop.

Filters, virus and spam scanners join it here, in the order that chapter CON fixes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from posthouse.model.settings import Settings
from posthouse.model.summary import Summary
from posthouse.model.verdict import Reason, Refuse, Reply, Verdict
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.transaction import Transaction

LOOP = Reply(554, "5.4.6", "Too many hops, this message is going round in circles")


class Inspect(Stage):
    """Refuses what no mail system can treat safely: too many headers or parts, nesting too deep, loops."""

    name = "content"

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        summary = transaction.summary
        assert summary is not None, "the driver sets the summary before it asks"
        if summary.problems:
            return (self._beyond_limits(summary),)
        hops = summary.count("received")
        if hops > self._settings().smtp.max_hops:
            return (Refuse(LOOP, Reason(self.name, "hops", f"{hops} Received fields")),)
        return ()

    def _beyond_limits(self, summary: Summary) -> Verdict:
        text = ", ".join(summary.problems)
        return Refuse(Reply(554, "5.6.0", f"Message refused: {text}"), Reason(self.name, "limits", text))
