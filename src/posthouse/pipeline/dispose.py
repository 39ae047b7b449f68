"""Stage ``dispose``: the last. Carries out the plan in one durable unit; only then is the message acknowledged.

If the sink cannot commit, nothing was kept and the sender is told to try again: mail is never lost between two chairs. All
forms that filters made of the message, the messages that follow it, and what is held back, are in that one unit. What its
sender wants to leave later waits in the queue (``postpone.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from posthouse.base.errors import MailError
from posthouse.interfaces.quarantine import Quarantine
from posthouse.interfaces.scripts import ScriptsWriter
from posthouse.interfaces.sink import Sink
from posthouse.model.plan import Acceptance
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.backscatter import is_doubtful
from posthouse.pipeline.postpone import postponed
from posthouse.pipeline.receipts import Receipts
from posthouse.pipeline.stage import Stage
from posthouse.pipeline.trace_header import put_late_tags
from posthouse.pipeline.transaction import Transaction


class Dispose(Stage):
    name = "dispose"
    carries_out = True

    def __init__(self, sink: Sink, quarantine: Quarantine, receipts: Receipts, memories: ScriptsWriter) -> None:
        self._sink = sink
        self._quarantine = quarantine
        self._receipts = receipts
        self._memories = memories

    async def message(self, transaction: Transaction) -> Sequence[Verdict]:
        await put_late_tags(transaction)
        done: list[Verdict] = []
        if why := is_doubtful(transaction):
            transaction.sender = replace(transaction.sender, doubtful=True)
            done.append(Continue(Reason(self.name, "doubtful-sender", f"{why}: nobody is told if it cannot be delivered")))
        until = transaction.sender.hold_until
        waits = until > transaction.started_at
        if waits:
            transaction.afterwards = [postponed(each, until) for each in transaction.afterwards]
        if transaction.refusals and (notice := await self._receipts.refused(transaction)) is not None:
            transaction.afterwards.append(notice)
        acceptances = [postponed(each, until) for each in transaction.units()] if waits else transaction.units()
        if not await self._commit(transaction.held_id, (*acceptances, *transaction.afterwards)):
            return [Continue(Reason(self.name, "gone", "it has left the quarantine meanwhile; nothing was delivered"))]
        count = sum(len(acceptance.destinations) for acceptance in acceptances)
        done.append(Continue(Reason(self.name, "committed", f"on disk for {count} recipient{'s' if count != 1 else ''}")))
        if waits:
            done.append(Continue(Reason(self.name, "later", f"as its sender wishes, not before {_words(until)}")))
        for follower in transaction.afterwards:
            done.append(self._receipts.follow(self.name, follower, transaction.trace_id))
        if transaction.memories:
            done += await self._remember(transaction)
        for acceptance in acceptances:
            receipt = await self._receipts.send(self.name, acceptance)
            done += [receipt] if receipt is not None else []
        return done

    async def _commit(self, held_id: int, acceptances: Sequence[Acceptance]) -> bool:
        """False if the message was held, and is not any more. Raises Temporary; then nothing was kept."""
        if held_id:
            return await self._quarantine.release(held_id, acceptances)
        if acceptances:
            await self._sink.commit(*acceptances)
        return True

    async def _remember(self, transaction: Transaction) -> list[Verdict]:
        """What is not remembered is answered twice at worst: no reason to refuse a message that is kept by now."""
        try:
            for account_id, memories in transaction.memories:
                await self._memories.remember(account_id, memories)
        except MailError as error:
            return [Continue(Reason(self.name, "memory", f"filters will not remember it: {error.cause or error.public}"))]
        return []


def _words(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
