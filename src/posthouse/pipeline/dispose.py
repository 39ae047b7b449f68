"""Stage ``dispose``: the last. Carries out the plan in one durable unit; only then is the message acknowledged.

If the sink cannot commit, nothing was kept and the sender is told to try again: mail is never lost between two chairs.
"""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.interfaces.sink import Sink
from posthouse.model.plan import Acceptance
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.receipts import Receipts
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.trace_header import put_late_tags
from posthouse.pipeline.transaction import Transaction


class Dispose(Stage):
    name = "dispose"

    def __init__(self, sink: Sink, receipts: Receipts) -> None:
        self._sink = sink
        self._receipts = receipts

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        await put_late_tags(transaction)
        assert transaction.summary is not None, "the driver sets the summary before it asks"
        acceptance = Acceptance(
            transaction.trace_id,
            transaction.started_at,
            transaction.sender,
            transaction.content,
            transaction.summary,
            tuple(transaction.destinations),
        )
        await self._sink.commit(acceptance)
        count = len(transaction.destinations)
        done = Continue(Reason(self.name, "committed", f"on disk for {count} recipient{'s' if count != 1 else ''}"))
        receipt = await self._receipts.send(self.name, acceptance)
        return (done, receipt) if receipt is not None else (done,)
