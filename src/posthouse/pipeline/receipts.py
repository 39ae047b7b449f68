"""Messages that follow another one: success notices for what went into local mailboxes, to senders who asked for them
(NOTIFY=SUCCESS, RFC 3461 §4.1), and what filters send (answers, notices).

Called by dispose after the message is durable and before it is acknowledged; a notice is an acceptance of its own. If it cannot
be kept the message stands all the same: the trace shows it, and the sender does without.
"""

from __future__ import annotations

from posthouse.base.errors import MailError
from posthouse.interfaces.sink import Sink
from posthouse.interfaces.traces import TraceLog
from posthouse.model.plan import Acceptance
from posthouse.model.verdict import Continue, Reason, Verdict
from posthouse.pipeline.transaction import Transaction
from posthouse.queue.notices import Notices, record_of


class Receipts:
    """Writes them, keeps them, records them."""

    def __init__(self, notices: Notices, sink: Sink, traces: TraceLog) -> None:
        self._notices = notices
        self._sink = sink
        self._traces = traces

    async def send(self, stage: str, acceptance: Acceptance) -> Verdict | None:
        """What to note in the trace; None if nobody asked."""
        try:
            notice = await self._notices.delivered(acceptance)
            if notice is None:
                return None
            await self._sink.commit(notice)
        except MailError as error:
            return Continue(Reason(stage, "notice", f"no notice of success: {error.cause or error.public}"))
        self._traces.record(record_of(notice, f"tells about {acceptance.trace_id}"))
        return Continue(Reason(stage, "notice", f"the sender asked to be told, id {notice.trace_id}"))

    async def refused(self, transaction: Transaction) -> Acceptance | None:
        """What tells the sender of recipients that refuse what others keep (RFC 5429 §2.1); None if nobody is to be told."""
        told = [(recipient, f"{reply.code} {reply.enhanced} {reply.text}") for recipient, reply in transaction.refusals]
        form = transaction.form
        about = Acceptance(transaction.trace_id, transaction.started_at, transaction.sender, form.content, form.summary, ())
        return await self._notices.refused(about, told)

    def follow(self, stage: str, acceptance: Acceptance, about: str) -> Verdict:
        """Records a message that filters send because of message ``about``, and that is durable with it."""
        self._traces.record(record_of(acceptance, f"sent because of {about}"))
        to = ", ".join(str(each.recipient) for each in acceptance.destinations)
        return Continue(Reason(stage, "follow-up", f"a message to {to}, id {acceptance.trace_id}"))
