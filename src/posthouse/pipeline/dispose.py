"""Stage ``dispose``: the last. Carries out the plan in one durable unit; only then is the message acknowledged.

If the sink cannot commit, nothing was kept and the sender is told to try again: mail is never lost between two chairs. Where
filters made several forms of a message, or messages that follow it, there is a unit for each: a failure in between makes
duplicates, never a loss. What is held back is in the same units as what goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.base.errors import MailError
from posthouse.interfaces.scripts import ScriptsWriter
from posthouse.interfaces.sink import Sink
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.receipts import Receipts
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.trace_header import put_late_tags
from posthouse.pipeline.transaction import Transaction


class Dispose(Stage):
    name = "dispose"
    carries_out = True

    def __init__(self, sink: Sink, receipts: Receipts, memories: ScriptsWriter) -> None:
        self._sink = sink
        self._receipts = receipts
        self._memories = memories

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        await put_late_tags(transaction)
        if transaction.refusals and (notice := await self._receipts.refused(transaction)) is not None:
            transaction.afterwards.append(notice)
        acceptances = transaction.units()
        for acceptance in acceptances:
            await self._sink.commit(acceptance)
        count = sum(len(acceptance.destinations) for acceptance in acceptances)
        done: list[Verdict] = [
            Continue(Reason(self.name, "committed", f"on disk for {count} recipient{'s' if count != 1 else ''}"))
        ]
        for follower in transaction.afterwards:
            done.append(await self._receipts.follow(self.name, follower, transaction.trace_id))
        if transaction.memories:
            done += await self._remember(transaction)
        for acceptance in acceptances:
            receipt = await self._receipts.send(self.name, acceptance)
            done += [receipt] if receipt is not None else []
        return done

    async def _remember(self, transaction: Transaction) -> list[Verdict]:
        """What is not remembered is answered twice at worst: no reason to refuse a message that is kept by now."""
        try:
            for account_id, memories in transaction.memories:
                await self._memories.remember(account_id, memories)
        except MailError as error:
            return [Continue(Reason(self.name, "memory", f"filters will not remember it: {error.cause or error.public}"))]
        return []
